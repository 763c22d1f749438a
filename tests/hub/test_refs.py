import pytest

from aivc.core.errors import DataError
from aivc.hub.refs import HubKind, Ref, is_hub_name, newest

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    "text",
    ["virtual-cell/lab/jak@1.0", "encoder/lab/pca@champion", f"decoder/lab/x@2.0rc1#{DIGEST}", f"score/lab/x#{DIGEST}"],
)
def test_a_ref_reads_as_it_is_written(text):
    assert str(Ref.parse(text)) == text
    assert Ref.parse(f"aivc://{text}") == Ref.parse(text)


def test_what_is_not_said_is_a_virtual_cell_and_the_latest():
    assert Ref.parse("lab/jak") == Ref(HubKind.VIRTUAL_CELL, "lab", "jak", alias="latest")


@pytest.mark.parametrize(
    "text",
    [
        "", "jak", "model/lab/jak@1", "lab/../jak@1.0", "../../etc/passwd", "lab/jak@1.0/..", "lab/jak@../2",
        "Lab/jak@1", "lab/con@1.0", "lab/.jak@1.0", "lab/jak@1.0#sha256:ab", "lab/jak@1.0#../x", "lab/ja\u202ek@1.0",
        "lab/jak@v1 ", "lab/a\\b@1.0",
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused(text):
    with pytest.raises(DataError):
        Ref.parse(text)


def test_versions_compare_as_numbers_and_candidates_come_last():
    assert newest(["1.2", "1.10", "2.0rc1"]) == "1.10"
    assert newest(["2.0rc1"]) == "2.0rc1"


def test_names_lead_nowhere():
    assert not any(map(is_hub_name, ["", ".", "..", "a/b", "a..b", "nul", "lpt1.x", "a" * 65, "-a"]))

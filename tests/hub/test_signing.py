import base64

import pytest

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.hub.signing import OF_ALIAS, OF_MANIFEST, Signature, SigningKey, TrustStore


def test_a_key_comes_back_and_is_its_owners_alone(tmp_path):
    key = SigningKey()
    key.save(tmp_path / "k.pem")
    assert (tmp_path / "k.pem").stat().st_mode & 0o077 == 0
    assert SigningKey.load(tmp_path / "k.pem").public == key.public
    with pytest.raises(IntegrityError, match="exists"):
        key.save(tmp_path / "k.pem")


def test_a_true_signature_passes_and_others_do_not():
    key, other = SigningKey(), SigningKey()
    signature = key.sign(OF_MANIFEST, b"abc")
    signature.check(OF_MANIFEST, b"abc", "it")
    forged = [
        (signature, OF_MANIFEST, b"abd"),
        (signature, OF_ALIAS, b"abc"),
        (Signature(other.public, signature.value), OF_MANIFEST, b"abc"),
        (Signature(key.public, base64.b64encode(b"x" * 64).decode()), OF_MANIFEST, b"abc"),
        (Signature("?", signature.value), OF_MANIFEST, b"abc"),
        (Signature(key.public, ""), OF_MANIFEST, b"abc"),
    ]
    for each, purpose, message in forged:
        with pytest.raises(IntegrityError, match="not true"):
            each.check(purpose, message, "it")


@pytest.mark.parametrize(
    "found", [None, {}, {"key": "a", "value": "b"}, {"algorithm": "none", "key": "a", "value": "b"}]
)
def test_what_is_no_signature_is_refused(found):
    with pytest.raises(IntegrityError, match="no Ed25519"):
        Signature.from_json(found)


def test_trust_is_kept_and_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("AIVC_TRUST", str(tmp_path / "trust.json"))
    key = SigningKey()
    TrustStore.load().add("ada", key.public, ("lab",)).save()
    trust = TrustStore.load()
    signatures = [key.sign(OF_MANIFEST, b"abc"), SigningKey().sign(OF_MANIFEST, b"abc")]
    assert trust.signers(signatures, OF_MANIFEST, b"abc", "it") == ["ada"]
    assert trust.remove("ada") == TrustStore()
    with pytest.raises(UnknownNameError):
        trust.remove("bob")
    with pytest.raises(DataError) as caught:
        trust.add("ada", "short", ("../x",))
    assert len(caught.value.problems) == 3


def test_a_namespace_of_known_keys_is_for_them_alone():
    trust = TrustStore().add("ada", SigningKey().public, ("lab",))
    trust.require("other", [], "it")
    trust.require("lab", ["ada"], "it")
    with pytest.raises(IntegrityError, match="you trust ada alone"):
        trust.require("lab", ["bob"], "it")


def test_what_is_no_trust_store_is_refused(tmp_path):
    (tmp_path / "t.json").write_text('{"keys": [{"name": "a", "key": "b", "namespaces": []}]}')
    with pytest.raises(IntegrityError, match="no file of trusted keys"):
        TrustStore.load(tmp_path / "t.json")

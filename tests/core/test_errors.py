import pickle

import pytest

from aivc.core import errors
from aivc.core.errors import AIVCError, DataError, RetiredError, UnknownNameError

CAUGHT_AS = {
    "SpaceError": TypeError,
    "UnitsError": TypeError,
    "ControlError": ValueError,
    "PerturbationError": ValueError,
    "SchemaError": ValueError,
    "SplitError": ValueError,
    "IntegrityError": ValueError,
    "DataError": ValueError,
    "ScoreError": ArithmeticError,
    "ConvergenceError": ArithmeticError,
    "UnavailableError": OSError,
    "UnknownNameError": LookupError,
    "RetiredError": LookupError,
}


@pytest.mark.parametrize(("name", "builtin"), CAUGHT_AS.items())
def test_each_refusal_is_also_the_builtin_others_catch(name, builtin):
    assert issubclass(getattr(errors, name), builtin)
    assert issubclass(getattr(errors, name), AIVCError)


def test_unknown_name_suggests_the_nearest():
    error = UnknownNameError("encoder", "count-pac", ["bert", "count-pca"], "Install one.")
    assert str(error) == "There is no encoder named 'count-pac'. Did you mean 'count-pca'? Install one."
    unnamed = UnknownNameError("context", "", ["K562", "A375"], "Name one of them.")
    assert str(unnamed) == "No context was named. Known: A375, K562. Name one of them."


def test_unknown_name_lists_what_is_known_when_nothing_is_near():
    assert "Known: alpha, beta." in str(UnknownNameError("gene", "zzz", ["beta", "alpha"]))
    assert "Known: none." in str(UnknownNameError("gene", "zzz", []))


def test_data_error_reports_every_problem():
    error = DataError(["First. Fix it.", "Second. Fix it."])
    assert error.problems == ("First. Fix it.", "Second. Fix it.")
    assert str(error).startswith("2 problems found before any work started:")
    assert str(error).endswith("\n  - Second. Fix it.")
    assert str(DataError(["One."])).startswith("1 problem found")


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("gene", "TP35", ["TP53"], "Check it."),
        DataError(["a", "b"]),
        RetiredError("manipulator", "effect.v1", "effect.v2", "The cell in x"),
    ],
)
def test_errors_cross_process_boundaries(error):
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back)) == (type(error), str(error))

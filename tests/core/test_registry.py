import sys
from importlib.metadata import EntryPoint

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.registry import ENCODERS, GROUPS, MANIPULATORS, Registry, names
from tiny_parts import POINTS, TinyEncoder


def test_our_parts_come_by_the_same_door():
    assert {"count-pca", "ppca"} <= set(names("encoders"))
    assert ENCODERS.origin("count-pca").startswith("aivc ")


@pytest.mark.parametrize("group", GROUPS)
def test_names_are_sorted(group):
    assert list(names(group)) == sorted(names(group))


def test_listing_imports_nothing(register):
    register(EntryPoint("broken", "no_such_module_anywhere:Part", "aivc.encoders"))
    assert names("encoders") == ("broken",)
    assert ENCODERS.module("broken") == "no_such_module_anywhere"
    assert "no_such_module_anywhere" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        ENCODERS.load("broken")


def test_load_returns_what_was_registered(register):
    register(*POINTS)
    assert ENCODERS.load("tiny-encoder") is TinyEncoder
    assert ENCODERS.module("tiny-encoder") == TinyEncoder.__module__
    assert ENCODERS.origin("tiny-encoder") == "unknown"


def test_unknown_name_is_suggested(register):
    register(*POINTS)
    for ask in (ENCODERS.load, ENCODERS.origin):
        with pytest.raises(UnknownNameError, match=r"no encoder named 'tiny-encodr'. Did you mean 'tiny-encoder'"):
            ask("tiny-encodr")
    with pytest.raises(UnknownNameError, match=r"entry point aivc\.manipulators"):
        MANIPULATORS.load("teleport")


def test_unknown_group_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'encoders'"):
        names("encoder")


def test_two_packages_with_one_name_are_refused(register):
    register(EntryPoint("x", "one:X", "aivc.encoders"), EntryPoint("x", "two:X", "aivc.encoders"))
    with pytest.raises(IntegrityError, match=r"one:X and two:X. Uninstall one of them"):
        names("encoders")


def test_one_package_found_twice_is_no_conflict(register):
    register(EntryPoint("x", "one:X", "aivc.encoders"), EntryPoint("x", "one:X", "aivc.encoders"))
    assert names("encoders") == ("x",)


def test_an_entry_point_may_name_a_table_that_holds_the_thing(register):
    register(EntryPoint("tiny", "tiny_parts:PROFILES", "aivc.profiles"))
    assert Registry("profiles").load("tiny") == ("mse-unbiased",)
    register(EntryPoint("absent", "tiny_parts:PROFILES", "aivc.profiles"))
    with pytest.raises(IntegrityError, match="a mapping that does not hold it"):
        Registry("profiles").load("absent")

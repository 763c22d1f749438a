from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select

from aivc.core.errors import DataError, UnknownNameError
from aivc.service import service_state
from aivc.service.accounts import LOCAL, Account, Accounts
from aivc.service.refusals import ForbiddenError, SignInError
from aivc.service.service_state import ServiceState
from aivc.service.service_tables import TOKENS, VERSION_TABLE
from aivc.service.settings import Settings


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    state = ServiceState.open(Settings(home=tmp_path_factory.mktemp("home")))
    yield state.accounts
    state.engine.dispose()


def test_a_token_lets_its_user_in_and_is_kept_nowhere(accounts: Accounts):
    made = accounts.new_token("notebook", "writer", user="ada")
    assert accounts.of(made["token"], "10.0.0.1") == Account("ada", "writer", "10.0.0.1")
    with accounts.engine.connect() as connection:
        assert made["token"] not in str(connection.execute(select(TOKENS)).all())
    assert accounts.of(made["token"] + "x") is None
    assert accounts.of("") is None


def test_a_revoked_token_is_worthless_and_only_its_own_user_revokes_it(accounts):
    made = accounts.new_token("bob", "reader")
    with pytest.raises(UnknownNameError, match="no token"):
        accounts.revoke(made["id"], Account("eve", "writer"))
    accounts.revoke(made["id"], Account("bob", "reader"))
    assert accounts.of(made["token"]) is None


def test_what_a_revoked_token_made_ends_with_it(accounts):
    def made(name, by):
        return accounts.new_token(name, "writer", user="ada", made_by=by["id"] if by else "")

    root, other = made("root", None), made("other", None)
    child = made("child", root)
    grandchild, stranger = made("grandchild", child), made("stranger", other)
    assert accounts.of(child["token"]).token == child["id"]
    gone = accounts.revoke(root["id"], Account("ada", "writer"))
    assert gone == [root["id"], child["id"], grandchild["id"]]
    assert [accounts.of(each["token"]) is None for each in (root, child, grandchild)] == [True] * 3
    assert accounts.of(stranger["token"]) is not None
    # One that asked before it was revoked, and writes after.
    with pytest.raises(SignInError, match="revoked meanwhile"):
        made("late", child)
    assert {each["name"] for each in accounts.tokens("ada")} >= {"other", "stranger"}
    assert "late" not in {each["name"] for each in accounts.tokens("ada")}


@pytest.mark.parametrize(
    ("name", "role", "error"),
    [("a b", "reader", DataError), ("a", "owner", UnknownNameError), (LOCAL, "admin", DataError)],
)
def test_odd_names_and_roles_are_refused(accounts, name, role, error):
    with pytest.raises(error):
        accounts.new_token(name, role)


def test_roles_allow_what_those_before_them_do():
    reader, admin = Account("ada", "reader"), Account("root", "admin")
    with pytest.raises(ForbiddenError, match="takes the role writer"):
        reader.need("writer")
    admin.need("writer")
    assert reader.sees("bob", "gated")
    assert not reader.sees("bob", "private")
    assert reader.sees("ada", "private")
    assert admin.sees("bob", "private")


def test_tokens_made_before_it_was_noted_stay_and_belong_to_no_other(tmp_path):
    config = Config()
    config.set_main_option("script_location", str(Path(service_state.__file__).parent / "migrations"))
    state = ServiceState.open(Settings(home=tmp_path))
    kept = state.accounts.new_token("ada")
    config.attributes |= {"engine": state.engine, "version_table": VERSION_TABLE}
    command.downgrade(config, "service_0001")
    command.upgrade(config, "head")
    assert state.accounts.of(kept["token"]) == Account("ada", "reader")
    assert state.accounts.revoke(kept["id"], Account("ada", "reader")) == [kept["id"]]
    state.engine.dispose()

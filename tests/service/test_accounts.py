import pytest
from sqlalchemy import select

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.accounts import LOCAL, Account, Accounts
from aivc.service.refusals import ForbiddenError
from aivc.service.service_state import ServiceState
from aivc.service.service_tables import TOKENS
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

"""Forms of what the API says of sessions, tokens, the audit log, and of what it refuses."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["reader", "writer", "admin"]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"


class RefusalBody(BaseModel):
    """What is wrong, sentence by sentence."""

    kind: str
    problems: list[str]


class Refused(BaseModel):
    """The answer to a request that is refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"error": {"kind": "DataError", "problems": ["All values are zero. Say where they lie."]}}]
        }
    )
    error: RefusalBody


# What every route may refuse with.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": said}
    for status, said in {
        400: "The request cannot be read.",
        401: "A token is needed.",
        403: "Not allowed.",
        404: "There is nothing of that name.",
        413: "Too large.",
        422: "Refused, with every problem found.",
        429: "Too often.",
        507: "The disk of the service is full.",
    }.items()
}


class Health(BaseModel):
    """Whether the service answers."""

    status: Literal["ok"]
    version: str


class SessionInfo(BaseModel):
    """Who asks, and what the page may offer."""

    user: str
    role: Role
    loopback: bool
    version: str
    upload_limit_bytes: int
    page_features: dict[str, bool]


class SignIn(BaseModel):
    """A token, to be kept by the browser for this page alone."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, Field(min_length=1, max_length=200)]


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "notebook", "role": "reader"}]})
    name: Annotated[str, Field(pattern=_NAME)]
    role: Role = "reader"
    user: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._@-]{0,63})?$")] = Field(
        "", description="Whose it is; an admin may name another user. By default oneself, or a user of that name."
    )


class Token(BaseModel):
    """A token, without what would let anybody in."""

    id: str
    user: str
    name: str
    role: Role
    created: float


class TokenOnce(Token):
    """A new token, shown this once."""

    token: str


class TokenList(BaseModel):
    """Tokens of a user, or, for an admin, of all."""

    tokens: list[Token]


class AuditLine(BaseModel):
    """One write."""

    id: int
    at: float
    user: str
    address: str
    action: str
    path: str
    status: int


class AuditPage(BaseModel):
    """Writes, the newest first."""

    lines: list[AuditLine]

"""Forms of what is said of the parts of a virtual cell, as the API states them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class SpaceForm(BaseModel):
    """A space of representations."""

    name: str = Field(description="Registered name of the encoder that writes it.")
    scale: str
    dim: int
    fingerprint: str


class PartDescription(BaseModel):
    """A part that another computer can ask as if it were its own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "part": "manipulator",
                    "contract": "manipulator",
                    "group": "manipulators",
                    "name": "effect.v2",
                    "digest": "6f1f0c1e" + "0" * 56,
                    "space": {"name": "count-pca", "scale": "cellular", "dim": 32, "fingerprint": "5f3c2a10d2b1c0aa"},
                    "molecules": ["JAK2", "STAT1"],
                    "needs_times": False,
                    "grows": False,
                    "edits_tissue": False,
                    "uses_parts": False,
                    "notes": [],
                }
            ]
        }
    )

    part: str = Field(description="Its name in the cell, as in its address.")
    contract: Literal["encoder", "manipulator", "decoder"]
    group: str
    name: str = Field(description="Name it is registered under.")
    digest: str = Field(description="sha256 of its state: what If-Match and ETag of a question to it hold.")
    space: SpaceForm = Field(description="What an encoder writes, and an instrument reads.")
    molecules: list[str] = Field(default=[], description="Molecules that it has knowledge of.")
    needs_times: bool = False
    grows: bool = False
    edits_tissue: bool = False
    uses_parts: bool = False
    features: list[str] | None = Field(default=None, description="That an encoder reads.")
    units: str | None = Field(default=None, description="That an encoder works in.")
    notes: list[str] = []


class PartList(BaseModel):
    """The parts of a virtual cell that another computer can ask, and what else it needs to ask them."""

    parts: list[PartDescription]
    card: dict[str, Any] = Field(description="All that the cell says of itself.")
    contexts: list[str] = Field(description="Contexts whose control states are sent to whoever asks for them.")
    remarks: list[str] = Field(description="What is not sent, and why.")

"""A virtual cell that another computer serves, as one of this computer whose parts are asked over the network."""

from collections.abc import Mapping
from typing import NamedTuple, final

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.entity_tables import intact
from aivc.core.errors import DataError
from aivc.core.registry import WRAPPERS
from aivc.core.saved_cell import is_plain
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.far_part import CONTRACTS, FarPart

_ENCODER = "encoder-"
# What a person wrote of the cell there, and where it comes from here.
_FROM = "asked_at"


@final
class FarCell(NamedTuple):
    """A virtual cell whose parts are asked over the network.

    Attributes:
        cell: To be asked, saved and shared as any other.
        remarks: What the service did not send, and why.
    """

    cell: VirtualCell
    remarks: tuple[str, ...]


def far_cell(address: str, *, token: str = "") -> FarCell:
    """Connect to every part of a virtual cell that a service offers.

    Control states come along where the terms of the data allow it, so that known contexts can be asked by name.

    Args:
        address: Such as ``https://host/api/v1/cells/interferon``. Naming it is the consent to ask it from this process.
        token: Of an account there, where one is needed; never saved.

    Raises:
        DataError: The address is none, or the cell has no part that can be asked.
        IntegrityError: What answers is no service of virtual cells.
        UnavailableError: It cannot be reached.
    """
    there = FarPart(address.rstrip("/"))
    there.allow(token)
    about = there.read_json("/parts")
    with intact(address, "virtual cell"):
        parts = {str(each["part"]): str(each["contract"]) for each in about["parts"]}
        contexts, remarks = [str(each) for each in about["contexts"]], tuple(str(each) for each in about["remarks"])
        card = {**about["card"], _FROM: there.address}
    encoders, instruments = _connected(there.address, parts, token)
    if not encoders or not instruments:
        raise DataError([f"{address} offers no encoder, or no instrument, that can be asked. Pull it from a hub."])
    starts = {each: UR.from_state(there.read_state("/start", context=each), address) for each in contexts}
    return FarCell(VirtualCell(encoders, instruments, card, starts), remarks)


def _connected(
    address: str, parts: Mapping[str, str], token: str
) -> tuple[dict[str, Encoder], dict[str, Manipulator | Decoder]]:
    encoders, instruments = dict[str, Encoder](), dict[str, Manipulator | Decoder]()
    for name, contract in parts.items():
        # The name becomes part of an address here, and a folder where the cell is saved.
        if not is_plain(name) or contract not in CONTRACTS:
            raise DataError(
                [f"{address} offers {name[:80]!r} as {contract[:80]!r}, which is no part. Do not trust it."]
            )
        part = WRAPPERS.load(f"remote-{contract}").connect(f"{address}/parts/{name}", token=token)
        if isinstance(part, Encoder):
            encoders[name.removeprefix(_ENCODER)] = part
        else:
            instruments[name] = part
    return encoders, instruments

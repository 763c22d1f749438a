"""What remote parts of all three contracts do first: ask the service what the part at an address is."""

from typing import Any

from aivc.core.errors import DataError
from aivc.data.far_part import FarPart


def connected(address: str, contract: str, token: str = "") -> dict[str, Any]:
    """Name a service as one that may be asked, and let it describe a part.

    Args:
        address: Of the part.
        contract: ``encoder``, ``manipulator`` or ``decoder``: what it has to be.
        token: Of an account there; empty for none, or that of the environment.

    Raises:
        DataError: The address is none, or the part is of another contract.
        IntegrityError: What answers is no service of virtual cells.
        UnavailableError: It cannot be reached.
    """
    part = FarPart(address)
    part.allow(token)
    far = part.describe()
    if far["contract"] != contract:
        raise DataError([f"{address} is a part of the kind {far['contract']}, and {contract} was wanted. Check it."])
    return far

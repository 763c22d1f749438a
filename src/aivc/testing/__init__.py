"""The contract, executable: check that a part of yours keeps every promise that aivc relies on."""

from aivc.testing.decoders import check_decoder
from aivc.testing.encoders import check_encoder
from aivc.testing.manipulators import check_manipulator
from aivc.testing.promises import ContractError
from aivc.testing.providers import check_provider
from aivc.testing.samples import sample_development, sample_measurement, sample_parts, sample_ur

__all__ = [
    "ContractError",
    "check_decoder",
    "check_encoder",
    "check_manipulator",
    "check_provider",
    "sample_development",
    "sample_measurement",
    "sample_parts",
    "sample_ur",
]

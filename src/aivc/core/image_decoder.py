"""The contract of what reads further readings off images: another channel, condition or time, or expression."""

from abc import abstractmethod
from typing import ClassVar

from aivc.core.contracts import Part
from aivc.core.measurement import Measurement


class ImageDecoder(Part):
    """Images ``(n, c, y, x)`` → what else would be read of the same entities, which keep their names and order."""

    group: ClassVar[str] = "image_decoders"

    @classmethod
    @abstractmethod
    def fit(cls, measurement: Measurement, *, seed: int = 0) -> "ImageDecoder":
        """Fit on training images only.

        Args:
            measurement: Training images, with the columns ``perturbation`` and ``batch`` where they apply.
            seed: For those that draw.
        """

    @abstractmethod
    def decode(self, measurement: Measurement) -> Measurement:
        """Predict from images.

        Args:
            measurement: Images with the channels that it reads, by name, of the size it was fitted on.

        Raises:
            DataError: These are no such images.
            UnknownNameError: A channel is missing.
        """

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Sentences that whoever looks at the images has to know: what was predicted, what was copied, and how well."""

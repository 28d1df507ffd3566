"""The image tower: the contract of what turns pictures into vectors."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureVectors(NamedTuple):
    """The vectors of B pictures. They are not normalised."""

    whole: Tensor  # (B, V) fp32 vector of the whole picture
    patches: Tensor  # (B, P, V) fp32 vectors of its parts, row by row


class ImageTower(ABC):
    """A frozen network that encodes pictures.

    ``name`` is what elq/vision/opening.py opens it by. ``identity`` is a sha256 sum of its weights and of how it prepares
    pictures: vectors of towers with different identities are not compared. ``width`` is V, and ``patches`` is P.
    """

    name: str
    identity: str
    width: int
    patches: int

    @abstractmethod
    def encode(self, pictures: Sequence["Image"]) -> PictureVectors:
        """The vectors of B pictures, which are RGB and may have any size. B may be 0."""

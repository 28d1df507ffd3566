"""Combining: the scores of texts and those of a multimodal network become one score of each candidate."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elq.errors import ElqError
from elq.files import read_json_file, write_json
from elq.multimodal.candidates import Nearest
from elq.multimodal.features import UnitScores
from elq.multimodal.picture_features import PROMPTS

FILE, FORMAT = "linking.json", 1
TEXT_ALONE = (1.0, 0.0)
NAMED, UNNAMED, BOXED = range(3)  # kinds of mentions


@dataclass(frozen=True, kw_only=True)
class PictureLinking:
    """How pictures are used in linking; the file ``linking.json`` beside the network.

    Args:
        tower: the name or folder of the image tower.
        tower_identity: what it must be, see :class:`elq.vision.tower.ImageTower`; "" for any.
        preset: the name of the preset of the network; "" for a choice of units.
        prompt: what shows a box, see :func:`elq.multimodal.picture_features.pictures_of`.
        decoding: ``rank``, or ``matching``: no two mentions of a text mean the same entity.
        nearest: the number of candidates.
        named: the weights of log p by the text and of the network's score, for mentions whose words are a name in the
            catalogue ("georgia"), in a text with a picture.
        unnamed: the same for mentions whose words are none ("they"), which say nothing about the entity. None: those of
            ``named``, as in a model folder that was made before these weights were told apart.
        boxed: the same for boxes that no words of the text name.
        fitted: the numbers of mentions of these kinds on which the weights were fitted.
        format: number of this file format.
    """

    tower: str
    tower_identity: str = ""
    preset: str = ""
    prompt: str = "crop"
    decoding: str = "rank"
    nearest: Nearest = field(default_factory=Nearest)
    named: tuple[float, float] = (1.0, 1.0)
    unnamed: tuple[float, float] | None = None
    boxed: tuple[float, float] = (0.0, 1.0)
    fitted: tuple[int, ...] = (0, 0, 0)
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, counts in (("named", (2,)), ("unnamed", (2,)), ("boxed", (2,)), ("fitted", (2, 3))):
            value = getattr(self, name)
            if name == "unnamed" and value is None:
                continue
            numbers = isinstance(value, list | tuple) and all(type(each) in (int, float) for each in value)
            if not numbers or len(value) not in counts:
                raise ElqError(
                    f"{name} in {FILE} is {value!r}, but must be {' or '.join(map(str, counts))} numbers: put a whole copy of"
                    " the file in its place"
                )
            object.__setattr__(self, name, tuple(value))
        if self.prompt not in PROMPTS:
            raise ElqError(f"prompt is {self.prompt!r}, but must be one of {', '.join(PROMPTS)}: choose one")
        if self.decoding not in ("rank", "matching"):
            raise ElqError(f"decoding is {self.decoding!r}, but must be rank or matching: choose one")

    def save(self, folder: str | Path) -> None:
        """Write ``linking.json`` into a folder."""
        write_json(Path(folder) / FILE, asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> "PictureLinking":
        """Read ``linking.json``.

        Raises:
            ElqError: the file is missing, or is not of this format.
        """
        path = Path(folder) / FILE
        values = read_json_file(path, "give the folder of a model with pictures")
        known = {each.name for each in fields(cls)}
        if (
            not isinstance(values, dict)
            or values.get("format") != FORMAT
            or not values.keys() <= known
            or "tower" not in values
        ):
            raise ElqError(f"{path} is not of format {FORMAT}: put a whole copy of the file in its place")
        return cls(**{**values, "nearest": _nearest(values.get("nearest", {}), path)})

    @property
    def weights(self) -> Tensor:
        """The weights (3, 2) of the kinds of mentions, see :func:`kinds_of`."""
        return torch.tensor([self.named, self.named if self.unnamed is None else self.unnamed, self.boxed])  # (3, 2)


def _nearest(values: object, path: Path) -> Nearest:
    known = {each.name for each in fields(Nearest)}
    if not isinstance(values, Mapping) or not values.keys() <= known:
        raise ElqError(
            f"nearest in {path} is {values!r}, but must have {', '.join(sorted(known))}: put a whole copy of the file"
            " in its place"
        )
    chosen: dict[str, Any] = dict(values)
    return Nearest(**chosen)


def kinds_of(words: Sequence[bool], names: Sequence[bool]) -> Tensor:
    """The kinds (M,) of M mentions: :data:`NAMED` (a name in the catalogue), :data:`UNNAMED` (other words), :data:`BOXED`.

    Args:
        words: whether words of the text are the mention; else it is a box.
        names: whether the words of each are a name in the catalogue.

    >>> kinds_of([True, True, False], [True, False, False])
    tensor([0, 1, 2])
    """
    kinds = [BOXED if not own else NAMED if name else UNNAMED for own, name in zip(words, names, strict=True)]
    return torch.tensor(kinds, dtype=torch.int64)


def log_probs(scores: Tensor) -> Tensor:
    """log p (M, K) of candidates by their scores, −inf where there is no candidate; a mention without any has −inf only."""
    return scores.log_softmax(-1).masked_fill(scores == -torch.inf, -torch.inf)


def filled(said: UnitScores, there: Tensor) -> Tensor:
    """The scores (M, K) of a network. A candidate about which it says nothing gets the mean of the others of its mention.

    Args:
        said: what the network says.
        there: (M, K) where there is a candidate; the others get −inf.

    >>> scores = torch.tensor([[1.0, 3.0, 0.0, 9.0]])
    >>> valid, there = torch.tensor([[True, True, False, True]]), torch.tensor([[True, True, True, False]])
    >>> filled(UnitScores(scores, valid), there)
    tensor([[1., 3., 2., -inf]])
    """
    valid = said.valid & there  # (M, K)
    total = said.scores.masked_fill(~valid, 0.0).sum(-1, keepdim=True)  # (M, 1)
    mean = total / valid.sum(-1, keepdim=True).clamp_min(1)  # (M, 1)
    return torch.where(valid, said.scores, mean).masked_fill(~there, -torch.inf)


def combined(text: Tensor, network: Tensor, weights: Tensor) -> Tensor:
    """The weighted sums (M, K) of log p by the text and of the scores of a network; −inf where there is no candidate.

    Args:
        text: (M, K) scores by the text, −inf where there is no candidate.
        network: (M, K) scores of the network.
        weights: (M, 2) of both.
    """
    there = text > -torch.inf  # (M, K)
    of_text = weights[:, :1] * log_probs(text).masked_fill(~there, 0.0)  # (M, K)
    return (of_text + weights[:, 1:] * network.masked_fill(~there, 0.0)).masked_fill(~there, -torch.inf)

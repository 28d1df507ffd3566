"""Text features: the vectors of mentions and entities, and those of their words, from the frozen towers of a bi-encoder.

File format of the cache: a folder with one file ``part-NUMBER.npz`` for every 512 texts: ``whole`` (B, D) fp32, ``words``
(S, D) fp16 of all words one after another, and ``ends`` (B,) int64, where the words of each text end. A file appears when it is
complete, so a run that was killed computes only the missing ones.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample, context_rows
from elq.entities.build import EncodedTexts
from elq.entities.encoder import settings_of
from elq.entities.manifest import ENTITY_ENCODER
from elq.files import replacing
from elq.progress import track

log = logging.getLogger(__name__)

PART, BATCH = 512, 64  # texts in a file of the cache, and in one encoder pass


@dataclass(frozen=True, slots=True)
class TextVectors:
    """The vectors of B texts; those of all words stand one after another."""

    whole: Tensor  # (B, D) fp32
    words: Tensor  # (S, D) fp16
    ends: Tensor  # (B,) int64: where the words of each text end

    def __len__(self) -> int:
        return len(self.whole)

    def at(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The vectors (R, D), the word vectors (R, T, D) fp32 and their mask (R, T) of R texts; T is that of the longest."""
        ends = self.ends[rows]  # (R,)
        starts = torch.where(rows > 0, self.ends[(rows - 1).clamp_min(0)], 0)  # (R,)
        width = int((ends - starts).max().clamp_min(1)) if len(rows) else 1
        places = starts.unsqueeze(-1) + torch.arange(width)  # (R, T)
        mask = places < ends.unsqueeze(-1)  # (R, T)
        words = self.words[places.clamp_max(len(self.words) - 1)].float()  # (R, T, D)
        return self.whole[rows], words.masked_fill(~mask.unsqueeze(-1), 0.0), mask


def stacked(wholes: Sequence[Tensor], words: Sequence[Tensor]) -> TextVectors:
    """The vectors of B texts.

    Args:
        wholes: (D,) for each text.
        words: (T, D) for each text, T differs.
    """
    lengths = torch.tensor([len(one) for one in words], dtype=torch.int64)
    return TextVectors(torch.stack([*wholes]), torch.cat([*words]).half(), lengths.cumsum(0))


def chained(parts: Sequence[TextVectors]) -> TextVectors:
    """The vectors of the texts of several parts, one after another."""
    before = torch.tensor([0, *(len(part.words) for part in parts)]).cumsum(0)
    ends = torch.cat([part.ends + begin for part, begin in zip(parts, before, strict=False)])
    return TextVectors(torch.cat([part.whole for part in parts]), torch.cat([part.words for part in parts]), ends)


class TextTower:
    """Gives the features of texts by the frozen towers of a bi-encoder.

    Args:
        base: the bi-encoder with its entities.
        device: where the entity tower runs; the context tower runs where it is.
    """

    def __init__(self, base: Disambiguator, device: str = "cpu") -> None:
        self.base, self.device = base, device
        self._entities: EncodedTexts | None = None  # it is opened when it is needed

    @property
    def width(self) -> int:
        """D, the width of a vector."""
        return self.base.network.width

    @torch.inference_mode()
    def mentions(self, examples: Sequence[MentionExample]) -> TextVectors:
        """The vectors of M mentions in their texts."""
        network, made = self.base.network, {}
        for places in in_batches([len(example.text) for example in examples]):
            rows = context_rows(self.base.texts, [examples[place] for place in places], network.context.padding)
            rows = rows.to(network.scale.device)
            hidden = network.context(rows.ids, rows.attention)  # (B, T, D)
            whole = network.pooled(hidden, rows).float().cpu()  # (B, D)
            for place, *found in zip(places, whole, hidden.float().cpu(), rows.attention.cpu(), strict=True):
                made[place] = (found[0], found[1][found[2]])
        return stacked(*zip(*(made[place] for place in range(len(examples))), strict=True))

    @torch.inference_mode()
    def entities(self, rows: Sequence[int]) -> TextVectors:
        """The vectors of the entities in catalogue rows; those of whole texts are the rows of the entity table."""
        records = self.base.entities.catalogue.records(rows)
        encoder = self._encoded().encoder
        texts = [self._encoded().settings.text(records[row]) for row in rows]
        words: dict[int, Tensor] = {}
        for places in in_batches([len(text) for text in texts]):
            tokens = encoder.tokenizer([texts[place] for place in places]).to(encoder.device)
            hidden = encoder.encoder(tokens.ids, tokens.attention).float().cpu()  # (B, T, D)
            words |= {place: of[mask] for place, of, mask in zip(places, hidden, tokens.attention.cpu(), strict=True)}
        table = self.base.entities.table.gather(torch.tensor([*rows], dtype=torch.int64))[:, : self.width]  # (B, D)
        return stacked([*table], [words[place] for place in range(len(rows))])

    def _encoded(self) -> EncodedTexts:
        if self._entities is None:
            opened = self.base.entities
            beside = opened.folder.parent / ENTITY_ENCODER
            name = str(beside) if beside.is_dir() else None
            self._entities = EncodedTexts(settings_of(opened.manifest, name), self.device)
        return self._entities


def in_batches(sizes: Sequence[int]) -> list[list[int]]:
    """The places of texts of similar size together, in batches."""
    order = sorted(range(len(sizes)), key=lambda place: sizes[place])
    return [order[at : at + BATCH] for at in range(0, len(order), BATCH)]


def cached(folder: Path, count: int, compute: Callable[[range], TextVectors], what: str) -> TextVectors:
    """The vectors of ``count`` texts, of which the parts in a folder are not computed again.

    Args:
        folder: the folder of the parts; its name must differ where the texts or the towers differ.
        count: the number of texts.
        compute: gives the vectors of the texts with these numbers.
        what: what they are, for the progress bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [range(at, min(at + PART, count)) for at in range(0, count, PART)]
    files = [folder / f"part-{number:05}.npz" for number in range(len(parts))]
    missing = [place for place, file in enumerate(files) if not file.is_file()]
    for place in track(missing, f"vectors of {what}"):
        made = compute(parts[place])
        with replacing(files[place], "wb") as stream:
            np.savez(stream, whole=made.whole.numpy(), words=made.words.numpy(), ends=made.ends.numpy())
    return chained([_part(file) for file in files])


def _part(file: Path) -> TextVectors:
    with np.load(file, allow_pickle=False) as arrays:
        return TextVectors(*(torch.from_numpy(arrays[name]) for name in ("whole", "words", "ends")))

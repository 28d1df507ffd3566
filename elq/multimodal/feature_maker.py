"""Features of mentions and of entities in all modalities, as units read them. What no unit reads is not made."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.multimodal.examples import PicturedMention
from elq.multimodal.features import ModalityFeatures
from elq.multimodal.letters import letters_of
from elq.multimodal.picture_features import EntityPictures, MentionPictures
from elq.multimodal.text_features import TextTower, TextVectors, stacked

ROOM = 50_000  # entities whose words are kept in memory


def of_parts(
    texts: tuple[Tensor, Tensor, Tensor],
    names: Sequence[str],
    pictures: tuple[Tensor, Tensor, Tensor],
    needs: Collection[str],
    named: Sequence[bool],
) -> ModalityFeatures:
    """The features of B texts with their pictures.

    Args:
        texts: vectors (B, D), words (B, T, D), and their mask (B, T).
        names: the names whose letters are read.
        pictures: vectors (B, I, V), patches (B, I, P, V), and their mask (B, I).
        needs: the parts that are read; the others may be empty.
        named: whether the words of each are a name in the catalogue.
    """
    whole, words, mask = texts
    if "words" not in needs:
        words, mask = words[:, :0], mask[:, :0]
    letters = letters_of(names if "characters" in needs else [""] * len(names))
    return ModalityFeatures(whole, words, mask, letters, *pictures, torch.tensor([*named], dtype=torch.bool))


def are_named(base: Disambiguator, examples: Sequence[PicturedMention]) -> list[bool]:
    """Whether the words of each mention are a name in the catalogue ("georgia"); those of a box, "they" and "this one" are not.

    Args:
        base: the bi-encoder, whose dictionary has the names.
        examples: the mentions.
    """
    found = (base.dictionary.name_matches([example.mention for example in examples]).rows >= 0).any(-1).tolist()
    return [example.named and there for example, there in zip(examples, found, strict=True)]


class MentionFeatures:
    """The features of M mentions.

    Args:
        texts: the vectors of their texts.
        names: their words; "" for a box.
        pictures: their pictures.
        needs: what units read.
        named: whether their words are a name in the catalogue, see :func:`are_named`.
    """

    def __init__(
        self,
        texts: TextVectors,
        names: Sequence[str],
        pictures: MentionPictures,
        needs: Collection[str],
        named: Sequence[bool],
    ) -> None:
        self.texts, self.names, self.pictures, self.needs, self.named = texts, names, pictures, needs, named

    @classmethod
    def of(
        cls,
        base: Disambiguator,
        examples: Sequence[PicturedMention],
        texts: TextVectors,
        pictures: MentionPictures,
        needs: Collection[str],
    ) -> "MentionFeatures":
        """The features of examples; the other arguments are those of the class and of :func:`are_named`."""
        names = [one.mention if one.named else "" for one in examples]
        return cls(texts, names, pictures, needs, are_named(base, examples))

    def at(self, numbers: Sequence[int]) -> ModalityFeatures:
        """The features of the mentions with these numbers."""
        texts = self.texts.at(torch.tensor(numbers, dtype=torch.int64))
        shown = self.pictures.at(numbers, patches="patches" in self.needs)
        names, named = [self.names[number] for number in numbers], [self.named[number] for number in numbers]
        return of_parts(texts, names, shown, self.needs, named)


class EntityFeatures:
    """The features of entities; the words of those that were asked for once are kept in memory.

    Args:
        tower: gives the vectors of texts.
        pictures: the pictures of the entities.
        needs: what units read.
    """

    def __init__(self, tower: TextTower, pictures: EntityPictures, needs: Collection[str]) -> None:
        self.tower, self.pictures, self.needs = tower, pictures, needs
        self._words: dict[int, Tensor] = {}  # (T, D) fp16

    def keep(self, rows: Sequence[int], texts: TextVectors) -> None:
        """Keep the words of entities that were computed before."""
        starts = [0, *texts.ends.tolist()]
        self._words |= {row: texts.words[starts[place] : starts[place + 1]] for place, row in enumerate(rows)}

    def at(self, rows: Tensor, *, patches: bool = True) -> ModalityFeatures:
        """The features of the entities in catalogue rows (U,).

        Args:
            rows: the rows.
            patches: whether words and patches are wanted; else there are none.
        """
        numbers = rows.tolist()
        table = self.tower.base.entities.table.gather(rows)[:, : self.tower.width]  # (U, D)
        if "words" in self.needs and patches:
            texts = self._with_words(numbers, table)
        else:
            texts = (table, torch.zeros(len(rows), 0, self.tower.width), torch.zeros(len(rows), 0, dtype=torch.bool))
        names = [""] * len(numbers)
        if "characters" in self.needs:
            records = self.tower.base.entities.catalogue.records(numbers)
            names = [records[number].label for number in numbers]
        shown = self.pictures.at(rows, patches="patches" in self.needs and patches)
        return of_parts(texts, names, shown, self.needs, [True] * len(numbers))

    def _with_words(self, numbers: Sequence[int], table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if lacking := [number for number in dict.fromkeys(numbers) if number not in self._words]:
            if len(self._words) > ROOM:
                self._words.clear()
                lacking = [*dict.fromkeys(numbers)]
            self.keep(lacking, self.tower.entities(lacking))
        return stacked([*table], [self._words[number] for number in numbers]).at(torch.arange(len(numbers)))

"""The baseline without a model: links the longest name in a text.

The link has the most famous entity of that name, which is the one with the lowest Wikidata id.
"""

from collections.abc import Sequence
from itertools import islice
from typing import overload

from elq.names.dictionary import Dictionary
from elq.types import Candidate, Link


class LongestName:
    """Links the longest name in each text; of several names of the same length, the first in the text.

    Args:
        dictionary: the names of a catalogue.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    @overload
    def link(self, texts: str) -> list[Link]: ...
    @overload
    def link(self, texts: list[str] | tuple[str, ...]) -> list[list[Link]]: ...
    def link(self, texts: str | list[str] | tuple[str, ...]) -> list[Link] | list[list[Link]]:
        """Link the longest name in each text.

        Args:
            texts: one question, or several.

        Returns:
            A list of no link or one link (score 0, no candidates); for several questions, one such list for each question.
        """
        if not isinstance(texts, str):
            return [self.link(text) for text in texts]
        match = max(self.dictionary.matches(texts), key=lambda match: match[1] - match[0], default=None)
        if match is None:
            return []
        start, end, row = match
        entity = self.dictionary.catalogue[row]
        return [Link(start, end, texts[start:end], entity.id, entity.title, entity.description, 0.0)]


class FamousName:
    """Links given mentions to the entities that may have this name: a whole name before a part of one, then the most famous.

    Args:
        dictionary: the names of a catalogue.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    def link(
        self,
        texts: Sequence[str],
        *,
        mentions: Sequence[Sequence[tuple[int, int]]],
        candidates: int,
        types: str | None = None,
    ) -> list[list[Link]]:
        """Link the given mentions of each text.

        Args:
            texts: the texts.
            mentions: the characters [start, end) of the mentions of each text.
            candidates: K. All scores are 0; a mention that is no name has no candidate and no entity ("").
            types: only entities of this type are candidates; None: all are.
        """
        return [
            [self._link(text, start, end, candidates, types) for start, end in of_text]
            for text, of_text in zip(texts, mentions, strict=True)
        ]

    def _link(self, text: str, start: int, end: int, candidates: int, types: str | None) -> Link:
        found, fame = self.dictionary.name_matches([text[start:end]]), self.dictionary.names.fame
        matches = [pair for pair in zip(found.kinds[0].tolist(), found.rows[0].tolist(), strict=True) if pair[1] >= 0]
        matches.sort(key=lambda pair: (pair[0] // 2, fame(pair[1]), pair[1]))  # every kind has two numbers
        entities = (self.dictionary.catalogue[row] for _, row in matches)
        allowed = (one for one in entities if types is None or types in one.types)
        chosen = tuple(Candidate(one.id, one.title, 0.0) for one in islice(allowed, candidates))
        best = chosen[0] if chosen else Candidate("", "", 0.0)
        return Link(start, end, text[start:end], best.entity, best.title, "", 0.0, chosen)

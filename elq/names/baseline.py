"""The baseline without a model: links the longest name in a text.

The link has the most famous entity of that name, which is the one with the lowest Wikidata id.
"""

from typing import overload

from elq.names.dictionary import Dictionary
from elq.types import Link


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

"""Generic nouns: finds the nouns of a question, which are no mentions unless somebody annotated them.

In a partially annotated question, a name without annotation may be a mention that nobody annotated. That is rarely so for
generic nouns, such as "actor" in "which actor died in a car". They are in many questions, and where a question is about one, it
is the annotated mention.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.encoding.tokens import token_finder
from elq.entities.catalogue import Catalogue
from elq.linking.concepts import is_cased, is_concept, ordinary
from elq.names.dictionary import Dictionary
from elq.tensors import TokenBatch


class GenericNouns:
    """Finds the names in a text that are generic nouns, by the rules of elq/linking/concepts.py.

    The most famous entity of the name decides: "book" is a generic noun, although a film is called so too.

    Args:
        catalogue: the records of the entities.
        dictionary: their names.
    """

    def __init__(self, catalogue: Catalogue, dictionary: Dictionary) -> None:
        self.catalogue, self.dictionary, self.cased = catalogue, dictionary, is_cased(catalogue)
        self._concepts: dict[int, bool] = {}  # row → whether its entity is a concept, since reading a record takes long

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The characters [start, end) of each generic noun of a text."""
        found = (match for match in self.dictionary.matches(text) if ordinary(text, *match[:2]))
        return [(start, end) for start, end, row in found if self._is_concept(row)]

    def _is_concept(self, row: int) -> bool:
        if row not in self._concepts:
            self._concepts[row] = is_concept(self.catalogue[row], cased=self.cased)
        return self._concepts[row]

    def marked(self, texts: Sequence[str], tokens: TokenBatch, max_tokens: int) -> Tensor:
        """The spans of at most L tokens that are generic nouns: B texts and their tokens → (B, T, L) bool."""
        grid = torch.zeros(*tokens.text_mask.shape, max_tokens, dtype=torch.bool)  # (B, T, L)
        for b, (text, mask) in enumerate(zip(texts, tokens.text_mask.tolist(), strict=True)):
            find = token_finder(tokens.offsets[b], mask)
            for first, after in (span for start, end in self.spans(text) if (span := find(start, end)) is not None):
                if after - first <= max_tokens:
                    grid[b, first, after - first - 1] = True
        return grid

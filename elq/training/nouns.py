"""Generic nouns: finds the nouns of a partially annotated question that are no mentions unless somebody annotated them.

In a partially annotated question, a name without annotation may be a mention that nobody annotated. That is rarely so for
generic nouns, such as "actor" in "which actor died in a car". They are in many questions, and where a question is about one, it
is the annotated mention.
"""

from collections.abc import Sequence

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

    def without(self, unsure: Tensor, texts: Sequence[str], tokens: TokenBatch) -> Tensor:
        """The unsure spans (B, T, L) bool of B texts without those that are generic nouns.

        Args:
            unsure: spans that may be mentions without an annotation.
            texts: the texts of the questions.
            tokens: their tokens.
        """
        kept = unsure.clone()  # (B, T, L)
        for b in unsure.flatten(1).any(-1).nonzero().flatten().tolist():
            find = token_finder(tokens.offsets[b], tokens.text_mask[b].tolist())
            spans = (find(start, end) for start, end in self.spans(texts[b]))
            for first, after in (span for span in spans if span is not None and span[1] - span[0] <= unsure.shape[-1]):
                kept[b, first, after - first - 1] = False
        return kept

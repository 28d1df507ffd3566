"""Ranking trees: score the candidates of mentions by trees over what a network, BM25 and popularity say.

The trees themselves are in elq/multimodal/trees.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.multimodal.candidates import words_of
from elq.multimodal.examples import PicturedMention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.totals import TOGETHER, totals
from elq.multimodal.trees import Trees, pair_numbers

LEAST = 0.01  # added to the share of right candidates, before its logarithm is taken


class RankingTrees:
    """Trees over the numbers of mentions and candidates.

    Args:
        base: has the catalogue.
        trees: fitted trees.
    """

    def __init__(self, base: Disambiguator, trees: Trees) -> None:
        self.base, self.trees = base, trees

    @classmethod
    def fit(
        cls,
        base: Disambiguator,
        network: MultimodalNetwork,
        examples: Sequence[PicturedMention],
        mentions: MentionFeatures,
        numbers: Sequence[int],
        entities: EntityFeatures,
        rows: Tensor,
        gold: Tensor,
        seed: int = 0,
    ) -> "RankingTrees":
        """Fit trees on M mentions with their candidates (M, K) and the places of the gold entities (M,)."""
        said = totals(network, mentions, numbers, entities, rows)
        pairs = _numbers(base, examples, mentions, numbers, entities, rows, said)
        return cls(base, Trees.fit(pairs, gold, rows >= 0, seed=seed))

    def said(
        self,
        network: MultimodalNetwork,
        examples: Sequence[PicturedMention],
        mentions: MentionFeatures,
        numbers: Sequence[int],
        entities: EntityFeatures,
        rows: Tensor,
    ) -> UnitScores:
        """The scores (M, K) of candidates: the logarithm of the share of right ones in the leaves."""
        total = totals(network, mentions, numbers, entities, rows)
        pairs = _numbers(self.base, examples, mentions, numbers, entities, rows, total)
        return UnitScores((self.trees.scores(pairs) + LEAST).log(), rows >= 0)


@torch.inference_mode()
def _numbers(
    base: Disambiguator,
    examples: Sequence[PicturedMention],
    mentions: MentionFeatures,
    numbers: Sequence[int],
    entities: EntityFeatures,
    rows: Tensor,
    said: UnitScores,
) -> Tensor:
    """The numbers (M, K, F) of :func:`elq.multimodal.trees.pair_numbers`."""
    index, records = words_of(base), base.entities.catalogue.records({*rows.flatten().tolist()})
    made = []
    for at in range(0, len(numbers), TOGETHER):
        part = rows[at : at + TOGETHER]  # (m, K)
        different, places = torch.unique(part.clamp_min(0), return_inverse=True)
        sides = mentions.at(numbers[at : at + TOGETHER]), entities.at(different, patches=False)
        own = ModalityFeatures(*(side[places] for side in sides[1]))  # (m, K, …)
        fame = torch.tensor([[records[row].popularity if row >= 0 else 0 for row in line] for line in part.tolist()])
        words = torch.stack(
            [
                torch.from_numpy(index.scores(one.text))[line.clamp_min(0)]
                for one, line in zip(examples[at : at + TOGETHER], part, strict=True)
            ]
        )
        total = said.scores[at : at + TOGETHER].masked_fill(~said.valid[at : at + TOGETHER], -torch.inf)
        made.append(pair_numbers(sides[0], own, fame, words.float(), total))
    return torch.cat(made)

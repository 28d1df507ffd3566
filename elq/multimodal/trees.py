"""Trees over popularity, BM25 and similarities, which rank candidates (ExtraTrees of scikit-learn, ``elq[multimodal]``).

Source: Adjali et al., ECIR 2020, "Multimodal Entity Linking for Tweets", section on the classification of candidates:
ExtraTrees over popularity, BM25 and the similarities of texts and of pictures. Fitting needs scikit-learn, scoring does not.

File format of saved trees: ``trees.safetensors``, the nodes of all trees one behind the other.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.model.network import save_weights
from elq.multimodal.features import ModalityFeatures
from elq.multimodal.units.parts import best_pair, clean, has_text, unit_norm
from elq.tensors import Array

FILE = "trees.safetensors"
NODES = ("left", "right", "column", "threshold", "share")  # of each node; in a leaf, left is -1
COLUMNS = ("popularity", "bm25", "total", "text", "picture", "has_picture")


def pair_numbers(
    mentions: ModalityFeatures, entities: ModalityFeatures, popularity: Tensor, bm25: Tensor, total: Tensor
) -> Tensor:
    """The numbers (M, K, F) of mentions and candidates, in the order of :data:`COLUMNS`.

    Args:
        mentions: the features of M mentions.
        entities: the features (M, K, …) of their candidates.
        popularity: (M, K) counts, such as page views; 0 is unknown. Its logarithm is taken.
        bm25: (M, K) scores of their texts, see :class:`elq.multimodal.retrieval.BM25`.
        total: (M, K) scores of a network, such as the triplet network; −inf becomes the lowest finite score of the mention.
    """
    text = (unit_norm(entities.text) @ unit_norm(mentions.text).unsqueeze(-1)).squeeze(-1)  # (M, K)
    text = text.masked_fill(~(has_text(mentions).unsqueeze(-1) & has_text(entities)), 0.0)
    own, other = (unit_norm(clean(side.pictures, side.picture_mask)) for side in (mentions, entities))
    picture, there = best_pair(own.unsqueeze(1) @ other.transpose(-1, -2), mentions.picture_mask, entities.picture_mask)
    finite = total > -torch.inf
    lowest = total.masked_fill(~finite, torch.inf).amin(-1, keepdim=True)  # (M, 1)
    lowest = lowest.masked_fill(lowest == torch.inf, 0.0)
    return torch.stack([popularity.log1p(), bm25, torch.where(finite, total, lowest), text, picture, there.float()], -1).float()


class Trees:
    """Fitted trees.

    Args:
        nodes: for each of :data:`NODES` an array with one number for each node of all trees; places count from the first tree.
        roots: the place of the root of each tree.
    """

    def __init__(self, nodes: dict[str, Array], roots: Array) -> None:
        self.nodes, self.roots = nodes, roots

    @classmethod
    def fit(cls, numbers: Tensor, gold: Tensor, there: Tensor, *, trees: int = 100, seed: int = 0) -> "Trees":
        """Fit trees that tell right candidates from wrong ones; both kinds have the same weight.

        Args:
            numbers: (M, K, F) of :func:`pair_numbers`.
            gold: (M,) int64 the number of the right candidate, −1 if it is not there.
            there: (M, K) bool, False where there is no candidate.
            trees: how many.
            seed: of the random splits.

        Raises:
            ElqError: no mention has both a right and a wrong candidate.
        """
        from sklearn.ensemble import ExtraTreesClassifier

        right = torch.arange(numbers.shape[1]) == gold.unsqueeze(-1)  # (M, K)
        kept, labels = numbers[there].numpy(), right[there].numpy()
        if len(set(labels.tolist())) < 2:
            raise ElqError("the candidates are all right or all wrong, but trees need both: give more mentions or candidates")
        forest = ExtraTreesClassifier(trees, min_samples_leaf=2, class_weight="balanced", random_state=seed)
        forest.fit(kept, labels)
        return cls._of([each.tree_ for each in forest.estimators_])

    @classmethod
    def _of(cls, trees: list[object]) -> "Trees":
        parts: dict[str, list[Array]] = {name: [] for name in NODES}
        roots, start = [], 0
        for tree in trees:
            left, right = (np.asarray(getattr(tree, f"children_{side}"), np.int64) for side in ("left", "right"))
            values = np.asarray(tree.value)[:, 0]  # type: ignore[attr-defined]
            parts["left"].append(np.where(left < 0, -1, left + start))
            parts["right"].append(np.where(right < 0, -1, right + start))
            parts["column"].append(np.maximum(np.asarray(tree.feature, np.int64), 0))  # type: ignore[attr-defined]
            parts["threshold"].append(np.asarray(tree.threshold))  # type: ignore[attr-defined]
            parts["share"].append(values[:, 1] / values.sum(-1))
            roots.append(start)
            start += len(left)
        return cls({name: np.concatenate(each) for name, each in parts.items()}, np.array(roots))

    def scores(self, numbers: Tensor) -> Tensor:
        """The mean share (M, K) of right candidates in the leaves that numbers (M, K, F) lead to, from 0 to 1.

        Raises:
            ElqError: there are fewer numbers than the trees were fitted on.
        """
        if (needed := int(self.nodes["column"].max()) + 1) > numbers.shape[-1]:
            raise ElqError(f"{numbers.shape[-1]} numbers are given, but the trees need {needed}: give those of pair_numbers")
        values = numbers.float().numpy().reshape(-1, numbers.shape[-1])  # (M · K, F)
        places = np.tile(self.roots, (len(values), 1))  # (M · K, trees)
        row = np.arange(len(values))[:, None]
        while (inner := self.nodes["left"][places] >= 0).any():
            low = values[row, self.nodes["column"][places]] <= self.nodes["threshold"][places]
            places = np.where(inner, np.where(low, self.nodes["left"][places], self.nodes["right"][places]), places)
        return torch.from_numpy(self.nodes["share"][places].mean(-1)).float().view(numbers.shape[:-1])

    def save(self, folder: str | Path) -> None:
        """Write ``trees.safetensors`` into an existing folder."""
        save_weights(Path(folder) / FILE, {**self.nodes, "roots": self.roots})

    @classmethod
    def load(cls, folder: str | Path) -> "Trees":
        """Read what :meth:`save` wrote.

        Raises:
            ElqError: the file is missing, unreadable, or has nodes that lead nowhere.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = Path(folder) / FILE
        try:
            arrays = load_file(path)
            nodes, roots = {name: arrays[name] for name in NODES}, arrays["roots"]
        except (OSError, SafetensorError, KeyError) as error:
            raise ElqError(f"{path} cannot be read ({error}): put a whole copy of the file in its place") from None
        places = np.arange(len(nodes["left"]))
        inner = nodes["left"] >= 0
        onward = all(((nodes[side] > places) & (nodes[side] < len(places)))[inner].all() for side in ("left", "right"))
        if len({len(each) for each in nodes.values()}) != 1 or not onward or not len(roots) or not (roots < len(places)).all():
            raise ElqError(f"{path} has nodes that lead nowhere: put a whole copy of the file in its place")
        return cls(nodes, roots)

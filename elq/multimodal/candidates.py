"""Candidates: the entities that a mention with a picture may mean, by its text, by its names, and by its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample
from elq.entities.encoder import settings_of
from elq.errors import ElqError
from elq.multimodal.examples import PicturedMention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.picture_features import EntityPictures, first_of_each
from elq.multimodal.retrieval import BM25
from elq.multimodal.units.dxr import DXR, JointRows

TOGETHER = 256  # mentions whose candidates are looked for together
_WORDS: WeakKeyDictionary[Disambiguator, BM25] = WeakKeyDictionary()
BLOCK = 4_096  # entities whose rows in the joint index are made together


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class Nearest:
    """How many candidates of a mention there are.

    Args:
        text: the best ones by text, names and fame, as the bi-encoder finds them.
        picture: the entities with the nearest pictures, which are added to them.
        words: those whose texts share words with the text of the mention (BM25).
        joint: those of the one index of texts and pictures, for a network with the unit ``dxr``.
    """

    text: int = 32
    picture: int = 48
    words: int = 0
    joint: int = 0

    def __post_init__(self) -> None:
        for name, least in (("text", 1), ("picture", 0), ("words", 0), ("joint", 0)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ElqError(f"candidates by {name} are {value!r}, but must be a whole number from {least}: correct it")


def text_scores(base: Disambiguator, examples: Sequence[MentionExample], rows: Tensor) -> Tensor:
    """The scores (M, K) of candidates by the text alone: vectors, names and fame, as the bi-encoder ranks them.

    Args:
        base: the bi-encoder.
        examples: M mentions.
        rows: (M, K) catalogue rows, −1 where there is no candidate, whose score is −inf.
    """
    queries = base.ranking.queries(base.vectors(examples))  # (M, D + P)
    products = torch.einsum("md,mkd->mk", queries, base.entities.table.gather(rows.clamp_min(0)))  # (M, K)
    if base.views is not None:
        products = base.views.best_products(queries, products, rows)  # (M, K)
    matches = base.dictionary.name_matches([example.mention for example in examples])  # (M, E)
    kinds = torch.full_like(rows, -1)  # (M, K)
    for column in range(matches.rows.shape[-1] - 1, -1, -1):  # of a row with several kinds, the first one counts
        same = (rows == matches.rows[:, column : column + 1]) & (rows >= 0)  # (M, K)
        kinds = torch.where(same, matches.kinds[:, column : column + 1], kinds)
    return (products + base.ranking.bonus(kinds)).masked_fill(rows < 0, -torch.inf)  # (M, K)


class Finder:
    """Finds the candidates of mentions with pictures.

    Args:
        base: the bi-encoder, which finds those by text.
        pictures: the pictures of the entities.
        nearest: how many.
        entities: the features of entities, for the joint index.
        network: has the unit ``dxr``, for the joint index; it must not change while the finder is used.
    """

    def __init__(
        self,
        base: Disambiguator,
        pictures: EntityPictures,
        nearest: Nearest,
        entities: EntityFeatures | None = None,
        network: MultimodalNetwork | None = None,
    ) -> None:
        self.base, self.pictures, self.nearest, self.entities, self.network = base, pictures, nearest, entities, network
        self._joint: JointRows | None = None

    def find(
        self,
        examples: Sequence[PicturedMention],
        shown: tuple[Tensor, Tensor],
        features: MentionFeatures | None = None,
        numbers: Sequence[int] = (),
    ) -> tuple[Tensor, Tensor]:
        """The candidates of M mentions: catalogue rows (M, K), −1 where there are fewer, and their scores by the text alone.

        Args:
            examples: the mentions.
            shown: the vectors (M, I, V) of their pictures, and which are there, (M, I).
            features: the features of mentions, for the joint index.
            numbers: their numbers among these features.
        """
        if len(examples) > TOGETHER:
            parts = []
            for at in range(0, len(examples), TOGETHER):
                part = slice(at, at + TOGETHER)
                own = (shown[0][part], shown[1][part])
                parts.append(self.find(examples[part], own, features, numbers[part]))
            return joined([rows for rows, _ in parts], -1), joined([scores for _, scores in parts], -torch.inf)
        found = self.base.candidates(examples, self.nearest.text)
        more = []
        if self.nearest.picture:
            more.append(self.pictures.nearest(*shown, self.nearest.picture))
        if self.nearest.words:
            more.append(by_words(self.base, examples, self.nearest.words))
        if self.nearest.joint and features is not None:
            more.append(self._by_joint_index(features, numbers))
        if not more:
            return found.rows, found.scores
        near = torch.cat(more, -1)  # (M, P)
        near = first_of_each(near, near.shape[-1])
        again = (near.unsqueeze(-1) == found.rows.unsqueeze(-2)).any(-1)  # (M, P) found by text too
        near = near.masked_fill(again, -1)
        near = near[:, : int((near >= 0).nonzero()[:, 1].max()) + 1] if (near >= 0).any() else near[:, :0]  # (M, P')
        return torch.cat([found.rows, near], -1), torch.cat([found.scores, text_scores(self.base, examples, near)], -1)

    @torch.inference_mode()
    def _by_joint_index(self, features: MentionFeatures, numbers: Sequence[int]) -> Tensor:
        """The catalogue rows (M, k) of the entities whose text or picture is nearest to the text or picture of a mention."""
        unit = self.network.units["dxr"] if self.network is not None and "dxr" in self.network.units else None
        if not isinstance(unit, DXR) or self.entities is None:
            raise ElqError(
                f"{self.nearest.joint} candidates by a joint index are asked for, but only the preset dxr has one:"
                " choose model.preset=dxr, or leave out data.nearest.joint"
            )
        device = next(unit.parameters()).device
        if self._joint is None:
            catalogue = self.base.entities.catalogue
            every = torch.tensor([row for row in range(len(catalogue)) if row not in catalogue.removed], dtype=torch.int64)
            blocks = [every[at : at + BLOCK] for at in range(0, len(every), BLOCK)]
            parts = [unit.joint_rows(self.entities.at(block, patches=False).to(device)) for block in blocks]
            owners = [block[part.entities.cpu()] for block, part in zip(blocks, parts, strict=True)]
            self._joint = JointRows(
                torch.cat([part.vectors.cpu() for part in parts]),
                torch.cat(owners),
                torch.cat([part.pictures.cpu() for part in parts]),
            )
        vectors, there = (part.cpu() for part in unit.rows(features.at(numbers).to(device)))  # (M, 1 + I, H), (M, 1 + I)
        cosines = (vectors @ self._joint.vectors.T).masked_fill(~there.unsqueeze(-1), -2.0).amax(-2)  # (M, R)
        most = min(cosines.shape[-1], 4 * self.nearest.joint)
        return first_of_each(self._joint.entities[cosines.topk(most, -1).indices], self.nearest.joint)


def joined(parts: Sequence[Tensor], value: float) -> Tensor:
    """Tensors (m, k) of several widths as one (M, K), filled up with a value."""
    width = max(part.shape[-1] for part in parts)
    return torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[-1]), value=value) for part in parts])


def by_words(base: Disambiguator, examples: Sequence[PicturedMention], k: int) -> Tensor:
    """The catalogue rows (M, k) of the entities whose texts share most words with those of mentions; −1 if there are fewer."""
    index = words_of(base)
    found = [index.search(example.text, k)[0].tolist() for example in examples]
    return torch.tensor([[*rows, *[-1] * (k - len(rows))] for rows in found], dtype=torch.int64).view(len(examples), k)


def words_of(base: Disambiguator) -> BM25:
    """The words of the texts of the entities, kept as long as the bi-encoder. A removed one has none, so no search finds it."""
    if (known := _WORDS.get(base)) is not None:
        return known
    text, catalogue = settings_of(base.entities.manifest).text, base.entities.catalogue
    rows = enumerate(catalogue.all_rows())
    return _WORDS.setdefault(base, BM25("" if row in catalogue.removed else text(entity) for row, entity in rows))

"""The unit of DRIN (Xing et al., ACM MM 2023): a graph over a mention and all its candidates, whose edges change by layer."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elq.errors import ElqError
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Parts, Sizes, Unit, check_counts, unit_scores
from elq.multimodal.units.fused import FusedSettings, speaks_of
from elq.multimodal.units.parts import Scale, has_text, masked_mean, project, unit_norm

TEXT, PICTURE = 0, 1
READOUTS = ("both", "text")


@dataclass(frozen=True, kw_only=True)
class DRINSettings(FusedSettings):
    """The settings of :class:`DRIN`.

    Args:
        layers: the number of graph convolutions.
        readout: which vertices of a side make its vector: ``both`` (the sum of text and picture) or ``text`` (the text alone,
            as in the paper).
    """

    layers: int = 2
    readout: str = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, layers=1)
        if self.readout not in READOUTS:
            raise ElqError(f"readout is {self.readout!r}, but must be one of {', '.join(READOUTS)}: choose one")


class Graph(NamedTuple):
    """The vertices of M graphs: two of the mention and two of each candidate, first the text, then the picture."""

    mention: Tensor  # (M, 2, H)
    entity: Tensor  # (M, K, 2, H)
    edges: Tensor  # (M, K, 2, 2) bool: between vertex a of the mention and vertex b of a candidate, where both exist


class GraphLayer(nn.Module):
    """One dynamic graph convolution: weights of the edges from the vertices, then new vertices from their neighbours.

    The weight of an edge of kind (a, b) is σ((Q_a h_a) · (K_b h_b) / √H + c_ab), with a number c of its own for each kind. A
    vertex becomes LayerNorm(h + ReLU(S h + W · mean of its neighbours by these weights)).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query, self.key = (nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2)) for _ in range(2))
        self.kind = nn.Parameter(torch.zeros(2, 2))
        self.own, self.other = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.norm = nn.LayerNorm(hidden)

    def weights(self, graph: Graph) -> Tensor:
        """The weights (M, K, 2, 2) of the edges, 0 where there is none."""
        query = torch.stack([layer(graph.mention[:, a]) for a, layer in enumerate(self.query)], 1)  # (M, 2, H)
        key = torch.stack([layer(graph.entity[:, :, b]) for b, layer in enumerate(self.key)], 2)  # (M, K, 2, H)
        products = torch.einsum("mah,mkbh->mkab", query, key) / math.sqrt(query.shape[-1])  # (M, K, 2, 2)
        return (products + self.kind).sigmoid().masked_fill(~graph.edges, 0.0)

    def changed(self, vertices: Tensor, neighbours: Tensor) -> Tensor:
        """The new vertices (..., H) from the old ones and the means of their neighbours."""
        made: Tensor = self.norm(vertices + (self.own(vertices) + self.other(neighbours)).relu())
        return made

    def forward(self, graph: Graph) -> Graph:
        """The graph after the layer."""
        weights = self.weights(graph)  # (M, K, 2, 2)
        tiny = torch.finfo(weights.dtype).tiny
        to_mention = torch.einsum("mkab,mkbh->mah", weights, graph.entity)  # (M, 2, H)
        to_mention = to_mention / weights.sum((1, 3)).clamp(min=tiny).unsqueeze(-1)
        to_entity = torch.einsum("mkab,mah->mkbh", weights, graph.mention)  # (M, K, 2, H)
        to_entity = to_entity / weights.sum(2).clamp(min=tiny).unsqueeze(-1)
        return Graph(self.changed(graph.mention, to_mention), self.changed(graph.entity, to_entity), graph.edges)


class DRIN(Unit):
    """A graph of a mention and all its candidates, with edges between their texts, their pictures, and text and picture.

    Source: DRIN (Xing et al., ACM MM 2023), sections on the construction of the graph and on the dynamic graph convolution: the
    weights of the four kinds of edges are computed anew from the vertices in each layer, so each mention chooses what it
    relies on. The score of a candidate is the similarity of its vector and that of the mention, here the cosine times a
    factor. The paper takes the text vertices as vectors; here the sum of text and picture is the default, since the text vertex
    of a candidate learns of its own picture only through the mention. A vertex that is missing has no edges.
    """

    name = "drin"
    needs = frozenset({"text", "pictures"})
    settings_class = DRINSettings
    settings: DRINSettings

    def __init__(self, sizes: Sizes, settings: DRINSettings) -> None:
        super().__init__(sizes, settings)
        self.text, self.picture = nn.Linear(sizes.text, settings.hidden), nn.Linear(sizes.picture, settings.hidden)
        self.layers = nn.ModuleList(GraphLayer(settings.hidden) for _ in range(settings.layers))
        self.scale = Scale(settings.scale)

    def vertices(self, features: ModalityFeatures) -> tuple[Tensor, Tensor]:
        """The vertices (..., 2, H) of text and picture, and which of them there are (..., 2)."""
        mask, text = features.picture_mask, has_text(features)
        picture = masked_mean(project(self.picture, features.pictures, mask), mask)  # (..., H)
        return torch.stack([project(self.text, features.text, text), picture], -2), torch.stack([text, mask.any(-1)], -1)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The vertices (M, 2, H), which of them there are (M, 2), and which mentions count (M,)."""
        return *self.vertices(mentions), speaks_of(mentions, self.settings)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The vertices (..., 2, H), which of them there are (..., 2), and whether there is a text (...)."""
        return *self.vertices(entities), has_text(entities)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The cosines (M, K) after all layers, times the factor."""
        edges = mention[1][:, None, :, None] & entity[1].unsqueeze(-2) & entity[2][..., None, None]  # (M, K, 2, 2)
        graph = Graph(mention[0], entity[0], edges)
        for layer in self.layers:
            graph = layer(graph)
        own, other = self.vector(graph.mention, mention[1]), self.vector(graph.entity, entity[1])
        cosines = (other @ own.unsqueeze(-1)).squeeze(-1)  # (M, K)
        return unit_scores(self.scale(cosines), mention[2].unsqueeze(-1) & entity[2])

    def vector(self, vertices: Tensor, there: Tensor) -> Tensor:
        """The vector (..., H) of a side, with norm 1, from its vertices (..., 2, H)."""
        kept = vertices.masked_fill(~there.unsqueeze(-1), 0.0)
        return unit_norm(kept[..., TEXT, :] if self.settings.readout == "text" else kept.sum(-2))

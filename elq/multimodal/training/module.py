"""Module: the Lightning module of a multimodal network, with its losses, its optimiser and the fit of two weights.

The network itself is in elq/multimodal/network.py.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from elq.disambiguation.cross_fit import fit_weights
from elq.encoding.pretrained import DEFAULT
from elq.multimodal.candidates import Finder, Nearest
from elq.multimodal.combining import combined, filled, kinds_of, log_probs
from elq.multimodal.feature_maker import EntityFeatures
from elq.multimodal.features import ModalityFeatures
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.ranking_trees import RankingTrees
from elq.multimodal.totals import TOGETHER, totals, without_gaps
from elq.multimodal.training.base import text_width
from elq.multimodal.training.batches import MultimodalBatch
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.material import Material
from elq.multimodal.training.settings import MultimodalTraining
from elq.multimodal.unit import Sizes
from elq.training.trained import TrainedModule, undecayed
from elq.vision.opening import DEFAULT as TOWER
from elq.vision.opening import open_tower

log = logging.getLogger(__name__)

WEIGHTS = ((1.0, 1.0), (1.0, 1.0), (0.0, 1.0))  # before the fit: of names, of other words, and of boxes


class MultimodalModule(TrainedModule):
    """Trains a :class:`elq.multimodal.network.MultimodalNetwork` on frozen features.

    Args:
        encoder: folder or name of the encoder of texts, or the folder of a bi-encoder.
        tower: name or folder of the image tower.
        settings: fields of :class:`elq.multimodal.training.settings.MultimodalTraining`.
    """

    def __init__(self, encoder: str = DEFAULT, tower: str = TOWER, **settings: Any) -> None:
        super().__init__()
        self.settings = MultimodalTraining(**settings)
        self.save_hyperparameters()
        self.network: MultimodalNetwork = self.settings.network(
            Sizes(text=text_width(encoder), picture=open_tower(tower).width)
        )
        self.undecayed = undecayed(self.network)
        self.weights: Tensor  # (3, 2) of the kinds of mentions, see elq/multimodal/combining.py; a checkpoint has them
        self.register_buffer("weights", torch.tensor(WEIGHTS))

    @property
    def trained(self) -> MultimodalNetwork:
        """The network that is trained."""
        return self.network

    @property
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """The learning rates. That of the logarithms of the mean's weights is higher, since no step moves them by more."""
        return {("log_weights",): self.settings.lr_mean, ("units.", "noise."): self.settings.lr}

    @property
    def data(self) -> MultimodalData:
        """The data module of the running trainer."""
        return cast(MultimodalData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def training_step(self, batch: MultimodalBatch, batch_idx: int) -> Tensor:
        """The weighted sum of the losses of the total and of the units."""
        losses = self.network.losses_of(self.network.look(batch.mentions, batch.entities, batch.rows), batch.gold)
        for name, one in losses.items():
            self.log(f"{name}_loss", one.detach(), prog_bar=name == "total", batch_size=len(batch.gold))
        loss: Tensor = self.network.weighted(losses)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Nothing: the end of the validation measures the development mentions together."""

    def on_validation_epoch_end(self) -> None:
        """Fit the weights of texts and of the network, and log how often the right entity is first."""
        data = self.data
        measured = Measured(self.network, data, data.dev, data.development())
        self.weights.copy_(measured.fitted())
        found = measured.accuracies(self.weights)
        self.log_dict({f"dev_{name}": value for name, value in found.items()})
        log.info(
            "epoch %d: of the development mentions, the text alone has %.4f right, the network %.4f, both together %.4f",
            *(self.current_epoch, found["text"], found["network"], found["accuracy"]),
        )


class Measured:
    """What the texts and a network say about the candidates of some mentions, as in linking.

    Args:
        network: the network.
        data: the data module, which is set up.
        material: the mentions with their features.
        numbers: the numbers of the mentions that are measured; those without a picture are linked by their text.
        nearest: the number of candidates; None: as the data module says.
        entities: the features of entities; None: those of the data module.
        trees: score the candidates in the end; None: the network alone does.
        found: the candidates (M, K) of these mentions and their scores by the text, if they are known already.
    """

    def __init__(
        self,
        network: MultimodalNetwork,
        data: MultimodalData,
        material: Material,
        numbers: Sequence[int],
        nearest: Nearest | None = None,
        entities: EntityFeatures | None = None,
        trees: RankingTrees | None = None,
        found: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.material, self.numbers, self.entities = material, numbers, entities or data.entities
        examples = [material.examples[number] for number in numbers]
        shown = material.shown(numbers)
        was_training = network.training
        finder = Finder(data.base, data.pictures, nearest or data.nearest, self.entities, network.eval())
        self.rows, self.text = found or finder.find(examples, shown, material.features, numbers)  # (M, K)
        if trees is None:
            said = totals(network, material.features, numbers, self.entities, self.rows)
        else:
            said = trees.said(network, examples, material.features, numbers, self.entities, self.rows)
        network.train(was_training)
        self.scores, self.valid = filled(said, self.rows >= 0), said.valid  # (M, K)
        gold = torch.tensor([example.row for example in examples]).unsqueeze(-1)  # (M, 1)
        right = self.rows == gold  # (M, K)
        self.targets = torch.where(right.any(-1), right.int().argmax(-1), -1)  # (M,)
        names = [material.features.named[number] for number in numbers]
        self.kinds = kinds_of([example.named for example in examples], names)  # (M,)
        self.pictured = shown[1].any(-1)  # (M,)

    def batches(self) -> Iterator[tuple[ModalityFeatures, ModalityFeatures, Tensor, Tensor]]:
        """The mentions with a picture, their candidates, the places of the gold entities and of the candidates, in batches."""
        places = self.pictured.nonzero().squeeze(-1).tolist()
        for at in range(0, len(places), TOGETHER):
            own = places[at : at + TOGETHER]
            different, rows = torch.unique(without_gaps(self.rows[own]), return_inverse=True)  # (U,), (m, K)
            mentions = self.material.features.at([self.numbers[place] for place in own])
            yield mentions, self.entities.at(different), self.targets[own], rows

    def fitted(self) -> Tensor:
        """The weights (3, 2) of log p by the text and of the network, for the kinds of mentions with a picture."""
        made = []
        for kind, default in enumerate(WEIGHTS):
            own = self.pictured & (self.kinds == kind)  # (M,)
            if not own.any():
                made.append(default)
                continue
            made.append(fit_weights(log_probs(self.text[own]), self.scores[own], self.targets[own]))
        return torch.tensor(made)

    def total(self, weights: Tensor) -> Tensor:
        """The scores (M, K) of linking with weights (3, 2)."""
        both = combined(self.text, self.scores, weights[self.kinds])  # (M, K)
        return torch.where(self.pictured.unsqueeze(-1), both, self.text)  # (M, K)

    def ranks(self, scores: Tensor) -> Tensor:
        """The rank (M,) of each gold entity by scores (M, K), counted from 0; −1 if it is no candidate."""
        own = scores.gather(-1, self.targets.clamp_min(0).unsqueeze(-1))  # (M, 1)
        return torch.where(self.targets >= 0, (scores > own).sum(-1), -1)  # (M,)

    def accuracies(self, weights: Tensor) -> dict[str, float]:
        """Which part of the mentions has the right entity first: by text, by the network, and by both; and how many have it."""
        ways = {"text": self.text, "network": self.scores, "accuracy": self.total(weights)}
        found = {name: float((self.ranks(scores) == 0).float().mean()) for name, scores in ways.items()}
        return {**found, "candidate": float((self.targets >= 0).float().mean())}

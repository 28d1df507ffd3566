"""Module: the Lightning module of a cross-encoder, with its loss, its optimiser and the fit of the weights."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from elq.disambiguation.cross_batches import CrossBatch
from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_examples import log_probs_of, stage_of, targets_of
from elq.disambiguation.cross_fit import accuracies, fit_weights
from elq.disambiguation.cross_settings import CrossTraining
from elq.encoding.pretrained import DEFAULT
from elq.model.cross_config import FirstStage
from elq.model.crossencoder import CrossEncoder
from elq.training.trained import TrainedModule, undecayed

log = logging.getLogger(__name__)


class Scored:
    """The scores of the candidates of some mentions, gathered batch by batch: log p, the cross-encoder's scores, targets."""

    def __init__(self, candidates: int) -> None:
        self.candidates = candidates
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: CrossBatch, scores: Tensor) -> None:
        """Add a batch with its scores (M, K)."""
        wide = nn.functional.pad(scores.float().cpu(), (0, self.candidates - scores.shape[-1]), value=-torch.inf)  # (M, K)
        self.parts.append((log_probs_of(batch.examples, self.candidates), wide, targets_of(batch.examples)))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """log p (Q, K), scores (Q, K) and targets (Q,) of all mentions."""
        if not self.parts:
            none = torch.empty(0, self.candidates)
            return none, none, torch.empty(0, dtype=torch.int64)
        log_probs, scores, targets = (torch.cat(part) for part in zip(*self.parts, strict=True))
        return log_probs, scores, targets


class CrossModule(TrainedModule):
    """Trains a :class:`elq.model.crossencoder.CrossEncoder` behind a first stage.

    Args:
        encoder: folder or name of the encoder, or a model folder, whose encoder is taken.
        settings: fields of :class:`elq.disambiguation.cross_settings.CrossTraining`.
    """

    def __init__(self, encoder: str = DEFAULT, **settings: Any) -> None:
        super().__init__()
        self.settings = CrossTraining(**settings)
        self.save_hyperparameters()
        self.model, self.tokenizer = CrossEncoder.from_encoder(encoder, **self.settings.network())
        self.model.encoder.transformer.get_input_embeddings().requires_grad_(not self.settings.frozen_words)
        self.undecayed = undecayed(self.model)
        self.weights: Tensor  # (2,) log_weight and score_weight of the last validation; a checkpoint has them
        self.register_buffer("weights", torch.tensor([0.0, 1.0]))

    @property
    def trained(self) -> CrossEncoder:
        """The network that is trained."""
        return self.model

    @property
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """The learning rates of the encoder and of the head."""
        return {("encoder.",): self.settings.lr_encoder, ("head.",): self.settings.lr_heads}

    @property
    def data(self) -> CrossData:
        """The data module of the running trainer."""
        return cast(CrossData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def stage(self, data: CrossData) -> FirstStage:
        """The first stage, with the weights that were fitted."""
        log_weight, score_weight = self.weights.tolist()
        stage = stage_of(data.behind, data.sizes.candidates, data.sizes.margin)
        return replace(stage, log_weight=log_weight, score_weight=score_weight)

    def training_step(self, batch: CrossBatch, batch_idx: int) -> Tensor:
        """The cross-entropy of the gold entities among the candidates."""
        scores = self.model.candidate_scores(batch.pairs, batch.there)  # (M, K)
        loss = nn.functional.cross_entropy(scores, batch.targets)
        self.log("cross_loss", loss.detach(), prog_bar=True, sync_dist=True, batch_size=len(batch.targets))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start with no scores."""
        self.scored = Scored(self.data.sizes.candidates)

    def validation_step(self, batch: CrossBatch, batch_idx: int) -> None:
        """Score the candidates of mentions for the fit."""
        self.scored.add(batch, self.model.candidate_scores(batch.pairs, batch.there))

    def on_validation_epoch_end(self) -> None:
        """Fit the weights of both stages, and log how often they are right together."""
        tensors = self.scored.tensors()
        fitted = fit_weights(*tensors)
        self.weights.copy_(torch.tensor(fitted))
        found = accuracies(*tensors, self.stage(self.data))
        self.log_dict({f"fit_{name}": value for name, value in found.items() if name.endswith("accuracy")})
        log.info(
            "epoch %d: of the mentions of the fit, the first stage has %.4f right, the cross-encoder %.4f, both together %.4f"
            " (weights %.3f and %.3f)",
            *(self.current_epoch, found["first_stage_accuracy"], found["cross_encoder_accuracy"], found["both_accuracy"]),
            *fitted,
        )

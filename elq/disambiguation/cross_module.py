"""Module: the Lightning module of a cross-encoder, with its loss, its optimiser and the fit of the weights."""

import itertools
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn

from elq.configuration.renamed import renamed_hyperparameters
from elq.disambiguation.cross_batches import CrossBatch
from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_examples import log_probs_of, stage_of, targets_of
from elq.disambiguation.cross_fit import accuracies, fit_weights
from elq.disambiguation.cross_settings import CrossTraining
from elq.encoding.pretrained import DEFAULT
from elq.model.cross_config import FirstStage
from elq.model.crossencoder import CrossEncoder
from elq.training.schedule import clip_gradients, optimizer_steps, parameter_groups, warmup_and_decay

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


class CrossModule(LightningModule):
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
        self.undecayed = {name for name, weight in self.model.named_parameters() if weight.ndim <= 1}
        self.weights: Tensor  # (2,) log_weight and score_weight of the last validation; a checkpoint has them
        self.register_buffer("weights", torch.tensor([0.0, 1.0]))

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *, map_location: str = "cpu", weights_only: bool = True
    ) -> "CrossModule":
        """Load the module of a checkpoint."""
        checkpoint = torch.load(checkpoint_path, map_location=map_location, weights_only=weights_only)
        module = cls(**renamed_hyperparameters(checkpoint))
        module.load_state_dict(checkpoint["state_dict"])
        return module.to(map_location)

    @property
    def data(self) -> CrossData:
        """The data module of the running trainer."""
        return cast(CrossData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def stage(self, data: CrossData) -> FirstStage:
        """The first stage, with the weights that were fitted."""
        log_weight, score_weight = self.weights.tolist()
        stage = stage_of(data.behind, data.sizes.candidates, data.sizes.margin)
        return replace(stage, log_weight=log_weight, score_weight=score_weight)

    def on_train_batch_start(self, batch: CrossBatch, batch_idx: int) -> None:
        """Make dropout depend only on seed, epoch, batch and process, so that a resumed run has the same dropout."""
        step = (self.data.seed * 1_009 + self.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((step * 1_009 + self.global_rank) % 2**63)

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

    def configure_optimizers(self) -> Any:
        """AdamW with two learning rates, warm-up and linear decay."""
        wanted = self.settings
        rates: dict[tuple[str, ...], float] = {("encoder.",): wanted.lr_encoder, ("head.",): wanted.lr_heads}
        groups = parameter_groups(self.model, rates, weight_decay=wanted.weight_decay, undecayed=self.undecayed)
        optimizer = torch.optim.AdamW(groups, fused=self.trainer.precision != "16-mixed")
        total = optimizer_steps(self.trainer, (len(self.data.batches(epoch)) for epoch in itertools.count()))
        factor = partial(warmup_and_decay, warmup=wanted.warmup_steps, total=total)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradients as the settings of the trainer say."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)

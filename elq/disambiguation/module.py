"""Module: the Lightning module of the bi-encoder, with loss, optimiser and validation.

The network itself is in elq/model/biencoder.py.
"""

import itertools
import logging
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor

from elq.configuration.renamed import renamed_hyperparameters
from elq.disambiguation.data import MentionData
from elq.disambiguation.examples import MentionBatch
from elq.disambiguation.losses import in_batch_loss
from elq.disambiguation.measures import RECALL_AT, recall_at
from elq.disambiguation.mining import mention_table, nearest
from elq.disambiguation.settings import BiEncoderTraining
from elq.encoding.pretrained import DEFAULT
from elq.model.biencoder import BiEncoder
from elq.training.schedule import clip_gradients, optimizer_steps, parameter_groups, warmup_and_decay

log = logging.getLogger(__name__)


class BiEncoderModule(LightningModule):
    """Trains an :class:`elq.model.biencoder.BiEncoder`.

    Args:
        encoder: folder or name of the encoder with which both towers start.
        settings: fields of :class:`elq.disambiguation.settings.BiEncoderTraining`.
    """

    def __init__(self, encoder: str = DEFAULT, **settings: Any) -> None:
        super().__init__()
        self.settings = BiEncoderTraining(**settings)
        self.save_hyperparameters()
        self.network, self.texts = BiEncoder.from_encoder(encoder, **self.settings.network())
        for tower in (self.network.context, self.network.entity):
            if tower is not None:
                tower.transformer.get_input_embeddings().requires_grad_(not self.settings.frozen_words)
        self.undecayed = {name for name, weight in self.network.named_parameters() if weight.ndim <= 1}

    @property
    def data(self) -> MentionData:
        """The data module of the running trainer."""
        return cast(MentionData, self.trainer.datamodule)  # type: ignore[attr-defined]

    @property
    def in_half(self) -> bool:
        """Whether the towers multiply in bf16."""
        return str(self.trainer.precision).startswith("bf16")

    def on_train_batch_start(self, batch: MentionBatch, batch_idx: int) -> None:
        """Make dropout depend only on seed, epoch, batch and process, so that a resumed run has the same dropout."""
        step = (self.data.seed * 1_009 + self.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((step * 1_009 + self.global_rank) % 2**63)

    def training_step(self, batch: MentionBatch, batch_idx: int) -> Tensor:
        """The in-batch loss of a batch."""
        contexts = self.network.context_vectors(batch.contexts)  # (M, D)
        if isinstance(batch.entities, Tensor):
            entities = batch.entities[:, : self.network.width]  # (C, D) without the columns of the fame
        else:
            entities = self.network.entity_vectors(batch.entities)  # (C, D)
        with torch.autocast(self.device.type, enabled=False):
            loss = in_batch_loss(contexts, entities, batch.gold, batch.rows)
        self.log("entity_loss", loss.detach(), prog_bar=True, batch_size=len(batch.gold))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Nothing: the end of the validation measures all mentions together."""

    def on_validation_epoch_end(self) -> None:
        """Log recall@k of the development mentions among the development entities."""
        rows, network = self.data.development_rows(), self.network
        table = self.data.table(network, self.texts, rows, half=self.in_half)  # (C, D)
        vectors = mention_table(network, self.texts, self.data.dev, half=self.in_half)
        found = rows[nearest(vectors, table, max(RECALL_AT))[1]]  # (M, k)
        recall = recall_at(found, torch.tensor([example.row for example in self.data.dev]))
        self.log_dict({"dev_recall" if k == 1 else f"dev_recall_{k}": value for k, value in recall.items()})
        shown = ", ".join(f"@{k} %.4f" for k in recall)
        log.info(f"epoch %d: dev_recall among %s entities {shown}", self.current_epoch, f"{len(rows):,}", *recall.values())

    def configure_optimizers(self) -> Any:
        """AdamW with two learning rates, warm-up and linear decay."""
        wanted = self.settings
        rates = {("context.", "entity."): wanted.lr_encoder, ("scale",): wanted.lr_heads}
        groups = parameter_groups(self.network, rates, weight_decay=wanted.weight_decay, undecayed=self.undecayed)
        optimizer = torch.optim.AdamW(groups, fused=self.trainer.precision != "16-mixed")
        steps = optimizer_steps(self.trainer, (len(self.data.batches(epoch)) for epoch in itertools.count()))
        factor = partial(warmup_and_decay, warmup=wanted.warmup_steps, total=steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradients as the settings of the trainer say."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *, map_location: str = "cpu", weights_only: bool = True
    ) -> "BiEncoderModule":
        """Load the module of a checkpoint."""
        checkpoint = torch.load(checkpoint_path, map_location=map_location, weights_only=weights_only)
        module = cls(**renamed_hyperparameters(checkpoint))
        module.load_state_dict(checkpoint["state_dict"])
        return module

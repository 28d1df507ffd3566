"""Module: the Lightning module of the bi-encoder, with loss, optimiser and validation.

The network itself is in elq/model/biencoder.py.
"""

import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from elq.disambiguation.data import MentionData
from elq.disambiguation.examples import MentionBatch
from elq.disambiguation.losses import in_batch_loss
from elq.disambiguation.measures import RECALL_AT, recall_at
from elq.disambiguation.mining import mention_table, nearest
from elq.disambiguation.settings import BiEncoderTraining
from elq.encoding.pretrained import DEFAULT
from elq.model.biencoder import BiEncoder
from elq.training.trained import TrainedModule, undecayed

log = logging.getLogger(__name__)


class BiEncoderModule(TrainedModule):
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
        self.undecayed = undecayed(self.network)

    @property
    def trained(self) -> BiEncoder:
        """The network that is trained."""
        return self.network

    @property
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """The learning rates of the towers and of the scale."""
        return {("context.", "entity."): self.settings.lr_encoder, ("scale",): self.settings.lr_heads}

    @property
    def data(self) -> MentionData:
        """The data module of the running trainer."""
        return cast(MentionData, self.trainer.datamodule)  # type: ignore[attr-defined]

    @property
    def in_half(self) -> bool:
        """Whether the towers multiply in bf16."""
        return str(self.trainer.precision).startswith("bf16")

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

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
from elq.encoding.added_words import words_of
from elq.encoding.pretrained import DEFAULT
from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.model.biencoder import BiEncoder
from elq.training.trained import TrainedModule, undecayed

log = logging.getLogger(__name__)


def freeze(tower: Encoder, *, words: bool, layers: int) -> None:
    """Say which weights of a tower are not trained. The vectors of added words are always trained.

    Args:
        tower: a tower.
        words: its word vectors are not trained.
        layers: the number of its layers that are not trained, from the first one. Where it is not 0, no vectors before the
            first layer are trained.

    Raises:
        ElqError: the tower has fewer layers, or is of another family than BERT.
    """
    words_of(tower).weight.requires_grad_(not words)
    if not layers:
        return
    found = getattr(getattr(tower.transformer, "encoder", None), "layer", [])
    if layers > len(found):
        raise ElqError(
            f"model.frozen_layers is {layers}, but the encoder has {len(found)} layers of BERT that can be frozen: give a"
            f" number from 0 to {len(found)}"
        )
    added = getattr(words_of(tower), "added", None)
    for part in (tower.transformer.embeddings, *found[:layers]):
        for weight in part.parameters():
            weight.requires_grad_(weight is added)


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
                freeze(tower, words=self.settings.frozen_words, layers=self.settings.frozen_layers)
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

"""The Lightning module: losses, optimiser, schedule and validation. The network itself is elq/model/network.py."""

import itertools
import logging
from functools import partial
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor

from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.errors import ElqError
from elq.evaluation.sweep import DEV_CHOICE, SWEEP_FLOOR, TEMPLATE_CHOICE, ThresholdSweep
from elq.linking.linker import Linker
from elq.linking.scoring import check_score_mode
from elq.model.network import ELQ
from elq.tensors import Batch
from elq.training.data import QuestionData
from elq.training.entity_loss import make_entity_loss
from elq.training.losses import mention_loss
from elq.training.processes import Processes
from elq.training.schedule import clip_gradients, optimizer_steps, parameter_groups, warmup_and_decay

log = logging.getLogger(__name__)


class ELQModule(LightningModule):
    """Trains an :class:`elq.model.network.ELQ` against a frozen entity table.

    Args:
        encoder: folder or name of the question encoder.
        max_span_tokens: L, longest mention in tokens.
        projection: a linear map of mention vectors that starts as the identity.
        unit_norm: mention vectors of norm 1 times a learned scale.
        scale: where that scale starts.
        names: learned scores for spans that are a name of the catalogue, and for the entities that may be meant by it.
        prior: features of the entities, with learned weights, see elq/entities/prior.py.
        nil: "not in the catalogue" is one more candidate of every mention, learned from mentions without an entity.
        frozen_words: the encoder's word vectors stay as they are: unseen names keep theirs, and a step is faster.
        mention_weight: factor of the mention loss in the sum of both losses.
        unsure_weight: what a name that nobody annotated counts as a negative, in a file with ``partial`` annotation.
        loss: of disambiguation: ``table`` (cross-entropy over all entities, exact), ``sampled`` (over gold, in-batch and
            nearest ones), or ``released`` (the released ELQ's losses over in-batch or hard negatives).
        hard_negatives: nearest entities per mention in ``sampled`` and ``released``.
        table_sharding: with several processes, each holds a share of the rows in ``table`` (the same loss, less memory).
        lr_encoder: peak learning rate of the encoder.
        lr_heads: peak learning rate of scorer and pooler.
        weight_decay: of matrices; vectors (biases, norms, the scale) have none.
        warmup_steps: optimiser steps of linear warm-up; a linear decay to 0 over all epochs follows.
        score_mode: of validation and export, see elq/linking/scoring.py; ``elq`` also trains on questions as it reads them.
        question_tokens: longest question in score mode ``elq``.
        candidates: K, entities of a mention in validation and export.
        threshold: γ of the exported folder; None lets the development questions choose it, see elq/evaluation/sweep.py.
    """

    def __init__(
        self,
        encoder: str = DEFAULT,
        *,
        max_span_tokens: int = 10,
        projection: bool = True,
        unit_norm: bool = True,
        scale: float = 20.0,
        names: bool = False,
        prior: tuple[str, ...] = (),
        nil: bool = False,
        frozen_words: bool = False,
        mention_weight: float = 20.0,
        unsure_weight: float = 0.0,
        loss: str = "table",
        hard_negatives: int = 10,
        table_sharding: bool = False,
        lr_encoder: float = 5e-5,
        lr_heads: float = 1e-3,
        weight_decay: float = 0.01,
        warmup_steps: int = 100,
        score_mode: str = "candidates",
        question_tokens: int = 32,
        candidates: int = 10,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.entity_loss = make_entity_loss(loss, hard_negatives=hard_negatives, table_sharding=table_sharding)
        if (names or nil) and (table_sharding or loss == "released"):
            raise ElqError("model.names and model.nil need no table_sharding and another loss than released: drop one")
        check_score_mode(score_mode, names=names)
        self.save_hyperparameters()
        spans = {"max_span_tokens": max_span_tokens, "names": names, "question_tokens": question_tokens, "nil": nil}
        pooling = {"projection": projection, "unit_norm": unit_norm, "scale": scale, "prior": tuple(prior)}
        self.model = ELQ.from_encoder(encoder, **spans, **pooling)
        self.model.encoder.transformer.get_input_embeddings().requires_grad_(not frozen_words)
        self.mention_weight, self.unsure_weight = mention_weight, unsure_weight
        self.lr_encoder, self.lr_heads, self.weight_decay, self.warmup_steps = lr_encoder, lr_heads, weight_decay, warmup_steps
        self.score_mode, self.retrieved, self.threshold = score_mode, candidates, threshold
        self.undecayed = {name for name, weight in self.model.named_parameters() if weight.ndim <= 1}  # FSDP flattens all

    @property
    def data(self) -> QuestionData:
        """The data module of the running trainer."""
        return cast(QuestionData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def setup(self, stage: str) -> None:
        """Make the sweep and the linker of validation, with the network in training (not copied), over the data's entities."""
        self.linker = Linker(
            self.model,
            load_tokenizer(self.data.encoder),
            self.data.entities,
            threshold=SWEEP_FLOOR,
            candidates=self.retrieved,
            score_mode=self.score_mode,
            dictionary=self.data.dictionary,
        )
        self.sweep = ThresholdSweep(*(DEV_CHOICE if self.data.dev_file else TEMPLATE_CHOICE))

    def on_fit_start(self) -> None:
        """Prepare the disambiguation loss, which may put the table on the device."""
        half = str(self.trainer.precision).startswith("bf16")
        self.entity_loss.prepare(self.data.entities, self.device, self.processes, half=half)

    def on_fit_end(self) -> None:
        """Let the table go."""
        self.entity_loss.release()

    @property
    def processes(self) -> Processes:
        """The processes of the running trainer."""
        return Processes(self.global_rank, self.trainer.world_size, self.all_gather)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let dropout depend on seed, epoch, batch and rank alone: resuming, or building a table before, changes nothing."""
        step = (self.data.seed * 1_009 + self.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((step * 1_009 + self.global_rank) % 2**63)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the mention loss and the disambiguation loss."""
        hidden = self.model.encode(batch.tokens)  # (B, T, D)
        with torch.autocast(self.device.type, enabled=False):  # heads and losses in fp32: they cost next to nothing
            logits = self.model.mention_logits(hidden, batch.tokens)  # (B, T, L)
            vectors = self.model.mention_vectors(hidden, batch.mentions)  # (M, D)
            mentions = mention_loss(logits, batch.mentions, batch.unsure, self.unsure_weight)
            mention, entity = self.processes.means([mentions, self.disambiguation_loss(vectors, batch)])
        shown = {"mention_loss": mention.detach(), "entity_loss": entity.detach()}
        self.log_dict(shown, prog_bar=True, sync_dist=True, batch_size=len(batch.tokens.ids))
        return cast(Tensor, self.mention_weight * mention + entity)

    def disambiguation_loss(self, vectors: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of (M, D) mention vectors of a batch: a sum over the mentions that take part, and their number."""
        nil = self.model.nil_scores(vectors, batch.mentions, batch.tokens)  # (M,)
        bonus = None
        if batch.bearers is not None and self.model.name_bonus is not None:
            bonus = self.model.name_bonus(batch.bearers.kinds)  # (M, E)
        return self.entity_loss(vectors, batch, bonus, nil)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Link the questions as the exported folder would, with everything above the sweep's floor."""
        self.sweep.update(batch.questions, self.linker.link([question.text for question in batch.questions]))

    def on_validation_epoch_end(self) -> None:
        """Choose γ and log the set-level scores at it."""
        chosen = self.sweep.compute()
        self.sweep.reset()
        self.log_dict(shown := {f"dev_{name}": getattr(chosen, name) for name in ("f1", "precision", "recall", "threshold")})
        when = f"epoch {self.current_epoch}" if self.trainer.state.fn == "fit" else "chosen epoch"
        log.info("%s: dev_f1 %.4f, dev_precision %.4f, dev_recall %.4f at γ = %.3f", when, *shown.values())

    test_step, on_test_epoch_end = validation_step, on_validation_epoch_end

    def configure_optimizers(self) -> Any:
        """AdamW with two learning rates, warm-up and linear decay."""
        rates = {("encoder.",): self.lr_encoder, ("scorer.", "pooler.", "name_bonus.", "nil."): self.lr_heads}
        groups = parameter_groups(self.model, rates, weight_decay=self.weight_decay, undecayed=self.undecayed)
        fused = self.trainer.precision != "16-mixed"  # whose scaler wants the gradients first
        optimizer = torch.optim.AdamW(groups, fused=fused)
        factor = partial(warmup_and_decay, warmup=self.warmup_steps, total=self.optimizer_steps())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip as the trainer says."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)

    def optimizer_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return optimizer_steps(self.trainer, (len(self.data.batches(epoch)) for epoch in itertools.count()))

"""Module: the Lightning module, with losses, optimiser and validation.

The network itself is in elq/model/network.py.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor

from elq.encoding.pretrained import DEFAULT, GENERAL, is_model_folder, load_tokenizer, resolve_encoder
from elq.entities.hierarchy import Hierarchy
from elq.errors import ElqError
from elq.evaluation.sweep import ALL_CHOICE, DEV_CHOICE, SWEEP_FLOOR, TEMPLATE_CHOICE
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.tensors import Batch
from elq.training.data import QuestionData
from elq.training.entity_loss import make_entity_loss
from elq.training.losses import hidden_names, mention_loss, small_names
from elq.training.processes import Processes
from elq.training.settings import ModelSettings
from elq.training.shared_metrics import SharedMetrics, SharedSweep
from elq.training.trained import TrainedModule, undecayed
from elq.training.type_loss import ramp, type_loss, type_targets
from elq.types import Link

log = logging.getLogger(__name__)


def choice_of(data: QuestionData) -> tuple[str, float, float]:
    """How the threshold γ is chosen on the development questions: objective, slack and depth (elq/evaluation/sweep.py)."""
    if data.dev_templates:
        return TEMPLATE_CHOICE
    return ALL_CHOICE if data.settings.keep_best else DEV_CHOICE


def linker_of(model: ELQ, settings: ModelSettings, data: QuestionData) -> Linker:
    """A linker over the entities of a data module. Its threshold is the sweep's floor, since γ is not chosen yet."""
    return Linker(
        model,
        load_tokenizer(data.encoder),
        data.entities,
        threshold=SWEEP_FLOOR,
        candidates=settings.candidates,
        score_mode=settings.score_mode,
        dictionary=data.dictionary,
        balance=settings.balance,
    )


class ELQModule(TrainedModule):
    """Trains an :class:`elq.model.network.ELQ` against a frozen entity table.

    Args:
        encoder: folder or name of the question encoder.
        settings: fields of :class:`elq.training.settings.ModelSettings`.
    """

    def __init__(self, encoder: str = DEFAULT, **settings: Any) -> None:
        super().__init__()
        self.settings = ModelSettings(**settings)
        if self.settings.keep_best and not is_model_folder(resolve_encoder(encoder)):
            raise ElqError(
                f"model.keep_best is true, but model.encoder is {encoder}, which is no trained model: set model.encoder to a"
                f" model folder or to {GENERAL}, or leave out model.keep_best"
            )
        self.save_hyperparameters()
        self.model = ELQ.from_encoder(encoder, **self.settings.network())
        self.model.encoder.transformer.get_input_embeddings().requires_grad_(not self.settings.frozen_words)
        self.entity_loss = make_entity_loss(self.settings)
        self.threshold = self.settings.threshold  # γ; if the settings have none, `elq test` sets it
        self.undecayed = undecayed(self.model)

    @property
    def trained(self) -> ELQ:
        """The network that is trained."""
        return self.model

    @property
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """The learning rates of the encoder and of the heads."""
        heads = ("scorer.", "pooler.", "name_bonus.", "nil.", "whole_question.", "types.")
        return {("encoder.",): self.settings.lr_encoder, heads: self.settings.lr_heads}

    def complete(self, checkpoint: Mapping[str, Any]) -> None:
        """Add the head of the types that the checkpoint names."""
        if "hierarchy" in checkpoint:
            self.model.add_types(Hierarchy(**checkpoint["hierarchy"]))

    @property
    def data(self) -> QuestionData:
        """The data module of the running trainer."""
        return cast(QuestionData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def setup(self, stage: str) -> None:
        """Make the sweep and the linker for validation. The linker has the network that is trained, and not a copy of it."""
        self.add_types()
        self.linker = linker_of(self.model, self.settings, self.data)
        self.sweep = SharedSweep(*choice_of(self.data))

    def add_types(self) -> None:
        """Give a model that learns types its type head, when the data module knows the types of the catalogue."""
        if self.data.typed is not None:
            self.model.add_types(self.data.typed[0])
            self.undecayed = undecayed(self.model)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the types that the model learns."""
        if self.model.config.hierarchy is not None:
            checkpoint["hierarchy"] = asdict(self.model.config.hierarchy)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other types than those of the catalogue."""
        found = checkpoint.get("hierarchy")
        if (None if found is None else Hierarchy(**found)) != self.model.config.hierarchy:
            raise ElqError(
                "the checkpoint has other types than the catalogue gives: take the catalogue and the settings data.types of its"
                " run, or start a new training"
            )

    def on_fit_start(self) -> None:
        """Prepare the disambiguation loss, which may put the entity table on the device."""
        half = str(self.trainer.precision).startswith("bf16")
        self.entity_loss.prepare(self.data.entities, self.device, self.processes, half=half)

    def on_fit_end(self) -> None:
        """Free the memory of the entity table."""
        self.entity_loss.release()

    @property
    def processes(self) -> Processes:
        """The processes of the running trainer."""
        return Processes(self.global_rank, self.trainer.world_size, self.all_gather)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the mention loss, the disambiguation loss and, if the model learns types, the loss of types."""
        wanted, hidden = self.settings, self.model.encode(batch.tokens)  # (B, T, D)
        with torch.autocast(self.device.type, enabled=False):  # heads and losses in fp32, which takes little time
            logits = self.model.mention_logits(hidden, batch.tokens)  # (B, T, L)
            vectors = self.model.mention_vectors(hidden, batch.mentions)  # (M, D)
            mentions = mention_loss(
                *(logits, batch.gold, batch.unsure, wanted.unsure_weight, batch.nouns, wanted.noun_weight or 1.0),
                *(None if wanted.small_weight == 1 else small_names(batch.tokens, logits.shape[-1]), wanted.small_weight),
            )
            searched = self.model.search_vectors(vectors, hidden, batch.tokens.text_mask, batch.mentions)  # (M, D)
            losses = [mentions, self.disambiguation_loss(vectors, searched, batch)]
            if self.model.types is not None:
                losses.append(self.loss_of_types(self.model.types(vectors), batch.rows))
            mention, entity, *types = self.processes.means(losses)
        shown = {"mention_loss": mention.detach(), "entity_loss": entity.detach()}
        total = self.settings.mention_weight * mention + entity
        for one in types:
            shown["type_loss"] = one.detach()
            total = total + self.settings.type_weight * ramp(self.global_step / self.total_steps) * one
        self.log_dict(shown, prog_bar=True, sync_dist=True, batch_size=len(batch.tokens.ids))
        return cast(Tensor, total)

    def loss_of_types(self, probabilities: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of types of M mentions with probabilities (M, Y) and gold rows (M,): a sum, and the number of its mentions."""
        assert self.data.typed is not None
        hierarchy, types = self.data.typed
        direct, above = (torch.from_numpy(part).to(rows.device) for part in (types.of(rows.tolist()), hierarchy.above()))
        wanted = self.settings
        return type_loss(
            probabilities,
            *type_targets(direct, above),  # (M, Y) twice
            positive_weight=wanted.positive_types,
            negative_weight=wanted.negative_types,
        )

    def disambiguation_loss(self, vectors: Tensor, searched: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Disambiguation loss of M mentions with their vectors and search vectors, each (M, D): a sum over mentions, and the
        number of these mentions.
        """
        nil = self.model.nil_scores(vectors, batch.mentions, batch.tokens)  # (M,)
        bonus = None
        if batch.name_matches is not None and self.model.name_bonus is not None:
            bonus = self.model.name_bonus(batch.name_matches.kinds)  # (M, E)
            if self.settings.name_dropout:
                bonus = hidden_names(bonus, batch.mentions.question, len(batch.tokens.ids), self.settings.name_dropout)
        return self.entity_loss(searched, batch, bonus, nil)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Link the questions as the model folder would, with all links above the sweep's floor."""
        self.sweep.update(batch.questions, self.links(batch, SWEEP_FLOOR))

    def links(self, batch: Batch, threshold: float) -> list[list[Link]]:
        """The links of a batch of questions, whose tokens are already in the batch."""
        texts = [question.text for question in batch.questions]
        scorer, k = self.linker.scorer, self.settings.candidates
        return scorer.score_tokens(texts, batch.tokens, floor=threshold, candidates=k).links(threshold)

    def on_validation_epoch_end(self) -> None:
        """Choose the threshold γ, and log the set-level precision, recall and F1 at γ."""
        chosen = self.sweep.compute()
        self.sweep.reset()
        self.log_dict(shown := {f"dev_{name}": getattr(chosen, name) for name in ("f1", "precision", "recall", "threshold")})
        when = f"epoch {self.current_epoch}" if self.trainer.state.fn == "fit" else "chosen epoch"
        log.info("%s: dev_f1 %.4f, dev_precision %.4f, dev_recall %.4f at γ = %.3f", when, *shown.values())

    def on_test_epoch_start(self) -> None:
        """Start with empty metrics."""
        self.tested = SharedMetrics().to(self.device)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Link test questions at ``self.threshold``: the γ of the settings, or the one that `elq test` has chosen."""
        self.tested.update(batch.questions, self.links(batch, cast(float, self.threshold)))

    def on_test_epoch_end(self) -> None:
        """Log the scores of the test questions."""
        found = self.tested.compute()
        shown = {f"test_{name}": found[f"set_in_catalogue_micro_{name}"] for name in ("f1", "precision", "recall")}
        others = ("main_entity_recall", "set_all_micro_f1", "strong_micro_f1", "weak_micro_f1", "questions")
        shown |= {"test_threshold": cast(float, self.threshold), **{f"test_{name}": found[name] for name in others}}
        self.log_dict(shown)
        log.info("test questions: " + ", ".join(f"{name} %.4f" for name in shown), *shown.values())

"""Export: makes the model folder of a cross-encoder from the best epoch, and measures it on the development questions."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_examples import Example
from elq.disambiguation.cross_fit import accuracies
from elq.disambiguation.cross_module import CrossModule, Scored
from elq.files import replacing_folder, write_json
from elq.linking.folder import METRICS
from elq.linking.model_folder import portable
from elq.model.crossencoder import CrossEncoder
from elq.progress import track
from elq.training.export import MODEL, best_module, keep_settings
from elq.training.provenance import made_with

log = logging.getLogger(__name__)


def scored(network: CrossEncoder, data: CrossData, examples: Sequence[Example], device: torch.device) -> Scored:
    """The scores of the candidates of examples, in fp32."""
    made, network = Scored(data.sizes.candidates), network.to(device).eval()
    loader = data.measured(examples)
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for batch in track(loader, "measuring", len(loader)):
            there = batch.to(device)
            made.add(batch, network.candidate_scores(there.pairs, there.there))
    return made


def finish(trainer: Trainer, module: CrossModule, data: CrossData) -> dict[str, float]:
    """Make ``model/`` and ``metrics.json`` of the best epoch.

    Returns:
        Which part of the development mentions is right, see :func:`elq.disambiguation.cross_fit.accuracies`; in the other
        processes, and without development questions, an empty dictionary.
    """
    best = best_module(trainer, module)
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return {}
    stage = best.stage(data)
    best.model.config = replace(best.model.config, first_stage=stage)
    folder = Path(trainer.default_root_dir) / MODEL
    with replacing_folder(folder) as made:
        best.model.save_pretrained(made, best.tokenizer)
    metrics = {}
    if data.dev:
        tensors = scored(best.model, data, data.dev, trainer.strategy.root_device).tensors()
        metrics = dict(accuracies(*tensors, stage))
        log.info(
            "of %d development mentions, the first stage has %.4f right, the cross-encoder %.4f, both together %.4f; of the"
            " %d with their entity among the candidates, both together have %.4f right",
            *(int(metrics["mentions"]), metrics["first_stage_accuracy"], metrics["cross_encoder_accuracy"]),
            *(metrics["both_accuracy"], int(metrics["with_gold"]), metrics["both_accuracy_with_gold"]),
        )
    about: dict[str, Any] = {"questions_file": portable(data.dev_file), "model": metrics, "made_with": made_with()}
    about["weights"] = [stage.log_weight, stage.score_weight]
    for place in (folder, folder.parent):
        write_json(place / METRICS, about)
    keep_settings(folder.parent, folder)
    log.info("exported %s; its metrics are in %s", folder, folder.parent / METRICS)
    return metrics

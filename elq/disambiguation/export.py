"""Export: makes the model folder of a bi-encoder from the best epoch: towers, entities with their vectors, and the ranking."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from elq.disambiguation.data import PRIOR, MentionData
from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample
from elq.disambiguation.measures import RECALL_AT, recall_at
from elq.disambiguation.module import BiEncoderModule
from elq.disambiguation.views import Views, build_views
from elq.encoding.device import resolve_precision
from elq.entities.build import BuildSettings, EncodedTexts, build_entities
from elq.entities.encoder import settings_of
from elq.entities.manifest import ENTITIES, ENTITY_ENCODER, Manifest, open_entities
from elq.files import replacing_folder, write_json
from elq.linking.folder import METRICS
from elq.linking.model_folder import link_entities, portable
from elq.model.biencoder import BiEncoder
from elq.training.export import MODEL, best_module, keep_settings
from elq.training.provenance import made_with

log = logging.getLogger(__name__)

TOWERS = "towers"  # both towers, in the run folder until the model folder is made


def build_settings(module: BiEncoderModule, data: MentionData, encoder: Path, precision: str) -> BuildSettings:
    """How the entities folder of the model is built with its entity tower."""
    return BuildSettings(
        encoder=str(encoder),
        pooling=module.settings.entity_pooling,
        text=data.text,
        max_tokens=module.settings.entity_tokens,
        dtype=data.build.dtype,
        precision=precision,
        index=data.build.index,
        index_options=data.build.index_options,
        prior=PRIOR,
    )


def finish(trainer: Trainer, module: BiEncoderModule, data: MentionData) -> dict[str, float]:
    """Make ``model/`` and ``metrics.json`` of the best epoch.

    Returns:
        The metrics of the model folder on the development mentions; in other processes than the first an empty dictionary.
    """
    best = best_module(trainer, module)
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return {}
    device = str(trainer.strategy.root_device)
    return export(Path(trainer.default_root_dir), best, data, device)


def export(run: Path, module: BiEncoderModule, data: MentionData, device: str) -> dict[str, float]:
    """Make the model folder in a run folder, and measure it."""
    with replacing_folder(run / TOWERS) as made:
        module.network.save_pretrained(made, module.texts)
    entities = encoded_entities(run, module, data, device)
    network, texts = BiEncoder.from_pretrained(run / TOWERS)
    views = encoded_views(run / TOWERS, entities, module, data, device)
    disambiguator = Disambiguator(network.to(device), texts, open_entities(entities), views=views)
    ranking = disambiguator.fit(data.for_ranking())
    log.info("the ranking was fitted on %d mentions: %s", ranking.fitted, ranking)
    metrics = measure(disambiguator, data.dev)
    with replacing_folder(run / MODEL) as folder:
        for file in (run / TOWERS).iterdir():
            if file.name != ENTITY_ENCODER:
                file.rename(folder / file.name)
        link_entities(entities, folder, Manifest.load(entities))
        ranking.save(folder)
        about: dict[str, Any] = {"questions_file": portable(data.dev_file), "model": metrics, "made_with": made_with()}
        write_json(folder / METRICS, about)
        keep_settings(run, folder)
    shutil.rmtree(run / TOWERS)
    write_json(run / METRICS, about)
    log.info("exported %s; its metrics are in %s", run / MODEL, run / METRICS)
    return metrics


def encoded_entities(run: Path, module: BiEncoderModule, data: MentionData, device: str) -> Path:
    """The entities folder with the vectors of the entity tower, which is made in the run folder unless the tower is frozen."""
    if module.settings.entity_tower == "frozen":
        return Path(data.entities_folder)
    with replacing_folder(run / ENTITY_ENCODER) as made:
        for file in (run / TOWERS / ENTITY_ENCODER).iterdir():
            file.rename(made / file.name)
    settings = build_settings(module, data, run / ENTITY_ENCODER, resolve_precision("auto", device))
    build_entities(data.catalogue_file, run / ENTITIES, settings, columns=data.columns, device=device)
    return run / ENTITIES


def encoded_views(folder: Path, entities: Path, module: BiEncoderModule, data: MentionData, device: str) -> Views | None:
    """The views of the entities, which are made in a model folder if the settings ask for them."""
    if data.entity_views == "whole":
        return None
    opened = open_entities(entities)
    about = opened.manifest
    beside = entities.parent / ENTITY_ENCODER
    made = EncodedTexts(settings_of(about, str(beside) if beside.is_dir() else None), device).vectors
    count = build_views(folder, opened.catalogue, about.catalogue_sha256, made, about.dtype)
    log.info("%s views of sentences were encoded", f"{count:,}")
    return Views.open(folder, about.catalogue_sha256)


def measure(disambiguator: Disambiguator, examples: Sequence[MentionExample]) -> dict[str, float]:
    """Recall@k of mentions among all entities: by vectors alone, and with names and fame."""
    gold = torch.tensor([example.row for example in examples])
    metrics: dict[str, float] = {"mentions": float(len(examples))}
    for name, alone in (("vectors", True), ("all", False)):
        found = disambiguator.candidates(examples, max(RECALL_AT), vectors_alone=alone)
        recall = recall_at(found.rows, gold)
        metrics |= {f"{name}_recall_{k}": value for k, value in recall.items()}
        log.info(f"{name}: " + ", ".join(f"recall@{k} %.4f" for k in recall), *recall.values())
    return metrics

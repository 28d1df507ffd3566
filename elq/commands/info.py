"""``elq info``: prints what a folder contains, how it was made, and its scores."""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.commands.console import ArgumentParser
from elq.errors import ElqError

if TYPE_CHECKING:
    from elq.entities.manifest import Entities

SCORES = {
    "set_in_catalogue_micro_f1": "set-level F1, main entity in the catalogue",
    "main_entity_recall": "main-entity recall",
    "strong_micro_f1": "strong F1 (same span and entity)",
    "disambiguation_accuracy": "disambiguation accuracy on gold mentions",
}


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq info", description="Print what a model or entities folder contains, how it was made, and its scores."
    )
    made.add_argument(
        "folder", metavar="DIR", help="a model folder, a run folder, an entities folder of `elq build`, or elq/general"
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Print one fact in each line."""
    given = parser().parse_args(arguments).folder
    from elq.encoding.pretrained import GENERAL, WEIGHTS
    from elq.entities.manifest import MANIFEST, open_entities
    from elq.linking.folder import ENTITIES

    folder = WEIGHTS if given == GENERAL else Path(given)
    model = folder / "model" if (folder / "model").is_dir() else folder
    if (model / "config.json").is_file():
        facts = [*model_facts(model)]
        if (model / ENTITIES).is_dir() or folder != WEIGHTS:  # the model in the package links over any catalogue
            facts += [*entity_facts(open_entities(model / ENTITIES))]
        facts += [*decision_facts(model), *score_facts(model)]
    elif (folder / MANIFEST).is_file():
        facts = list(entity_facts(open_entities(folder)))
    else:
        raise ElqError(
            f"{folder} is neither a model folder (config.json) nor an entities folder ({MANIFEST}): give the path of one"
        )
    width = max(len(name) for name, _ in facts)
    print("\n".join(f"{name:{width}}  {value}" for name, value in facts))


def model_facts(folder: Path) -> Iterator[tuple[str, str]]:
    """Facts about the network."""
    from safetensors import SafetensorError, safe_open

    from elq.encoding.packed import SCALE
    from elq.model.config import read_config

    config = read_config(folder / "config.json")
    try:
        with safe_open(folder / "model.safetensors", "pt") as weights:
            names = [name for name in weights.keys() if SCALE not in name]  # noqa: SIM118 (it is not a mapping)
            parts = [weights.get_slice(name) for name in names]
            # a byte has two numbers of 4 bits
            count = sum((2 if part.get_dtype() == "U8" else 1) * math.prod(part.get_shape()) for part in parts)
    except (OSError, SafetensorError) as error:
        raise ElqError(
            f"{folder / 'model.safetensors'} cannot be read ({error}): write the folder again with `elq train` or `elq import`"
        ) from None
    encoder = config.encoder
    yield "model", f"{folder}: {count / 1e6:.1f} million parameters, mentions of up to {config.longest_mention}"
    kind = f"{encoder.get('model_type')}, {encoder.get('num_hidden_layers')} layers, {encoder.get('hidden_size')} wide"
    yield "question encoder", kind
    beside = {"names of the catalogue": config.names, f"fame ({', '.join(config.prior)})": config.prior, "NIL": config.nil}
    if any(beside.values()):
        yield "beside vectors", ", ".join(what for what, asked in beside.items() if asked)


def entity_facts(entities: "Entities") -> Iterator[tuple[str, str]]:
    """Facts about the entities folder: what it contains, and how it was made."""
    about = entities.manifest
    names = ", ".join(f"{entity.id} {entity.title}" for entity in islice(entities.catalogue, 3))
    yield "entities", f"{about.entities:,} ({names}, …)"
    megabytes = {name: f"{name} {size / 1e6:.1f} MB" for name, size in about.files.items()}
    yield "files", ", ".join(megabytes.values())
    if about.version:
        yield (
            "changed",
            f"version {about.version}: {len(about.segments)} segments, {len(entities.catalogue.removed):,} removed rows",
        )
    yield "table", f"{about.entities:,} × {about.width} {about.dtype}, by {about.encoder} ({about.pooling}, {about.precision})"
    from elq.entities.images import open_images

    if (images := open_images(entities)) is not None:
        made = images.facts
        size = f"{made.width} wide, {made.patches} patches"
        yield "pictures", f"{made.pictures:,} of {made.entities:,} entities, by {made.tower} ({size})"
    yield "entity text", ", ".join(f"{name} {value}" for name, value in about.text.items())
    chosen = ", ".join(f"{name}={value}" for name, value in about.index_options.items())
    yield "index", f"{about.index} ({chosen})" if chosen else about.index
    yield "catalogue sha256", about.catalogue_sha256


def decision_facts(folder: Path) -> Iterator[tuple[str, str]]:
    """Facts about the decision: how scores become links, and on which questions that was chosen."""
    from elq.linking.decision import Decision

    decision = Decision.load(folder)
    mode = f"{decision.score_mode}, K = {decision.candidates}, natural logarithm of a probability"
    least = decision.mention_threshold
    mentions = "" if least is None else f", mentions of log p(mention) ≥ {least:.3f}"
    yield "links", f"threshold γ = {decision.threshold:.3f} (score mode {mode}){mentions}"
    if decision.further:
        yield "settings", ", ".join(f"{name} {value}" for name, value in decision.further.items())
    if decision.calibration is not None:
        form = "offset {:.3f}, slope {:.3f} of the joint score"
        if len(decision.calibration) == 3:  # of an earlier version
            form = "offset {:.3f}, slopes {:.3f} of p(mention) and {:.3f} of p(entity | mention)"
        yield "probabilities", form.format(*decision.calibration)
    if decision.chosen is not None:
        chosen = dict(decision.chosen)
        yield f"chosen by {chosen.pop('by', 'nobody knows')}", ", ".join(f"{name} {value}" for name, value in chosen.items())


def score_facts(folder: Path) -> Iterator[tuple[str, str]]:
    """Facts about the training, and the scores on the development questions, as far as the folder has them."""
    from elq.linking.folder import METRICS, TRAINING

    if training := _read(folder / TRAINING):
        data = training.get("data")
        yield "trained with", json.dumps(data.get("train") if isinstance(data, dict) else None, default=str)
        yield "seed", str(training.get("seed_everything"))
    metrics = _read(folder / METRICS)
    scores = metrics.get("model")
    for name, meaning in SCORES.items():
        if isinstance(scores, dict) and isinstance(value := scores.get(name), float):
            yield meaning, f"{value:.3f} on {metrics.get('questions_file')}"


def _read(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file of keys and values; an empty dictionary if the file does not exist."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, yaml.YAMLError) as error:
        raise ElqError(
            f"{path} cannot be read ({' '.join(str(error).split())}): write the model folder again"
            " with `elq train` or `elq import`"
        ) from None
    if not isinstance(found, dict):
        raise ElqError(
            f"{path} does not contain keys and values: write the model folder again with `elq train` or `elq import`"
        )
    return found

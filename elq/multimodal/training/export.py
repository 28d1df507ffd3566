"""Export: makes the model folder of a multimodal network from the best epoch, and measures it on the development questions."""

import logging
import random
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning import Trainer

from elq.disambiguation.disambiguator import Disambiguator
from elq.encoding.pretrained import FILES
from elq.entities.manifest import ENTITY_ENCODER
from elq.files import link_or_copy, replacing_folder, write_json
from elq.linking.folder import METRICS
from elq.linking.model_folder import link_entities, portable
from elq.multimodal.combining import BOXED, NAMED, UNNAMED, PictureLinking
from elq.multimodal.disambiguator import PICTURES, TOWER
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.ranking_trees import RankingTrees
from elq.multimodal.training.base import is_biencoder
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.module import Measured, MultimodalModule
from elq.training.export import MODEL, best_module, keep_settings
from elq.training.provenance import made_with
from elq.vision.layout import CONFIG as TOWER_CONFIG
from elq.vision.layout import WEIGHTS as TOWER_WEIGHTS
from elq.vision.layout import is_layout_tower

log = logging.getLogger(__name__)

HITS = (1, 3, 5, 10)
FITTED = 1_500  # training mentions on which trees are fitted


def finish(trainer: Trainer, module: MultimodalModule, data: MultimodalData) -> dict[str, float]:
    """Make ``model/`` and ``metrics.json`` of the best epoch.

    Returns:
        The metrics on the development mentions; in other processes than the first an empty dictionary.
    """
    best = best_module(trainer, module)
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return {}
    return export(Path(trainer.default_root_dir), best, data)


def export(run: Path, module: MultimodalModule, data: MultimodalData) -> dict[str, float]:
    """Make the model folder in a run folder, and measure it. The thresholds of a noise filter are chosen before."""
    measured = Measured(module.network, data, data.dev, data.development(every=True))
    noise: dict[str, Any] = {}
    if module.network.noise is not None:
        found = module.network.choose_noise(measured.batches())
        log.info("noise filter: %s", found.sentence())
        noise = {"noise": asdict(found)}
    trees = fitted_trees(module, data) if module.settings.trees else None
    if noise or trees is not None:
        measured = Measured(module.network, data, data.dev, data.development(every=True), trees=trees)
    weights = measured.fitted()
    metrics = measured.accuracies(weights)
    ranks = measured.ranks(measured.total(weights))
    metrics |= {f"hits@{k}": float(((ranks >= 0) & (ranks < k)).float().mean()) for k in HITS}
    metrics["mentions"] = float(len(ranks))
    counts = [int((measured.pictured & (measured.kinds == kind)).sum()) for kind in (NAMED, UNNAMED, BOXED)]
    named, unnamed, boxed = weights.tolist()
    linking = PictureLinking(
        tower=data.tower_name,
        tower_identity=data.maker.tower.identity,
        preset=module.settings.name,
        prompt=data.prompt,
        decoding=module.settings.decoding,
        nearest=data.nearest,
        named=(named[0], named[1]),
        unnamed=(unnamed[0], unnamed[1]),
        boxed=(boxed[0], boxed[1]),
        fitted=tuple(counts),
    )
    about: dict[str, Any] = {"questions_file": portable([*data.dev_files]), "model": metrics, "made_with": made_with(), **noise}
    with replacing_folder(run / MODEL) as folder:
        write_folder(folder, data.base, Path(data.entities_folder), module.network, linking)
        if trees is not None:
            trees.trees.save(folder / PICTURES)
        place = Path(data.encoder).expanduser()
        if (place / ENTITY_ENCODER).is_dir():  # a model folder needs no other folder
            copied((place / ENTITY_ENCODER).iterdir(), folder / ENTITY_ENCODER)
        elif place.is_dir() and not is_biencoder(data.encoder):
            copied((place / name for name in FILES), folder / ENTITY_ENCODER)
        if is_layout_tower(tower := Path(data.tower_name).expanduser()):
            copied((tower / name for name in (TOWER_CONFIG, TOWER_WEIGHTS)), folder / PICTURES / TOWER)
        write_json(folder / METRICS, about)
        keep_settings(run, folder)
    write_json(run / METRICS, about)
    log.info(
        "of %d development mentions, the text alone has %.4f right, the network %.4f, both together %.4f",
        *(len(ranks), metrics["text"], metrics["network"], metrics["accuracy"]),
    )
    log.info("exported %s; its metrics are in %s", run / MODEL, run / METRICS)
    return metrics


def fitted_trees(module: MultimodalModule, data: MultimodalData) -> RankingTrees:
    """Trees that are fitted on the candidates of training mentions."""
    numbers = random.Random(data.seed).sample(range(len(data.train.rows)), min(len(data.train.rows), FITTED))
    measured = Measured(module.network, data, data.train, numbers)
    examples = [data.train.examples[number] for number in numbers]
    return RankingTrees.fit(
        *(data.base, module.network, examples, data.train.features, numbers, data.entities),
        *(measured.rows, measured.targets, data.seed),
    )


def write_folder(
    folder: Path, base: Disambiguator, entities: Path, network: MultimodalNetwork, linking: PictureLinking
) -> None:
    """Write a model folder into an existing folder.

    Args:
        folder: the folder.
        base: the bi-encoder.
        entities: its entities folder, whose files get a hard link.
        network: the network.
        linking: how pictures are used.
    """
    base.network.save_pretrained(folder, base.texts)
    base.ranking.save(folder)
    link_entities(entities, folder, base.entities.manifest)
    (folder / PICTURES).mkdir()
    network.save_pretrained(folder / PICTURES)
    linking.save(folder / PICTURES)


def copied(files: Iterable[Path], target: Path) -> None:
    """Put files into a new folder, unless it is there, as hard links or copies."""
    if not target.exists():
        target.mkdir()
        for file in files:
            link_or_copy(file, target / file.name)

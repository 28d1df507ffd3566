"""Export: makes the folder of a layout tower from the best epoch, and measures it among all pictures of the catalogue."""

import logging
from dataclasses import asdict
from pathlib import Path

from lightning import Trainer

from elq.files import replacing_folder, write_json
from elq.linking.folder import METRICS
from elq.linking.model_folder import portable
from elq.model.network import save_weights
from elq.multimodal.tower.data import TowerData
from elq.multimodal.tower.module import TowerModule
from elq.training.export import MODEL, best_module, keep_settings
from elq.training.provenance import made_with
from elq.vision.layout import CONFIG, WEIGHTS, LayoutNetwork

log = logging.getLogger(__name__)


def finish(trainer: Trainer, module: TowerModule, data: TowerData) -> dict[str, float]:
    """Make ``model/`` and ``metrics.json`` of the best epoch.

    Returns:
        The share of development pictures with the right entity first, of each file and of all files (``accuracy``); in other
        processes than the first an empty dictionary.
    """
    best = best_module(trainer, module)
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return {}
    best.trainer = trainer
    if module.settings.whitening is not None:
        best.eval().network.whiten(best.vectors_of(data.first_views(), norm=False), module.settings.whitening)
    found = best.eval().measured(every=True)
    metrics = {"accuracy": sum(found.values()) / len(found), **{Path(file).stem: value for file, value in found.items()}}
    run = Path(trainer.default_root_dir)
    about = {"questions_file": portable([*data.dev_files]), "model": metrics, "made_with": made_with()}
    with replacing_folder(run / MODEL) as folder:
        write_tower(folder, best.network)
        write_json(folder / METRICS, about)
        keep_settings(run, folder)
    write_json(run / METRICS, about)
    log.info(
        "exported %s: %s of the development pictures have the right entity first", run / MODEL, f"{metrics['accuracy']:.4f}"
    )
    return metrics


def write_tower(folder: Path, network: LayoutNetwork) -> None:
    """Write the files of a layout tower into an existing folder."""
    write_json(folder / CONFIG, asdict(network.config))
    save_weights(folder / WEIGHTS, {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()})

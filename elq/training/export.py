"""Export: what happens when training is over. Best epoch → γ → model folder → metrics."""

import copy
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import Entities, entity_files
from elq.evaluation.evaluate import evaluate
from elq.evaluation.reliability import fit_calibration
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.files import link_or_copy, replacing_folder, write_json
from elq.linking.folder import ENTITIES, ENTITY_ENCODER, METRICS, TRAINING
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.training.data import QuestionData
from elq.training.module import ELQModule
from elq.types import Question

log = logging.getLogger(__name__)

MODEL, CONFIG = "model", "config.yaml"  # in a run folder


def export_folder(
    folder: str | Path,
    model: ELQ,
    tokenizer: QuestionTokenizer,
    entities: Entities,
    source: str | Path,
    *,
    threshold: float,
    candidates: int,
    score_mode: str,
) -> None:
    """Write a model folder, whole or not at all.

    Args:
        folder: the folder to make; an older one is replaced.
        model, tokenizer: the network.
        entities: the opened entities.
        source: the folder they were opened from; its files get a second name (or a copy on another disk).
        threshold, candidates, score_mode: how links are decided, for the manifest.
    """
    manifest = replace(entities.manifest, threshold=threshold, candidates=candidates, score_mode=score_mode)
    manifest = replace(manifest, mention_threshold=None, calibration=None, tuned=None)  # those would be another model's
    with replacing_folder(folder) as made:
        model.save_pretrained(made, tokenizer)
        (made / ENTITIES).mkdir()
        for name in entity_files():
            if (Path(source) / name).is_file():
                link_or_copy(Path(source) / name, made / ENTITIES / name)
        manifest.save(made / ENTITIES)
        if (encoder := Path(source).parent / ENTITY_ENCODER).is_dir():  # of a released model
            (made / ENTITY_ENCODER).mkdir()
            for file in encoder.iterdir():
                link_or_copy(file, made / ENTITY_ENCODER / file.name)


def calibrate(folder: Path, linker: Linker, questions: Sequence[Question]) -> None:
    """Fit a model folder's calibration to its linker's links in annotated questions; none where it finds nothing in them."""
    links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
    if not any(links):
        log.warning("no link in the development questions: the links of %s will have no probability", folder)
        return
    calibration = fit_calibration(questions, links)
    replace(linker.entities.manifest, calibration=calibration).save(folder / ENTITIES)


def finish(trainer: Trainer, module: ELQModule, data: QuestionData) -> dict[str, float]:
    """Load the best epoch, choose γ and fit probabilities on the development questions, export ``model/`` and ``metrics.json``.

    Returns:
        All metrics of the exported folder on the development questions.
    """
    checkpoint = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
    model = module.model
    if checkpoint is not None and checkpoint.best_model_path:
        log.info("best epoch: %s", checkpoint.best_model_path)
        # into a module of its own: the trained one may be spread over processes
        module = ELQModule.load_from_checkpoint(checkpoint.best_model_path, weights_only=True, map_location="cpu")
        model = copy.deepcopy(module.model)
    [scores] = trainer.validate(module, datamodule=data, verbose=False)
    threshold = scores["dev_threshold"] if module.threshold is None else module.threshold
    trainer.strategy.barrier()
    folder = Path(trainer.default_root_dir) / MODEL
    if not trainer.is_global_zero:
        return dict(scores)
    export_folder(
        folder,
        model,
        data.tokenizer,
        data.entities,
        data.entities_folder,
        threshold=threshold,
        candidates=module.retrieved,
        score_mode=module.score_mode,
    )
    metrics = evaluate(linker := Linker.from_pretrained(folder), data.dev)
    calibrate(folder, linker, data.dev)
    source = data.dev_file or f"{len(data.dev)} template questions"
    for place in (folder, folder.parent):
        write_json(place / METRICS, {"questions_file": source, "threshold": threshold, "model": metrics})
    if (folder.parent / CONFIG).is_file():
        shutil.copyfile(folder.parent / CONFIG, folder / TRAINING)
    log.info("exported %s; its metrics on %s are in %s", folder, source, folder.parent / METRICS)
    return metrics

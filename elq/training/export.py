"""Export: makes the model folder from the best epoch when training is over.

The threshold γ and the calibration are chosen on the development questions. Then the folder and its metrics are written.
"""

import itertools
import logging
from pathlib import Path
from typing import Any, TypeVar

import yaml
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only

from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import Entities
from elq.evaluation.evaluate import Observed, measure, observe
from elq.evaluation.reliability import fit_calibration
from elq.evaluation.sweep import SWEEP_FLOOR, ThresholdSweep
from elq.evaluation.sweep import chosen as chosen_threshold
from elq.files import replacing, replacing_folder, write_json
from elq.linking.decision import Decision
from elq.linking.folder import METRICS, TRAINING, resolve_model
from elq.linking.model_folder import link_entities, link_model_folder, portable
from elq.model.network import ELQ
from elq.training.data import QuestionData
from elq.training.keep_best import TRAINED, choose, compare
from elq.training.module import ELQModule, choice_of, linker_of
from elq.training.provenance import made_with
from elq.training.trained import TrainedModule

log = logging.getLogger(__name__)

MODEL, CONFIG = "model", "config.yaml"  # names in a run folder
Trained = TypeVar("Trained", bound=TrainedModule)


def export_folder(
    folder: str | Path,
    model: ELQ,
    tokenizer: QuestionTokenizer,
    entities: Entities,
    source: str | Path,
    decision: Decision,
) -> None:
    """Write a model folder. It appears only when it is complete.

    Args:
        folder: the folder to make; an older one is replaced.
        model, tokenizer: the network and its tokenizer.
        entities: the opened entities folder.
        source: path of the entities folder. Its files get a hard link in the model folder, or a copy on another disk.
        decision: how the scores of this model become links.
    """
    with replacing_folder(folder) as made:
        model.save_pretrained(made, tokenizer)
        decision.save(made)
        link_entities(Path(source), made, entities.manifest)


def best_module(trainer: Trainer, module: Trained) -> Trained:
    """The module of the best epoch; that of the last step if no epoch was saved."""
    checkpoint = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
    if checkpoint is None or not checkpoint.best_model_path:
        return module
    log.info("best epoch: %s", checkpoint.best_model_path)
    # load it into a new module, because the weights of the trained one may be divided among processes
    return type(module).load_from_checkpoint(checkpoint.best_model_path)


def keep_settings(run: Path, folder: Path) -> None:
    """Write the settings of a run, if it has any, into a model folder."""
    if (run / CONFIG).is_file():
        values = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
        with replacing(folder / TRAINING) as stream:
            yaml.safe_dump(portable(values), stream, sort_keys=False, allow_unicode=True)


def decide(observed: Observed, module: ELQModule, data: QuestionData) -> Decision:
    """Choose the threshold γ and fit the calibration, on the links of development questions above the sweep's floor."""
    low = observed.above(SWEEP_FLOOR)
    objective, slack, depth = choice_of(data)
    sweep = ThresholdSweep(objective, slack, depth)
    sweep.update(low.questions, low.links)
    near = None
    if module.settings.keep_best:  # few questions leave many thresholds open: that of the untrained model is the best guess
        near = Decision.load(resolve_model(data.encoder)).threshold
        slack = max(slack, 1 / max(sweep.gold, 1))  # about one link
    reached = chosen_threshold(sweep.curve(), slack, depth, near=near)
    threshold = reached.threshold if module.threshold is None else module.threshold
    log.info(
        "chosen epoch: dev_f1 %.4f, dev_precision %.4f, dev_recall %.4f at γ = %.3f",
        *(reached.f1, reached.precision, reached.recall, reached.threshold),
    )
    calibration = None
    if any(low.links):
        calibration = fit_calibration(low.questions, low.links)
    else:
        log.warning("no link was found in the development questions, so the links of this model will have no probability")
    questions = Path(data.dev_file).name if data.dev_file else data.dev_name
    chosen: dict[str, Any] = {"by": "training", "questions": [questions]}
    if module.threshold is None:
        chosen |= {"objective": objective, "f1": reached.f1}
    return Decision(
        threshold=threshold,
        candidates=module.settings.candidates,
        score_mode=module.settings.score_mode,
        calibration=calibration,
        chosen=chosen,
        nil_shift=module.settings.nil_shift,
        small_shift=module.settings.small_shift,
    )


def finish(trainer: Trainer, module: ELQModule, data: QuestionData) -> dict[str, float]:
    """Make ``model/`` and ``metrics.json`` of the best epoch, with a threshold γ chosen on the development questions.

    The first process encodes the development questions, only once. The other processes return at once.

    Returns:
        All metrics of the model folder on the development questions; in the other processes an empty dictionary.
    """
    model = best_module(trainer, module).model
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return {}
    given = () if module.threshold is None else (module.threshold,)
    linker = linker_of(model.to(trainer.strategy.root_device), module.settings, data)
    observed = observe(linker, data.dev, threshold=min([SWEEP_FLOOR, *given]))
    decision = decide(observed, module, data)
    metrics = measure(observed.above(decision.threshold))
    folder, trained, about = Path(trainer.default_root_dir) / MODEL, True, dict[str, Any]()
    if module.settings.keep_best:
        measured = compare(metrics, data, linker.device)
        kept = choose(measured, data.encoder, data.dev_name)
        trained, about, metrics = kept == TRAINED, {"kept": kept, **measured}, {**measured[kept]}
    if trained:
        export_folder(folder, model, data.tokenizer, data.entities, data.entities_folder, decision)
    else:
        decision = Decision.load(resolve_model(data.encoder))
        link_model_folder(folder, model=data.encoder, entities=data.entities_folder)
    about = {"questions_file": portable(data.dev_name), "threshold": decision.threshold, "model": metrics, **about}
    about["made_with"] = made_with()
    for place in (folder, folder.parent):
        write_json(place / METRICS, about)
    if trained:
        keep_settings(folder.parent, folder)
    log.info("exported %s; its metrics on %s are in %s", folder, data.dev_name, folder.parent / METRICS)
    return metrics


@rank_zero_only
def keep_log(folder: Path) -> None:
    """Rename ``metrics.csv`` of a run that resumes to ``metrics.1.csv``, because the logger would delete it."""
    if (folder / "metrics.csv").is_file():
        number = next(n for n in itertools.count(1) if not (folder / f"metrics.{n}.csv").exists())
        (folder / "metrics.csv").replace(folder / f"metrics.{number}.csv")

"""Keep the best: measures the trained model, the untrained one and the dictionary, and says which model is exported."""

import logging
from collections.abc import Mapping

import torch

from elq.evaluation.evaluate import evaluate, evaluate_links
from elq.linking.folder import resolve_model
from elq.linking.linker import Linker
from elq.names.baseline import LongestName
from elq.names.dictionary import Dictionary
from elq.training.data import QuestionData

log = logging.getLogger(__name__)

Metrics = Mapping[str, float]
TRAINED, UNTRAINED, DICTIONARY = "trained", "untrained", "dictionary"
OBJECTIVE = "set_all_micro_f1"  # the entities of all questions, also of those without a mention
SHOWN = {  # title → metric, and the number of questions that it is a mean of, if that may be 0
    "entities, F1": (OBJECTIVE, None),
    "exact links, F1": ("strong_micro_f1", None),
    "false links per question without mention": ("false_links_per_unmentioned_question", "questions_unmentioned"),
}


def compare(trained: Metrics, data: QuestionData, device: torch.device) -> dict[str, Metrics]:
    """The metrics of the trained model, the untrained model and the dictionary on the development questions.

    Args:
        trained: the metrics of the trained model.
        data: the data module, whose encoder is the untrained model.
        device: where the untrained model runs.
    """
    untrained = Linker.over(resolve_model(data.encoder), data.entities, device=str(device), dictionary=data.dictionary)
    longest = LongestName(data.dictionary or Dictionary(data.entities.catalogue))
    named = evaluate_links(data.dev, longest.link([question.text for question in data.dev]))
    return {TRAINED: trained, UNTRAINED: evaluate(untrained, data.dev), DICTIONARY: named}


def choose(measured: Mapping[str, Metrics], untrained: str, questions: str) -> str:
    """The model to export: the trained one if its F1 is higher, else the untrained one. The log shows a table and says why.

    Args:
        measured: the result of :func:`compare`.
        untrained: the name of the untrained model.
        questions: what the development questions are, for the log.
    """
    best = max((UNTRAINED, TRAINED, DICTIONARY), key=lambda name: measured[name][OBJECTIVE])  # of equal ones, the first
    kept = max((UNTRAINED, TRAINED), key=lambda name: measured[name][OBJECTIVE])
    log.info("on %s:\n%s", questions, table(measured))
    log.info(
        "the model folder has the %s, because its F1 of entities is %s",
        "trained weights" if kept == TRAINED else f"weights of {untrained} without the training",
        "higher than without the training" if kept == TRAINED else "not lower than with it",
    )
    if best == DICTIONARY:
        log.warning(
            "the dictionary, which links the longest name, is better than both models: check the annotation of the questions,"
            " or give more of them"
        )
    return kept


def table(measured: Mapping[str, Metrics]) -> str:
    """A table with a line for each linker.

    >>> print(table({"trained": {"set_all_micro_f1": 0.5, "strong_micro_f1": 0.25, "questions_unmentioned": 0}}))
                entities, F1  exact links, F1  false links per question without mention
    trained             .500             .250                                         –
    """
    lines = [" " * 10 + "".join(f"  {title}" for title in SHOWN)]
    for name, metrics in measured.items():
        cells = []
        for title, (key, number) in SHOWN.items():
            defined = number is None or metrics[number] > 0
            cells.append(f"{metrics[key]:.3f}".removeprefix("0") if defined else "–")
            cells[-1] = cells[-1].rjust(len(title) + 2)
        lines.append(f"{name:10}" + "".join(cells))
    return "\n".join(lines)

"""The record of an evaluation: what `elq evaluate --output` writes beside the metrics, such as intervals and speed."""

import math
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from elq.evaluation.evaluate import Observed, metric_ratios
from elq.evaluation.intervals import intervals
from elq.files import digest_of
from elq.linking.folder import MODEL_FILES
from elq.linking.linker import Linker

TIMED, SINGLE = 256, 20  # questions that are linked again for the time: together, and one by one


def record(linker: Linker, observed: Mapping[str, Observed]) -> dict[str, Any]:
    """Intervals, speed and the sums of the measured files, as values for JSON. The questions are linked again for the time.

    Args:
        linker: the linker that was measured.
        observed: name of a linker → its output at the threshold that was measured.

    Returns:
        ``intervals``: name of a linker → metric → bounds of the 95% interval over questions, where it is defined; ``cost``,
        see :func:`cost`; ``weights_sha256`` of the model, ``catalogue_sha256`` of the parts of the catalogue, and the number
        of its ``entities``.
    """
    texts = [question.text for question in next(iter(observed.values())).questions]
    folder = linker.folders and linker.folders[0]
    return {
        "intervals": {name: bounds(each) for name, each in observed.items()},
        "cost": cost(linker, texts),
        "weights_sha256": None if folder is None else digest_of([folder / name for name in MODEL_FILES]),
        "catalogue_sha256": linker.entities.catalogue.hashes,
        "entities": linker.entities.manifest.entities,
    }


def bounds(observed: Observed) -> dict[str, list[float]]:
    """Metric → the bounds of its 95% interval, for each metric that is a ratio and defined."""
    if not observed.questions:
        return {}
    found = intervals(metric_ratios(observed))
    return {name: [low, high] for name, (_, low, high) in found.items() if not math.isnan(low + high)}


def cost(linker: Linker, texts: Sequence[str]) -> dict[str, Any]:
    """The time and the memory of linking.

    Returns:
        ``questions_per_second`` of up to 256 questions in one call, ``seconds_per_question`` of single calls (median of 20),
        both None without a question; ``peak_memory_bytes`` of the process so far, None where the system does not tell;
        ``device`` and ``threads``.
    """
    together = list(texts[:TIMED])
    seconds = _seconds(lambda: linker.link(together))
    single = [_seconds(lambda text=text: linker.link(text)) for text in texts[:SINGLE]]  # type: ignore[misc]
    return {
        "questions_per_second": len(together) / seconds if together else None,
        "seconds_per_question": statistics.median(single) if single else None,
        "peak_memory_bytes": peak_memory(),
        "device": str(linker.device),
        "threads": torch.get_num_threads(),
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def peak_memory() -> int | None:
    """The largest resident memory of this process so far, in bytes; None where the system does not tell."""
    status = Path("/proc/self/status")  # getrusage of Linux counts the process that started this one, too
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))):
        return int(found[1]) * 1024
    if platform.system() != "Darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

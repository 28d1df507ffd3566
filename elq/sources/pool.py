"""Writes the parts of a source, in several processes where parsing is slow."""

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.progress import Meter
from elq.sources.parts import number_of, part_path, write_part
from elq.sources.source import Skips, Source

WAITING = 2  # chunks for each process that are read and not yet parsed
_source: Source  # in a process of the pool: the source whose chunks it parses


def write_parts(source: Source, folder: Path, processes: int, meter: Meter) -> list[int]:
    """Write a part for each chunk of a source, but for the parts that exist.

    Args:
        source: the source.
        folder: the folder of the parts.
        processes: the number of processes that parse.
        meter: shows the progress.

    Returns:
        The numbers of all parts.

    Raises:
        ElqError: the source cannot be read, or a process of the pool was killed.
    """
    numbered = numbered_chunks(source)
    first = list(islice(numbered, 2))
    chunks = _measured(chain(first, numbered), source, meter)
    if processes == 1 or len(first) < 2:  # starting processes is not worth it for one chunk
        numbers = []
        for number, chunk in chunks:
            numbers.append(number)
            if not part_path(folder, number).exists():
                meter.entities += write_chunk(source, folder, number, chunk)
        return numbers
    return _in_processes(source, folder, processes, chunks, meter)


def numbered_chunks(source: Source) -> Iterator[tuple[int, Any]]:
    """Yield the chunks of a source, each with the number of its part."""
    for file in range(len(source.files)):
        for place, chunk in enumerate(source.chunks_of(file)):
            yield number_of(file, place), chunk


def _measured(chunks: Iterator[tuple[int, Any]], source: Source, meter: Meter) -> Iterator[tuple[int, Any]]:
    for number, chunk in chunks:
        meter.show(source.done)
        yield number, chunk


def write_chunk(source: Source, folder: Path, number: int, chunk: Any) -> int:
    """Parse a chunk, and write its part. Returns the number of its entities."""
    skips, others = Skips(), dict[str, str]()
    return write_part(folder, number, source.parse(chunk, skips, others), skips, others)


def _in_processes(source: Source, folder: Path, processes: int, chunks: Iterator[tuple[int, Any]], meter: Meter) -> list[int]:
    waiting: deque[Future[int]] = deque()
    numbers = []
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads that unpack
    with ProcessPoolExecutor(processes, context, _begin, (source,)) as pool:
        try:
            for number, chunk in chunks:
                numbers.append(number)
                if part_path(folder, number).exists():
                    continue
                waiting.append(pool.submit(_work, folder, number, chunk))
                if len(waiting) > WAITING * processes:
                    meter.entities += waiting.popleft().result()
            while waiting:
                meter.entities += waiting.popleft().result()
        except BrokenProcessPool:
            raise ElqError(
                "a process that parses was killed, probably since memory ran out: give the same command again with fewer"
                " --processes; finished parts are kept"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
    return numbers


def _begin(source: Source) -> None:
    """Start a process of the pool. It ends when the process that started it ends, even by a kill."""
    global _source
    _source = source
    gc.disable()  # values of JSON have no circles, and looking for them takes a fifth of the time
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(folder: Path, number: int, chunk: Any) -> int:
    return write_chunk(_source, folder, number, chunk)

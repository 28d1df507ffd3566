"""The batcher: links the questions of many requests together; long texts go beside the others, so that these need not wait."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from elq.errors import ElqError, UnavailableError
from elq.serving.answers import FAILED, UNAVAILABLE, RequestError
from elq.serving.jobs import Item, Job, Linked, passes, tokens_of
from elq.serving.lane import Lane

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)

LONG_SHARE = 20  # one of so many places in the queue may be taken by a long text


class Batcher:
    """Links questions of equal options by one call.

    There are two lanes, each with a thread: one for questions, and one for long texts (:attr:`elq.serving.jobs.Item.long`). A
    long text takes seconds, in which hundreds of questions can be answered. The long texts are linked batch by batch too, so at
    any time only one batch of them competes with the questions for the cores.

    Args:
        max_queue: questions that may wait; of long texts, a twentieth of that number.
        max_tokens: tokens of one encoder pass, with padding.
        max_wait: seconds, see :class:`elq.serving.lane.Lane`.
        observe: is told of each batch: its tokens, for how long each question waited, and in how many seconds it was linked.
    """

    def __init__(
        self,
        *,
        max_queue: int,
        max_tokens: int,
        max_wait: float,
        observe: Callable[[int, Sequence[float], float], None] = lambda *_: None,
    ) -> None:
        self.max_tokens = max_tokens
        self._lock = threading.Lock()
        lane = partial(Lane, self._lock, self._answer, observe, max_tokens=max_tokens, max_wait=max_wait)
        full = f"{{waiting}} questions wait already, and at most {max_queue} may (--max-queue)"
        self.questions = lane(most=max_queue, full=full)
        most = max(1, max_queue // LONG_SHARE)
        full = f"{{waiting}} long texts wait already, and at most {most} may (a twentieth of --max-queue)"
        self.long_texts = lane(most=most, full=full)
        self._threads: list[threading.Thread] = []

    def start(self, prepare: Callable[[], None]) -> None:
        """Start the threads, the first of which calls ``prepare`` before anything is linked."""

        def work() -> None:
            prepare()
            self._start(self.long_texts.run, "elq-long-texts")
            self.questions.run()

        self._start(work, "elq-model")

    def _start(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self, seconds: float) -> None:
        """Finish what waits, and end the threads, but wait for them no longer than this."""
        until = monotonic() + seconds
        with self._lock:
            for lane in (self.questions, self.long_texts):
                lane.stop()
        for thread in self._threads:  # the first one may add the second
            thread.join(max(0.0, until - monotonic()))

    @property
    def length(self) -> int:
        """The number of questions that wait."""
        return len(self.questions.waiting) + len(self.long_texts.waiting)

    @property
    def idle(self) -> bool:
        """Whether no question waits or is being linked."""
        return not (self.length or self.questions.busy or self.long_texts.busy)

    def submit(self, job: Job) -> None:
        """Put the questions of a job into the queues.

        Raises:
            RequestError: a queue is full (429).
        """
        now = monotonic()
        items = [Item(job, place, tokens_of(job, place), now) for place in range(len(job.texts))]
        lanes = (
            (self.questions, [item for item in items if not item.long]),
            (self.long_texts, [one for one in items if one.long]),
        )
        job.left = len(items)
        with self._lock:
            for lane, part in lanes:
                lane.refuse_full(len(part))
            for lane, part in lanes:
                if part:
                    lane.put(part)

    def _answer(self, batch: Sequence[Item]) -> None:
        groups: dict[object, list[Item]] = {}
        for item in batch:
            groups.setdefault(item.group, []).append(item)
        for items in groups.values():
            for part in passes(items, self.max_tokens):
                wanted = [item for item in part if not item.job.dropped]
                if wanted:
                    self._link(wanted)
                self._finish(part)

    def _link(self, items: Sequence[Item]) -> None:
        """Link items of one group. If that fails, each is tried alone, so that a wrong one does not stop the others."""
        try:
            found = link_items(items)
        except UnavailableError as problem:  # each try could take as long as the timeout of the service
            log.warning("%s questions cannot be linked: %s", len(items), problem)
            for item in items:
                item.job.error = item.job.error or RequestError(503, UNAVAILABLE)
        except Exception as error:
            if len(items) > 1:
                for item in items:
                    self._link([item])
                return
            [item] = items
            if not isinstance(error, ElqError):
                log.exception("a question could not be linked")
                error = RequestError(500, FAILED)
            item.job.error = item.job.error or error
        else:
            for item, linked in zip(items, found, strict=True):
                item.job.results[item.place] = linked

    def _finish(self, items: Iterable[Item]) -> None:
        """Answer the jobs whose last items these are."""
        done = list[Job]()
        with self._lock:  # both threads may answer items of one job
            for item in items:
                item.job.left -= 1
                if not item.job.left and not item.job.dropped:
                    done.append(item.job)
        if done:
            loop = done[0].answered.get_loop()
            try:
                loop.call_soon_threadsafe(_finish_all, done)
            except RuntimeError:  # the loop is closed: nobody waits
                log.debug("the server has stopped before %s requests were answered", len(done))


def _finish_all(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.finish()


def link_items(items: Sequence[Item]) -> list[Linked]:
    """Link the questions of items of one group."""
    job, texts = items[0].job, [item.text for item in items]
    linker, arguments = job.opened.linker, job.options.arguments()
    if job.mentions is not None:
        arguments["mentions"] = [item.job.mentions[item.place] for item in items]  # type: ignore[index]
    if job.context is not None:
        arguments["context"] = [item.job.context[item.place] for item in items]  # type: ignore[index]
    found = linker.link(texts, **arguments)
    return [Linked(links, windows_of(linker, text)) for links, text in zip(found, texts, strict=True)]


def windows_of(linker: "Linker", text: str) -> int:
    """The number of windows in which a linker reads a text: its sentences if it is long, and the parts of very long ones."""
    from elq.linking.sentences import is_long, windows

    if linker.score_mode == "elq" or not is_long(text):
        return _passes(linker, text)
    return sum(_passes(linker, text[start:end]) for start, end in windows(text))


def _passes(linker: "Linker", text: str) -> int:
    """The number of windows of the encoder in which a linker reads a text or one of its sentences."""
    from elq.encoding.windows import window_starts

    limit = linker.model.encoder.max_tokens
    if text.isascii() and 2 * len(text) < limit:  # a character is at most one token, and a gap between names is one more
        return 1
    tokens = linker.scorer.plain_tokens([text])
    length, inside = int(tokens.attention.sum()), int(tokens.text_mask.sum())
    return len(window_starts(inside, limit - (length - inside))) if length > limit else 1

"""The batcher: one thread owns the models, and links the questions of many requests together."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from elq.errors import ElqError
from elq.serving.answers import FAILED, RequestError
from elq.serving.jobs import Item, Job, Linked, passes, tokens_of

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)

SMOOTHING = 0.2  # weight of the newest batch in the measured throughput


class Batcher:
    """Takes the questions that wait, and links those of equal options by one call.

    It does not wait for more questions where none are expected: it expects as many as came with the batch before, and waits for
    them at most ``max_wait`` after the first.

    Args:
        max_queue: questions that may wait.
        max_tokens: tokens of one encoder pass, with padding.
        max_wait: seconds.
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
        self.max_queue, self.max_tokens, self.max_wait, self.observe = max_queue, max_tokens, max_wait, observe
        self.rate = 100.0  # questions a second, measured
        self.busy = False
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._expected = 1
        self._thread: threading.Thread | None = None

    def start(self, prepare: Callable[[], None]) -> None:
        """Start the thread, which first calls ``prepare``."""

        def work() -> None:
            prepare()
            self._run()

        self._thread = threading.Thread(target=work, name="elq-model", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Finish what waits, and end the thread, but wait for it no longer than this."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    @property
    def length(self) -> int:
        """The number of questions that wait."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether no question waits or is being linked."""
        return not self._waiting and not self.busy

    def submit(self, job: Job) -> None:
        """Put the questions of a job into the queue.

        Raises:
            RequestError: the queue is full (429).
        """
        now = monotonic()
        items = [Item(job, place, tokens_of(job, place), now) for place in range(len(job.texts))]
        job.left = len(items)
        with self._changed:
            if (waiting := len(self._waiting)) and waiting + len(items) > self.max_queue:
                seconds = max(1, round(waiting / self.rate + 0.5))
                raise RequestError(
                    429,
                    f"{waiting} questions wait already, and at most {self.max_queue} may (--max-queue): send the request again"
                    f" in {seconds} seconds",
                    {"Retry-After": str(seconds)},
                )
            self._waiting.extend(items)
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._next():
            began = monotonic()
            try:
                self._answer(batch)
            finally:
                self.busy = False
            seconds = max(monotonic() - began, 1e-6)
            self.rate += SMOOTHING * (len(batch) / seconds - self.rate)
            self.observe(sum(item.tokens for item in batch), [began - item.since for item in batch], seconds)

    def _next(self) -> list[Item]:
        """The next batch; an empty one when the thread is to end."""
        with self._changed:
            while not self._waiting:
                if self._stopping:
                    return []
                self._changed.wait()
            until = self._waiting[0].since + self.max_wait
            while len(self._waiting) < self._expected and not self._stopping and (left := until - monotonic()) > 0:
                self._changed.wait(left)
            batch, tokens = list[Item](), 0
            while self._waiting and (not batch or tokens + self._waiting[0].tokens <= self.max_tokens):
                batch.append(self._waiting.popleft())
                tokens += batch[-1].tokens
            self._expected, self.busy = len(batch), True
        return batch

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
    """The number of windows in which a linker reads a text."""
    from elq.encoding.windows import window_starts

    limit = linker.model.encoder.max_tokens
    if text.isascii() and 2 * len(text) < limit:  # a character is at most one token, and a gap between names is one more
        return 1
    tokens = linker.scorer.plain_tokens([text])
    length, inside = int(tokens.attention.sum()), int(tokens.text_mask.sum())
    return len(window_starts(inside, limit - (length - inside))) if length > limit else 1

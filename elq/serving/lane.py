"""A lane: questions that wait, and the thread that takes them in batches."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from elq.serving.answers import RequestError
from elq.serving.jobs import Item

SMOOTHING = 0.2  # weight of the newest batch in the measured throughput


class Lane:
    """Takes the questions that wait, batch by batch.

    It does not wait for more questions where none are expected: it expects as many as came with the batch before, and waits for
    them at most ``max_wait`` after the first.

    Args:
        lock: protects the lane; lanes that are filled together share it.
        answer: links the questions of a batch and answers their jobs.
        observe: is told of each batch: its tokens, for how long each question waited, and in how many seconds it was linked.
        most: questions that may wait.
        max_tokens: tokens of a batch; a question with more is a batch of its own.
        max_wait: seconds.
        full: what is said, with the number of questions that wait, when they are too many.
    """

    def __init__(
        self,
        lock: threading.Lock,
        answer: Callable[[Sequence[Item]], None],
        observe: Callable[[int, Sequence[float], float], None],
        *,
        most: int,
        max_tokens: int,
        max_wait: float,
        full: str,
    ) -> None:
        self._answer, self._observe = answer, observe
        self.most, self.max_tokens, self.max_wait, self.full = most, max_tokens, max_wait, full
        self.rate = 100.0  # questions a second, measured
        self.waiting: deque[Item] = deque()
        self.busy = False
        self._changed = threading.Condition(lock)
        self._stopping = False
        self._expected = 1

    def refuse_full(self, more: int) -> None:
        """Raise a RequestError (429) if questions wait, and with this number more too many would. The lock is held."""
        if more and (waiting := len(self.waiting)) and waiting + more > self.most:
            seconds = max(1, round(waiting / self.rate + 0.5))
            raise RequestError(
                429,
                f"{self.full.format(waiting=waiting)}: send the request again in {seconds} seconds",
                {"Retry-After": str(seconds)},
            )

    def put(self, items: Sequence[Item]) -> None:
        """Let questions wait. The lock is held."""
        self.waiting.extend(items)
        self._changed.notify()

    def stop(self) -> None:
        """Let the thread end when nothing waits any longer. The lock is held."""
        self._stopping = True
        self._changed.notify()

    def run(self) -> None:
        """The program of the thread."""
        while batch := self._next():
            began = monotonic()
            try:
                self._answer(batch)
            finally:
                self.busy = False
            seconds = max(monotonic() - began, 1e-6)
            self.rate += SMOOTHING * (len(batch) / seconds - self.rate)
            self._observe(sum(item.tokens for item in batch), [began - item.since for item in batch], seconds)

    def _next(self) -> list[Item]:
        """The next batch; an empty one when the thread is to end."""
        with self._changed:
            while not self.waiting:
                if self._stopping:
                    return []
                self._changed.wait()
            until = self.waiting[0].since + self.max_wait
            while len(self.waiting) < self._expected and not self._stopping and (left := until - monotonic()) > 0:
                self._changed.wait(left)
            batch, tokens = list[Item](), 0
            while self.waiting and (not batch or tokens + self.waiting[0].tokens <= self.max_tokens):
                batch.append(self.waiting.popleft())
                tokens += batch[-1].tokens
            self._expected, self.busy = len(batch), True
        return batch

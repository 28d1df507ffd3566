"""Jobs: the questions of one request, and how they wait for the model."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from elq.serving.catalogues import Opened

if TYPE_CHECKING:
    from elq.types import Link

BYTES = 3  # of a text for each token, about: one of English has 4 or 5, and a character of Chinese has 3
SPECIAL = 2  # tokens before and after a text
LONG = 512  # tokens, estimated, or given mentions, above which a text is long: it takes many times as long as a question


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """The options of a request, which are the arguments of ``Linker.link`` of the same names."""

    threshold: float | None = None
    min_probability: float | None = None
    candidates: int | None = None
    types: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    nil: bool = False
    concepts: str | None = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of ``Linker.link``."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Linked:
    """The links of one text, and the number of windows in which it was read."""

    links: "list[Link]"
    windows: int


@dataclass(slots=True, eq=False)
class Job:
    """The questions of one request.

    Args:
        opened: what answers, the same for all questions.
        texts: the questions.
        options: the options of all questions.
        mentions: for each question, the given mentions; None if mentions are not given.
        context: for each question, the turns before it; None if there is no context.
        deadline: the time (``time.monotonic``) after which nobody waits for the answer.
        answered: becomes the results of the questions, or the error of the first that failed.
        gone: whether nobody waits any longer.
    """

    opened: Opened
    texts: Sequence[str]
    options: LinkOptions
    mentions: Sequence[Sequence[tuple[int, int]]] | None
    context: Sequence[Sequence[str]] | None
    deadline: float
    answered: "asyncio.Future[list[Linked]]"
    gone: bool = False
    results: dict[int, Linked] = field(default_factory=dict)
    error: Exception | None = None
    left: int = 0

    @property
    def dropped(self) -> bool:
        """Whether nobody waits for the answer."""
        return self.gone or monotonic() > self.deadline

    def finish(self) -> None:
        """Give the answer to who waits for it. It is called in the thread of the event loop."""
        if self.answered.done():
            return
        if self.error is not None:
            self.answered.set_exception(self.error)
        else:
            self.answered.set_result([self.results[place] for place in range(len(self.texts))])


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One question of a job."""

    job: Job
    place: int
    tokens: int
    since: float

    @property
    def text(self) -> str:
        """The question."""
        return self.job.texts[self.place]

    @property
    def long(self) -> bool:
        """Whether it takes so long that questions should not wait for it."""
        return self.tokens > LONG or (self.job.mentions is not None and len(self.job.mentions[self.place]) > LONG)

    @property
    def group(self) -> Hashable:
        """Items of equal groups can be linked by one call."""
        return (self.job.opened, self.job.options, self.job.mentions is None, self.job.context is None)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, without tokenising it.

    >>> estimated_tokens("who directed titanic?")
    9
    """
    return SPECIAL + len(text.encode("utf-8", "replace")) // BYTES


def tokens_of(job: Job, place: int) -> int:
    """About how many tokens are read for a question, with its context, of which one window is read at most."""
    alone = estimated_tokens(job.texts[place])
    if job.context is None:
        return alone
    turns = sum(estimated_tokens(turn) for turn in job.context[place])
    return max(alone, min(alone + turns, job.opened.linker.model.encoder.max_tokens))


def passes(items: Sequence[Item], most_tokens: int) -> list[list[Item]]:
    """Divide items of one group into calls in which the number of texts times the longest text is at most ``most_tokens``."""
    found: list[list[Item]] = []
    for item in sorted(items, key=lambda item: item.tokens):
        if not found or (len(found[-1]) + 1) * item.tokens > most_tokens:
            found.append([])
        found[-1].append(item)
    return found

"""The batcher: what waits is linked together, and one question never disturbs another."""

import asyncio
import time

import pytest

from elq.errors import ElqError, UnavailableError
from elq.serving.answers import RequestError
from elq.serving.batcher import Batcher
from elq.serving.catalogues import Opened
from elq.serving.jobs import Item, Job, LinkOptions, passes

TEXT = "who directed titanic?"


class Spy:
    """A linker that notes the texts of its calls."""

    def __init__(self, linker):
        self.linker, self.calls = linker, []

    def __getattr__(self, name):
        return getattr(self.linker, name)

    def link(self, texts, **options):
        self.calls.append(list(texts))
        return self.linker.link(texts, **options)


@pytest.fixture
def spy(linker):
    return Spy(linker)


def run(spy, jobs, *, seconds=20.0, **settings):
    """Submit jobs before the thread starts, so that they come into one batch, and wait for their answers."""
    seen = []
    batcher = Batcher(
        **{"max_queue": 100, "max_tokens": 4096, "max_wait": 0.0} | settings,
        observe=lambda tokens, waits, seconds: seen.append(len(waits)),
    )

    async def ask():
        opened, loop = Opened(spy, "1"), asyncio.get_running_loop()
        made = [
            Job(opened, texts, LinkOptions(**options), mentions, None, time.monotonic() + seconds, loop.create_future())
            for texts, options, mentions in jobs
        ]
        for job in made:
            batcher.submit(job)
        batcher.start(lambda: None)
        return await asyncio.wait_for(asyncio.gather(*(job.answered for job in made), return_exceptions=True), 30)

    try:
        return asyncio.run(ask()), seen
    finally:
        batcher.stop(10)


def test_questions_of_equal_options_are_linked_by_one_call(spy):
    jobs = [([TEXT], {}, None), ([TEXT, "a"], {}, None), ([TEXT], {"threshold": -3.0}, None), ([TEXT], {}, [[(13, 20)]])]
    found, seen = run(spy, jobs)
    assert seen == [5]
    assert sorted(map(len, spy.calls)) == [1, 1, 3]
    assert [len(linked) for linked in found] == [1, 2, 1, 1]
    assert all(linked[0].links[0].mention == "titanic" for linked in found)


def test_a_wrong_question_does_not_fail_the_others(spy):
    jobs = [([TEXT], {}, [[(13, 20)]]), (["a titanic"], {}, [[(1, 2)]]), ([TEXT], {}, [[(0, 3)]])]
    found, _ = run(spy, jobs)
    assert isinstance(found[1], ElqError)
    assert "overlaps no token" in str(found[1])
    assert [found[place][0].links[0].mention for place in (0, 2)] == ["titanic", "who"]


def test_an_error_of_our_own_is_an_answer_too(spy, caplog):
    spy.link = None
    [error], _ = run(spy, [([TEXT], {}, None)])
    assert isinstance(error, RequestError)
    assert error.status == 500


def test_a_service_that_is_away_is_tried_once_for_a_batch_and_is_not_the_fault_of_the_questions(spy, caplog):
    def link(texts, **options):
        spy.calls.append(texts)
        raise UnavailableError("the Milvus server at http://milvus.internal:19530 does not answer")

    spy.link = link
    found, _ = run(spy, [([TEXT], {}, None), ([TEXT, "a"], {}, None)])
    assert len(spy.calls) == 1
    assert [(type(error), error.status) for error in found] == [(RequestError, 503)] * 2
    assert "milvus.internal" not in str(found[0])
    assert "milvus.internal" in caplog.text


def test_what_nobody_waits_for_is_not_encoded(spy):
    batcher = Batcher(max_queue=9, max_tokens=99, max_wait=0.0)

    async def ask():
        loop, opened = asyncio.get_running_loop(), Opened(spy, "1")
        late, gone, good = (
            Job(opened, [text], LinkOptions(), None, None, time.monotonic() + left, loop.create_future())
            for text, left in (("late", -1), ("gone", 9), (TEXT, 9))
        )
        gone.gone = True
        for job in (late, gone, good):
            batcher.submit(job)
        batcher.start(lambda: None)
        return await asyncio.wait_for(good.answered, 10)

    assert asyncio.run(ask())[0].links[0].mention == "titanic"
    batcher.stop(10)
    assert spy.calls == [[TEXT]]


def test_a_full_queue_says_when_to_come_again(spy):
    batcher = Batcher(max_queue=3, max_tokens=99, max_wait=0.0)
    batcher.questions.rate = 0.5

    async def ask():
        loop = asyncio.get_running_loop()
        for texts in (["a", "b"], ["c"], ["d"]):
            batcher.submit(Job(Opened(spy, "1"), texts, LinkOptions(), None, None, time.monotonic() + 9, loop.create_future()))

    with pytest.raises(RequestError, match="3 questions wait already, and at most 3 may") as caught:
        asyncio.run(ask())
    assert caught.value.status == 429
    assert int(caught.value.headers["Retry-After"]) >= 6  # 3 questions at half a question a second


def test_a_request_larger_than_the_queue_is_taken_if_nothing_waits(spy):
    found, _ = run(spy, [(["a"] * 5, {}, None)], max_queue=3)
    assert len(found[0]) == 5


def test_batches_are_bounded_by_tokens(spy):
    found, seen = run(spy, [([TEXT], {}, None)] * 6, max_tokens=20)
    assert seen == [2, 2, 2]
    assert len(found) == 6


def test_a_long_text_is_not_padded_with_short_ones():
    items = [Item(None, place, tokens, 0.0) for place, tokens in enumerate([10, 100, 10, 10])]
    assert [[item.place for item in part] for part in passes(items, 100)] == [[0, 2, 3], [1]]


def job(spy, loop, *texts, mentions=None):
    return Job(Opened(spy, "1"), texts, LinkOptions(), mentions, None, time.monotonic() + 60, loop.create_future())


LONG = "and then nothing more was said of the titanic " * 210  # nearly 10,000 characters


def test_a_question_is_answered_while_long_texts_are_linked(spy):
    batcher, order = Batcher(max_queue=100, max_tokens=4096, max_wait=0.0), []

    async def ask():
        loop = asyncio.get_running_loop()
        batcher.start(lambda: None)
        jobs = {"long 1": job(spy, loop, LONG), "long 2": job(spy, loop, LONG), "long 3": job(spy, loop, LONG)}
        for name, one in jobs.items():
            one.answered.add_done_callback(lambda _, name=name: order.append(name))
            batcher.submit(one)
        while not batcher.long_texts.busy:
            await asyncio.sleep(0.001)
        short = job(spy, loop, TEXT)
        batcher.submit(short)
        await asyncio.wait_for(short.answered, 60)
        order.append("short")
        mixed = job(spy, loop, TEXT, LONG)  # its questions go into both lanes
        batcher.submit(mixed)
        linked = await asyncio.wait_for(mixed.answered, 60)
        assert [linked[0].windows, linked[1].windows > 1] == [1, True]
        assert linked[1].links == (await jobs["long 3"].answered)[0].links

    try:
        asyncio.run(ask())
    finally:
        batcher.stop(10)
    assert set(order) == {"long 1", "long 2", "long 3", "short"}
    assert order.index("short") < order.index("long 3")


def test_long_texts_are_limited_in_number(spy):
    batcher = Batcher(max_queue=40, max_tokens=99, max_wait=0.0)
    batcher.long_texts.rate = 0.5

    async def ask():
        loop = asyncio.get_running_loop()
        for texts in ([LONG], [LONG], [TEXT]):
            batcher.submit(job(spy, loop, *texts))
        with pytest.raises(RequestError, match="2 long texts wait already, and at most 2 may") as caught:
            batcher.submit(job(spy, loop, TEXT, LONG))
        assert int(caught.value.headers["Retry-After"]) >= 4
        many = [[(0, 3)] * 600]
        with pytest.raises(RequestError, match="long texts"):
            batcher.submit(job(spy, loop, TEXT, mentions=many))
        batcher.submit(job(spy, loop, TEXT))

    asyncio.run(ask())
    assert batcher.length == 4


def test_stopping_answers_what_was_taken(spy):
    batcher = Batcher(max_queue=99, max_tokens=20, max_wait=0.0)

    async def ask():
        loop = asyncio.get_running_loop()
        jobs = [
            Job(Opened(spy, "1"), [TEXT], LinkOptions(), None, None, time.monotonic() + 9, loop.create_future())
            for _ in range(9)
        ]
        for job in jobs:
            batcher.submit(job)
        batcher.start(lambda: None)
        await loop.run_in_executor(None, batcher.stop, 10)
        await asyncio.sleep(0)
        return [job.answered.done() for job in jobs]

    assert asyncio.run(ask()) == [True] * 9

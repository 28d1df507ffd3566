"""Batches that several workers score side by side have the links of one batch after another."""

import threading
import time

import pytest
import torch

from elq import ElqError, Linker
from elq.linking import workers
from elq.linking.workers import AHEAD, side_by_side, workers_for
from elq.model.network import ELQ
from tests.conftest import QUESTIONS

TEXTS = [f"{text} {'really ' * (number % 7)}" for number in range(12) for text, _, _ in QUESTIONS]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def linker(encoder_folder, tokenizer, entities) -> Linker:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, names=True, nil=True).eval()
    return Linker(model, tokenizer, entities, threshold=-6.0, candidates=3, batch_size=16)


def test_the_links_are_those_of_one_batch_after_another(linker, two_threads, monkeypatch):
    seen, score_tokens = set(), linker.scorer.score_tokens

    def recorded(*given, **named):
        seen.add((threading.current_thread().name, torch.get_num_threads()))
        return score_tokens(*given, **named)

    monkeypatch.setattr(linker.scorer, "score_tokens", recorded)
    found, scored = linker.link(TEXTS), linker.score(TEXTS)
    assert {threads for _, threads in seen} == {1}
    assert threading.current_thread().name not in {name for name, _ in seen}
    assert torch.get_num_threads() == 2  # those of the calling thread
    monkeypatch.setattr("elq.linking.scorer.workers_for", lambda questions, device: 1)
    expected = linker.link(TEXTS)
    assert (threading.current_thread().name, 2) in seen
    assert sum(map(len, expected)) > len(TEXTS) / 2
    for links in (found, linker.links(scored)):
        assert [[(x.start, x.end, x.entity) for x in some] for some in links] == [
            [(x.start, x.end, x.entity) for x in some] for some in expected
        ]
        for one, other in zip(links, expected, strict=True):
            assert [x.score for x in one] == pytest.approx([x.score for x in other], abs=1e-4)


@pytest.mark.parametrize(("columns_more", "sizes"), [(0, [8, 8, 8, 8]), (1, [16, 16])])
def test_a_wide_encoder_gets_more_batches(linker, two_threads, monkeypatch, columns_more, sizes):
    seen, score_tokens = list[int](), linker.scorer.score_tokens

    def recorded(texts, *given, **named):
        seen.append(len(texts))
        return score_tokens(texts, *given, **named)

    monkeypatch.setattr(linker.scorer, "score_tokens", recorded)
    monkeypatch.setattr("elq.linking.workers.WIDE", linker.model.encoder.width + columns_more)
    linker.link(TEXTS[:32])
    assert seen == sizes


def test_few_questions_other_devices_and_one_thread_have_no_workers(two_threads):
    cpu = torch.device("cpu")
    assert [workers_for(questions, cpu) for questions in (0, 1, 15, 16, 10_000)] == [1, 1, 1, 2, 2]
    assert workers_for(10_000, torch.device("cuda")) == 1
    torch.set_num_threads(1)
    assert workers_for(10_000, cpu) == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_results_come_in_order_and_few_are_made_ahead(number):
    begun = []

    def late(item):
        begun.append(item)
        time.sleep(0.002 * (item % 3))
        return item

    found = side_by_side(late, iter(range(40)), number)
    assert next(found) == 0
    assert len(begun) <= AHEAD * number + 1
    assert [0, *found] == list(range(40)) == sorted(begun)


def test_an_error_of_a_worker_reaches_the_caller_and_the_rest_is_left_out():
    begun, raised = [], threading.Event()

    def fail(item):
        begun.append(item)
        if item == 0:
            raise ElqError("the first")
        assert raised.wait(60)
        return item

    with pytest.raises(ElqError, match="the first"):
        list(side_by_side(fail, range(1_000), 2))
    raised.set()
    workers._pool(2).submit(int).result(60)  # what waited before it is begun or left out
    assert {*begun} <= {0, 1, 2}  # one worker had the first and then the third, and the other one the second


def test_the_workers_are_kept_between_calls(two_threads):
    assert workers._pool(2) is workers._pool(2)
    assert workers._pool(2) is not workers._pool(3)

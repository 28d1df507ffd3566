"""Timings of the newest trained model: `python -m pytest benchmarks/bench_linker.py` (never part of the tests)."""

import pytest
import torch

from elq import ElqError, Linker
from elq.commands.predict import latest_model

TEXTS = [
    "what does jamaican people speak?",
    "who directed titanic?",
    "where is paris texas",
    "what character did natalie portman play in star wars?",
    "what is the name of justin bieber brother?",
    "what country is the grand bahama island in?",
    "what kind of money to take to bahamas?",
    "who wrote the lyrics of bohemian rhapsody",
]


@pytest.fixture(scope="module")
def linker() -> Linker:
    try:
        return Linker.from_pretrained(latest_model())
    except ElqError as error:
        pytest.skip(str(error))


def test_one_question(benchmark, linker):
    benchmark(linker.link, TEXTS[0])


def test_sixty_four_questions(benchmark, linker):
    benchmark(linker.link, TEXTS * 8)


@pytest.mark.parametrize("queries", [1, 64])
def test_index(benchmark, linker, queries):
    benchmark(linker.entities.index.search, torch.randn(queries, linker.entities.table.width), 10)


def test_tokenizer(benchmark, linker):
    benchmark(linker.tokenizer, TEXTS * 8)

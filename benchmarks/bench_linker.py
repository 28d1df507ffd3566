"""Measures the times of a trained model; it is not part of the tests.

    python -m pytest benchmarks/bench_linker.py --benchmark-columns=median

The model is runs/webqsp/latest/model, or the folder that the environment variable ELQ_MODEL names.
"""

import os

import pytest
import torch

from elq import ElqError, Linker

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
        return Linker.from_pretrained(os.environ.get("ELQ_MODEL", "runs/webqsp/latest/model"))
    except ElqError as error:
        pytest.skip(str(error))


def test_one_question(benchmark, linker):
    benchmark(linker.link, TEXTS[0])


def test_sixty_four_questions(benchmark, linker):
    benchmark(linker.link, TEXTS * 8)


@pytest.mark.parametrize("queries", [1, 64])
def test_index(benchmark, linker, queries):
    benchmark(linker.entities.index.search, torch.randn(queries, linker.entities.table.width), 10)


@pytest.mark.parametrize("queries", [1, 64])
def test_index_normalised(benchmark, linker, queries):
    """The search of score mode `table`."""
    benchmark(linker.entities.index.search_normalised, torch.randn(queries, linker.entities.table.width), 10)


def test_names(benchmark, linker):
    if linker.dictionary is None:
        pytest.skip("the model asks for no names")
    texts = TEXTS * 8
    benchmark(linker.dictionary.named, texts, linker.tokenizer(texts), linker.model.config.max_span_tokens, longer=True)


def test_tokenizer(benchmark, linker):
    benchmark(linker.tokenizer, TEXTS * 8)

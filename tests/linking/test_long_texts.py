"""The limit of searched spans grows with the text: no name of a long list is dropped in silence."""

import itertools
import math

import pytest
import torch

from elq import Linker
from elq.linking import scorer

NAMES = ["paris", "titanic", "queen", "paris texas", "river seine"]
LISTS = [", ".join(itertools.islice(itertools.cycle(NAMES), 150)), " ".join(itertools.islice(itertools.cycle(NAMES), 150))]


@pytest.fixture
def linker(run_folder) -> Linker:
    return Linker.from_pretrained(run_folder / "model")


@pytest.mark.parametrize("text", LISTS, ids=["commas", "blanks"])
def test_a_list_of_150_names_keeps_them_all(text, linker, run_folder, monkeypatch):
    everything = Linker.from_pretrained(run_folder / "model", max_mentions=100_000).link(text)
    found = linker.link(text)
    assert found == everything
    assert len(found) >= 100
    assert found[0].start < 20
    monkeypatch.setattr(scorer, "SHORT_TEXT", math.inf)  # as it was: 50 spans, however long the text
    assert len(linker.link(LISTS[1])) <= 50  # the items of a list with commas are read one by one, so it has no limit


def test_the_limit_grows_with_the_tokens_of_the_text_only(linker):
    texts = ["paris", "who directed titanic", "titanic " * 25, "titanic " * 26, "titanic " * 75, "paris"]
    tokens = linker.scorer.tokens(texts)
    counted = tokens.text_mask.sum(-1)
    assert counted.tolist()[2:5] == [25, 26, 75]
    assert linker.scorer.limits(tokens).tolist() == [50, 50, 50, 52, 150, 50]
    linker.scorer.max_mentions = 1
    assert linker.scorer.limits(tokens).tolist() == [1, 1, 1, 2, 3, 1]
    assert all(len(links) <= 1 for links in linker.link(texts[:2], threshold=-12.0))
    linker.scorer.score_mode = "elq"
    assert linker.scorer.limits(tokens).tolist() == torch.ones(6).tolist()  # as the released ELQ

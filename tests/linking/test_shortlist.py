"""Score mode `shortlist`: the scores of `table` for an index that does not compute those of all entities."""

import json
import logging
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elq import ElqError, Linker
from elq.entities.manifest import Manifest, file_sizes
from elq.evaluation.sweep import Threshold
from elq.evaluation.tune import Choice, store
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES
from elq.linking.scoring import shortlisted
from elq.search.exact import ExactIndex
from elq.search.hnsw import HnswIndex, HnswOptions
from elq.search.normaliser import Normaliser

MODEL = Path(__file__).parents[1] / "data" / "format4" / "model"  # names, prior, NIL, `table`; 1,367 entities


@pytest.fixture(scope="module")
def texts() -> list[str]:
    lines = (MODEL.parent / "links.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines][:40:2]


@pytest.fixture(scope="module")
def table() -> Linker:
    return Linker.from_pretrained(MODEL)


@pytest.fixture
def shortlist(table) -> Linker:
    """The model with its exact index, of which only the nearest 20 entities and 300 sampled rows are looked at."""
    linker = Linker(
        table.model,
        table.tokenizer,
        table.entities,
        threshold=table.threshold,
        score_mode="shortlist",
        dictionary=table.dictionary,
        calibration=table.calibration,
    )
    linker.scorer.retriever.shortlist = 20
    linker.scorer.retriever.normaliser = Normaliser(table.entities.table, rows=300)
    return linker


@pytest.fixture(scope="module")
def graph_folder(tmp_path_factory) -> Path:
    """The model folder with an HNSW index, which `elq build` would refuse because of the prior."""
    folder = shutil.copytree(MODEL, tmp_path_factory.mktemp("graph") / "model")
    entities = folder / ENTITIES
    opened = Linker.from_pretrained(MODEL).entities
    Decision.load(MODEL).save(folder)
    HnswIndex.build(opened.table, HnswOptions(ef_search=1_367)).save(entities)
    replace(Manifest.load(entities), index="hnsw", files=file_sizes(entities)).save(entities)
    return folder


def values(links):
    """The spans and entities of all links, and their scores and probabilities."""
    flat = [link for found in links for link in found]
    assert len(flat) > 20
    spans = [(link.start, link.end, link.entity, [c.entity for c in link.candidates]) for link in flat]
    numbers = [[link.score, link.probability or 0.0, *(c.score for c in link.candidates)] for link in flat]
    return spans, torch.tensor(numbers, dtype=torch.float64)


def place(number, link):
    return number, link.start, link.end, link.entity


@pytest.mark.parametrize("how", [{}, {"nil": True, "candidates": 40}, {"ids": ["Q90", "Q44578", "Q36"]}])
@pytest.mark.parametrize(("size", "rows"), [(1_367, 5), (1, 1_367)], ids=["whole list", "whole sample"])
def test_it_is_table_exactly_if_the_shortlist_or_the_sample_holds_all_entities(size, rows, how, table, shortlist, texts):
    shortlist.scorer.retriever.shortlist = size
    shortlist.scorer.retriever.normaliser = Normaliser(table.entities.table, rows=rows)
    spans, numbers = values(shortlist.link(texts, threshold=-20.0, **how))
    expected, wanted = values(table.link(texts, threshold=-20.0, **how))
    assert spans == expected
    torch.testing.assert_close(numbers, wanted, rtol=1e-4, atol=1e-4)


def test_it_is_near_table_otherwise_and_nearer_with_a_longer_list_or_a_larger_sample(table, shortlist, texts):
    def errors(size, rows):
        shortlist.scorer.retriever.shortlist = size
        shortlist.scorer.retriever.normaliser = Normaliser(table.entities.table, rows=rows)
        return torch.tensor([shortlist.link(text, threshold=-20.0)[0].score - best for text, best in wanted]).abs()

    wanted = [(text, found[0].score) for text in texts if (found := table.link(text, threshold=-20.0))]
    few, more, longer = errors(5, 30), errors(5, 600), errors(600, 30)
    assert float(few.mean()) > 2 * float(more.mean()) > 0
    assert float(few.mean()) > 2 * float(longer.mean()) > 0
    assert float(few.max()) < 1


def test_scores_do_not_depend_on_k(shortlist, texts):
    scores = [[link.score for link in shortlist.link(texts[3], threshold=-20.0, candidates=k)] for k in (1, 7, 50)]
    assert scores[0]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert scores[0] == pytest.approx(scores[2], abs=1e-5)
    assert shortlist.link(texts[3], candidates=50, threshold=-20.0)[0].probability is not None


def test_an_entity_of_the_name_counts_exactly_though_the_search_misses_it(table):
    [expected] = table.link("who directed titanic?")
    row = int(table.entities.catalogue.rows([expected.entity])[0])
    entities = replace(table.entities, index=ExactIndex(table.entities.table, removed=[row]))
    linker = Linker(table.model, table.tokenizer, entities, threshold=-8.0, score_mode="shortlist", dictionary=table.dictionary)
    linker.scorer.retriever.shortlist = 100  # the entity is better than the worst of these
    [found] = linker.link("who directed titanic?")
    assert (found.start, found.end, found.entity) == (expected.start, expected.end, expected.entity)
    assert found.score == pytest.approx(expected.score, abs=1e-4)


def test_a_shortlist_holds_each_entity_once():
    scores, rows = torch.tensor([[3.0, 2.0, -math.inf]]), torch.tensor([[7, 4, -1]])
    products, matches = torch.tensor([[2.0, 1.0, 9.0]]), torch.tensor([[4, 9, -1]])
    found, places, worst = shortlisted(scores, rows, products, matches)
    assert places.tolist() == [[7, 4, -1, -1, 9, -1]]
    assert found.tolist() == [[3.0, 2.0, -math.inf, -math.inf, 1.0, -math.inf]]
    assert worst.tolist() == [2.0]


def test_a_folder_of_table_with_another_index_is_opened_with_a_warning(graph_folder, table, texts, caplog):
    with caplog.at_level(logging.WARNING):
        linker = Linker.from_pretrained(graph_folder)
    assert (linker.score_mode, linker.threshold) == ("shortlist", table.threshold)
    [warning] = caplog.records
    assert warning.getMessage().endswith('score mode "shortlist" takes its place, with the same threshold γ and probabilities')
    found, expected = (
        {place(n, link): link for n, links in enumerate(one.link(texts)) for link in links} for one in (linker, table)
    )
    assert found.keys() == expected.keys()
    assert len(found) > 10
    for key, link in found.items():
        assert link.score == pytest.approx(expected[key].score, abs=0.01)
        assert link.probability == pytest.approx(expected[key].probability, abs=0.01)
    assert linker._decision(graph_folder).calibration == Decision.load(MODEL).calibration
    assert linker._decision(graph_folder).score_mode == "shortlist"


def test_a_linker_that_is_open_takes_an_index_that_does_not_see_all(graph_folder, tmp_path, table, texts):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    linker = Linker.from_pretrained(folder)
    assert linker.score_mode == "table"
    shutil.rmtree(folder / ENTITIES)
    shutil.copytree(graph_folder / ENTITIES, folder / ENTITIES)
    assert linker.reload()
    assert linker.score_mode == "shortlist"
    assert linker.link(texts[3], threshold=-20.0)[0].score == pytest.approx(
        table.link(texts[3], threshold=-20.0)[0].score, abs=0.05
    )


def test_what_the_user_asks_for_is_done_without_a_word_or_refused(graph_folder, caplog):
    assert Linker.from_pretrained(graph_folder, scoring="shortlist").calibration is not None
    assert Linker.from_pretrained(MODEL).score_mode == "table"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    with pytest.raises(ElqError, match='the hnsw index computes only some of them: choose score mode "shortlist"'):
        Linker.from_pretrained(graph_folder, scoring="table")
    assert Linker.from_pretrained(graph_folder, scoring="candidates").calibration is None
    assert "was chosen for the score mode table, but the score mode is candidates" in caplog.text


def test_a_model_of_shortlist_keeps_its_decision_with_table(graph_folder, tmp_path, caplog):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    replace(Decision.load(MODEL), score_mode="shortlist").save(folder)
    assert Linker.from_pretrained(folder).score_mode == "shortlist"
    linker = Linker.from_pretrained(folder, scoring="table")
    assert (linker.score_mode, linker.calibration is None) == ("table", False)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_was_tuned_with_it_is_stored_with_its_name(graph_folder, tmp_path):
    folder = shutil.copytree(graph_folder, tmp_path / "model")
    choice = Choice(None, Threshold(-1.5, 0.5, 0.5, 0.5))
    store(folder, choice, Calibration(0.1, 0.9), [Path("q.jsonl")], "strong", Linker.from_pretrained(folder).score_mode)
    decision = Decision.load(folder)
    assert (decision.score_mode, decision.threshold, decision.calibration) == ("shortlist", -1.5, [0.1, 0.9])
    assert (decision.chosen["score_mode"], decision.chosen["index"]) == ("shortlist", "hnsw")

"""Views of sentences against a loop over all views."""

import copy

import numpy as np
import pytest
import torch

from elq import Disambiguator, ElqError
from elq.commands.train import fit
from elq.disambiguation.examples import MentionExample
from elq.disambiguation.views import Views, best_of_each, build_views, sentences, views_of
from elq.entities.edit import remove_entities
from elq.entities.manifest import open_entities
from elq.search.table import EntityTable
from elq.types import Entity
from tests.conftest import RECORDS, write_lines
from tests.disambiguation.test_training import tiny  # noqa: F401


def test_sentences():
    assert sentences("river in Russia") == ["river in Russia"]
    assert sentences("A film. It won 3 prizes! Really? Yes; no") == ["A film.", "It won 3 prizes!", "Really?", "Yes", "no"]
    assert sentences("法国首都。欧洲城市。") == ["法国首都。", "欧洲城市。"]
    assert sentences("the U.S. president in 1.5 years") == ["the U.S. president in 1.5 years"]
    assert sentences("") == []
    assert views_of(Entity("Q1", "a", "a", "one thing")) == []
    assert [view.description for view in views_of(Entity("Q1", "a", "a", "One. Two."))] == ["One.", "Two."]


def some_views(seed=0):
    torch.manual_seed(seed)
    table = torch.randn(9, 4).half().numpy()
    views = Views(
        torch.tensor([1, 1, 1, 4, 4, 5]), EntityTable(np.random.default_rng(seed).normal(size=(6, 4)).astype("float16"))
    )
    return views, EntityTable(table), torch.randn(3, 4)


def slow_scores(views, table, query):
    scores = [float(query @ row) for row in table.tensor()]
    for row, vector in zip(views.rows.tolist(), views.table.tensor(), strict=True):
        scores[row] = max(scores[row], float(query @ vector))
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_the_score_of_an_entity_is_that_of_its_best_view(seed):
    views, table, queries = some_views(seed)
    products = queries @ table.tensor().T
    base = products.sort(-1, descending=True)
    for k in (2, 9):
        scores, rows = views.with_best(queries, base.values[:, :k], base.indices[:, :k])
        for m, query in enumerate(queries):
            expected = slow_scores(views, table, query)
            order = sorted(range(9), key=lambda row: -expected[row])[:k]
            assert rows[m].tolist() == order
            torch.testing.assert_close(scores[m], torch.tensor([expected[row] for row in order]), rtol=1e-4, atol=1e-4)
    wanted = torch.tensor([[1, 0, 5], [4, -1, 8], [5, 1, 4]])
    found = views.best_products(queries, products.gather(-1, wanted.clamp_min(0)), wanted)
    for m, query in enumerate(queries):
        expected = slow_scores(views, table, query)
        for e, row in enumerate(wanted[m].tolist()):
            assert row < 0 or float(found[m, e]) == pytest.approx(expected[row], abs=1e-3)


def test_entities_that_are_there_twice_keep_their_best_score():
    scores, rows = best_of_each(torch.tensor([[5.0, 4.0, 3.0, 9.0]]), torch.tensor([[7, 7, 2, -1]]), 4)
    assert rows.tolist() == [[7, 2, -1, -1]]
    assert scores.tolist() == [[5.0, 3.0, -torch.inf, -torch.inf]]


def test_views_of_a_model_folder(tiny, tmp_path):  # noqa: F811
    records = copy.deepcopy(RECORDS)
    records[6]["description"] = "river in paris; song of the queen"  # Seine
    values = copy.deepcopy(tiny)
    values["data"] |= {"catalogue": str(write_lines(tmp_path / "c.jsonl", records)), "entity_views": "sentences"}
    values["data"] |= {"entities": str(tmp_path / "entities"), "train": values["data"]["train"][:1]}
    fit(values, tmp_path / "run")
    model = tmp_path / "run" / "model"
    disambiguator = Disambiguator.from_pretrained(model)
    row = int(disambiguator.entities.catalogue.rows(["Q1471"])[0])
    assert disambiguator.views.rows.tolist() == [row, row]
    example = MentionExample("who sang the song of the queen", 0, 3, row)
    found = disambiguator.candidates([example], 7, vectors_alone=True)
    (vector,) = disambiguator.vectors([example])
    scores = slow_scores(disambiguator.views, disambiguator.entities.table, torch.cat([vector, torch.zeros(4)]))
    assert found.rows[0].tolist() == sorted(range(7), key=lambda place: -scores[place])
    disambiguator.views = None
    without = disambiguator.candidates([example], 7, vectors_alone=True)
    best, whole = (float(each.scores[0][each.rows[0].tolist().index(row)]) for each in (found, without))
    assert best > whole  # a sentence is nearer than both together
    remove_entities(model / "entities", ["Q1471"])
    found = Disambiguator.from_pretrained(model).candidates([example], 7, vectors_alone=True)
    assert sorted(found.rows[0].tolist()) == [other for other in range(7) if other != row]
    (model / "views" / "views.json").write_text('{"catalogue_sha256": "another"}')
    with pytest.raises(ElqError, match="belongs to another catalogue"):
        Disambiguator.from_pretrained(model)


def test_a_catalogue_without_several_sentences_gets_no_views(entities_folder, tmp_path):
    opened = open_entities(entities_folder)
    assert build_views(tmp_path, opened.catalogue, "x", lambda entities: np.zeros((0, 4)), "float16") == 0
    assert Views.open(tmp_path, "x") is None

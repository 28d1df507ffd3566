"""Tests of the prior: columns of the table with learned weights, which are a part of every inner product."""

from dataclasses import replace

import faiss
import numpy as np
import pytest
import torch

from elq.commands import run
from elq.commands.train import fit
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.entities.prior import PRIORS, prior_columns, prior_of
from elq.errors import ElqError
from elq.linking.folder import ENTITIES
from elq.linking.linker import Linker
from elq.model.heads import SINGLE_SCALE
from elq.model.network import ELQ
from elq.search.exact import ExactIndex
from elq.search.kinds import INDEX_KINDS, build_index
from elq.search.table import EntityTable
from elq.tensors import Spans
from elq.types import Entity


@pytest.fixture(scope="module")
def with_prior(encoder_folder, catalogue_file, tmp_path_factory):
    """The entities of the tiny catalogue, with the columns of all features of the prior."""
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32", prior=PRIORS)
    build_entities(catalogue_file, folder := tmp_path_factory.mktemp("prior") / "entities", settings)
    return open_entities(folder)


def test_fame_is_a_low_number_or_many_page_views():
    early, late = (prior_of(Entity(qid, "x", "x"), ("qid",)) for qid in ("Q90", "Q830149"))
    assert 1 > early[0] > late[0] > 0
    assert early[1] == late[1] == 0  # known
    seen, famous = (prior_of(Entity("Q1", "x", "x", popularity=views), ("popularity",)) for views in (7, 1_000_000))
    assert 1 > famous[0] > seen[0] > 0
    assert prior_of(Entity("KJFK", "x", "x"), PRIORS) == [0.0, 1.0, 0.0, 1.0]  # neither is known, which has its own column
    assert prior_of(Entity("Q1", "x", "x"), ()) == []
    assert prior_of(Entity("Q" + "9" * 5_000, "x", "x"), ("qid",)) == [0.0, 1.0]  # no number that Wikidata gave


def test_an_unknown_feature_is_refused():
    with pytest.raises(ElqError, match="prior names the feature 'fame', but the features are qid, popularity"):
        BuildSettings(prior=("fame",))


def test_the_table_has_the_columns_behind_the_vectors(with_prior, entities):
    table = with_prior.table.vectors
    width = entities.table.width
    assert table.shape == (len(entities.table), width + prior_columns(PRIORS))
    np.testing.assert_allclose(table[:, :width], entities.table.vectors, atol=1e-3)
    expected = [prior_of(entity, PRIORS) for entity in entities.catalogue]
    np.testing.assert_allclose(table[:, width:], expected, atol=1e-6)


def test_a_score_is_the_likeness_and_the_weighted_prior(with_prior, encoder_folder):
    opened = with_prior
    torch.manual_seed(0)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=3, prior=PRIORS).eval()
    hidden, spans = torch.randn(1, 5, 32), Spans(torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([2, 4]))
    with torch.no_grad():
        plain = model.mention_vectors(hidden, spans)
        assert not plain[:, 32:].any()  # it starts without a say
        model.pooler.prior[:] = torch.tensor([0.5, -0.1, 0.25, 0.0])
        vectors = model.mention_vectors(hidden, spans)
    scores, rows = opened.index.search(vectors, 7)
    for q in range(2):
        for score, row in zip(scores[q], rows[q], strict=True):
            prior = torch.tensor(prior_of(opened.catalogue[int(row)], PRIORS))
            likeness = plain[q, :32] @ torch.from_numpy(opened.table.vectors[int(row), :32].copy())
            expected = likeness + SINGLE_SCALE * (prior @ torch.tensor([0.5, -0.1, 0.25, 0.0]))
            torch.testing.assert_close(score, expected, atol=1e-4, rtol=1e-5)


def test_a_model_without_prior_does_not_fit_a_table_with_one(with_prior, encoder_folder, tokenizer):
    for prior in ((), ("popularity", "qid")):
        model = ELQ.from_encoder(encoder_folder, max_span_tokens=3, prior=prior)
        with pytest.raises(ElqError, match=r"the entity table has \['qid', 'popularity'\]: build the entities with `elq build"):
            Linker(model, tokenizer, with_prior, threshold=-1.0)


def test_the_command_builds_with_a_prior(encoder_folder, catalogue_file, tmp_path):
    command = ["--catalogue", str(catalogue_file), "--output", str(tmp_path / "e"), "--encoder", str(encoder_folder)]
    assert run("build", [*command, "--precision", "fp32", "--prior", "popularity"]) == 0
    assert [*open_entities(tmp_path / "e").manifest.prior] == ["popularity"]


def test_the_released_layout_knows_of_no_prior(values, encoder_folder, catalogue_file, tmp_path, capsys):
    data = {**values["data"], "entities": str(tmp_path / "entities")}
    plain = {"prior": ["qid"], "projection": False, "unit_norm": False}
    fit(
        {**values, "data": data, "model": {**values["model"], **plain}, "trainer": {**values["trainer"], "max_epochs": 1}},
        tmp_path / "r",
    )
    assert run("export", ["--model", str(tmp_path / "r" / "model"), "--format", "blink", "--output", str(tmp_path / "x")]) == 2
    assert "has a prior, but the released layout cannot store one" in capsys.readouterr().err


def test_training_learns_the_weights_and_exports_them(values, tmp_path):
    data = {**values["data"], "entities": str(tmp_path / "entities")}
    fit({**values, "data": data, "model": {**values["model"], "prior": ["qid"]}}, tmp_path / "run")
    linker = Linker.from_pretrained(tmp_path / "run" / "model")
    assert linker.model.pooler.prior.shape == (2,)
    assert linker.model.pooler.prior[0] != 0
    assert open_entities(tmp_path / "run" / "model" / ENTITIES).manifest.width == 34
    assert linker.link("who directed titanic?", threshold=-9.0)


def test_the_columns_are_part_of_what_a_build_is_made_from(encoder_folder, catalogue_file, tmp_path):
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32")
    widths = [
        build_entities(catalogue_file, tmp_path / "e", replace(settings, prior=prior)).width for prior in ((), ("popularity",))
    ]
    assert widths == [32, 34]


@pytest.mark.parametrize("kind", [kind for kind in INDEX_KINDS if kind not in ("exact", "remote")])  # remote needs a server
def test_every_kind_of_index_takes_a_prior(kind, encoder_folder, catalogue_file, tmp_path):
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", prior=("qid",), index=kind)
    build_entities(catalogue_file, tmp_path / "e", settings)
    opened = open_entities(tmp_path / "e")
    assert opened.index.kind == kind
    queries = torch.randn(20, opened.table.width)
    for found, expected in zip(opened.index.search(queries, 7), ExactIndex(opened.table).search(queries, 7), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_links_of_a_graph_do_not_depend_on_the_prior():
    vectors = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    famous = np.random.default_rng(1).random((500, 2)).astype(np.float32)
    table, plain = EntityTable(np.hstack([vectors, 5 * famous])), EntityTable(vectors)
    graphs = [build_index("hnsw", table, prior=2), build_index("hnsw", plain), build_index("hnsw", table)]
    links = [faiss.vector_to_array(graph._faiss.hnsw.neighbors).tolist() for graph in graphs]
    assert links[0] == links[1] != links[2]
    query = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(graphs[0].search(query, 5)[1], ExactIndex(table).search(query, 5)[1])

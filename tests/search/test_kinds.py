"""The laws of all index kinds in one table, and tests of kinds that are registered by other code."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Barrier

import numpy as np
import pytest
import torch

from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import MANIFEST, entity_files, open_entities
from elq.errors import ElqError
from elq.linking.folder import all_files
from elq.search.exact import ExactIndex
from elq.search.hnsw import HnswIndex
from elq.search.index import EntityIndex
from elq.search.kinds import INDEX_KINDS, build_index, open_index, register
from elq.search.options import option
from elq.search.table import EntityTable
from tests.search.slow import SIZE, WIDTH, brute_force

# ── what every kind does ──

every_kind = pytest.mark.parametrize("kind", INDEX_KINDS)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found[:, :, None] == truth[:, None, :]).any(1).mean())


@every_kind
def test_scores_are_the_inner_products_with_the_rows_of_the_table_in_fp32(kind, table, queries):
    scores, rows = build_index(kind, table).search(queries, 10)
    assert (scores.dtype, rows.dtype) == (torch.float32, torch.int64)
    products = queries.double().numpy() @ table.vectors.astype(np.float64).T  # (Q, N)
    np.testing.assert_allclose(scores.numpy(), np.take_along_axis(products, rows.numpy(), 1), rtol=1e-5, atol=1e-5)


@every_kind
def test_equals_brute_force_in_values(kind, table, queries):
    scores, rows = build_index(kind, table).search(queries, 10)
    expected_scores, expected_rows = brute_force(table, queries, 10)
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-5, atol=1e-5)
    assert (rows.numpy() == expected_rows).mean() > 0.99  # hnsw finds all of them on a table this small


@every_kind
def test_the_best_come_first_and_none_comes_twice(kind, table, queries):
    scores, rows = build_index(kind, table).search(queries, 10)
    assert all((first >= second).all() for first, second in pairwise(scores.T))
    assert all(len(set(found)) == 10 for found in rows.tolist())


@every_kind
def test_k_is_cut_to_the_entities_and_there_may_be_no_query(kind, table):
    index = build_index(kind, EntityTable(table.vectors[:3]))
    scores, rows = index.search(torch.ones(2, WIDTH), 10)
    assert scores.shape == rows.shape == (2, 3)
    assert sorted(rows[0].tolist()) == [0, 1, 2]
    assert index.search(torch.ones(0, WIDTH), 10)[0].shape == (0, 3)


@every_kind
def test_batched_equals_single(kind, table, queries):
    index = build_index(kind, table)
    scores, rows = index.search(queries, 5)
    singles = [index.search(query[None], 5) for query in queries]
    torch.testing.assert_close(scores, torch.cat([s for s, _ in singles]), rtol=1e-5, atol=1e-5)
    assert torch.equal(rows, torch.cat([r for _, r in singles]))


@every_kind
def test_saved_and_opened_equals_built(kind, table, queries, tmp_path):
    index = build_index(kind, table)
    index.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(INDEX_KINDS[kind].files)
    again = open_index(kind, table, tmp_path)
    assert type(again) is type(index) is INDEX_KINDS[kind]
    for built, opened in zip(index.search(queries, 5), again.search(queries, 5), strict=True):
        assert torch.equal(built, opened)


@every_kind
def test_permuting_the_table_permutes_rows_only(kind, table, queries):
    order = np.random.default_rng(5).permutation(SIZE)
    scores, rows = build_index(kind, table).search(queries, 10)
    other_scores, other_rows = build_index(kind, EntityTable(table.vectors[order])).search(queries, 10)
    if INDEX_KINDS[kind].sees_all:
        torch.testing.assert_close(scores, other_scores, rtol=1e-5, atol=1e-5)
        assert (order[other_rows.numpy()] == rows.numpy()).all()
    assert recall(order[other_rows.numpy()], brute_force(table, queries, 10)[1]) >= 0.95


@every_kind
@pytest.mark.parametrize("rows", [100, SIZE])
def test_memory_and_disk_are_what_the_kind_says_within_a_factor_of_two(kind, rows, table, tmp_path):
    build_index(kind, EntityTable(table.vectors[:rows])).save(tmp_path)
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    options = INDEX_KINDS[kind].options()
    assert written <= INDEX_KINDS[kind].disk_bytes(rows, WIDTH, options) <= 2 * written
    held = rows * WIDTH * 4 if kind in ("exact", "remote") else written  # what is searched: the vectors in fp32, or the file
    assert held <= INDEX_KINDS[kind].memory_bytes(rows, WIDTH, options) <= 2 * held


@every_kind
def test_two_threads_search_at_once(kind, table, queries):
    index = build_index(kind, table)
    expected, start = {k: index.search(queries, k) for k in (3, 200)}, Barrier(2)

    def search(k):
        start.wait()
        return [index.search(queries, k) for _ in range(20)]

    with ThreadPoolExecutor(2) as pool:
        for k, found in zip(expected, pool.map(search, expected), strict=True):
            for scores, rows in found:
                assert torch.equal(rows, expected[k][1])
                torch.testing.assert_close(scores, expected[k][0], rtol=1e-5, atol=1e-5)


@every_kind
def test_an_unknown_option_or_a_bad_value_is_one_sentence_that_lists_the_options(kind, table):
    with pytest.raises(ElqError, match=f"names 'typo', which is unknown: the {kind} index has ") as told:
        build_index(kind, table, {"typo": 1})
    for name, default in vars(INDEX_KINDS[kind].options()).items():
        assert f"{name}={default}" in str(told.value)
        with pytest.raises(ElqError, match=f"index_options has {name} None, but it must be .*{name}={default}"):
            build_index(kind, table, {name: None})


# ── options ──

DEFAULTS = "the hnsw index has links=32, ef_construction=200, ef_search=512, least_recall=0.99"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"links": 1}, "has links 1, but it must be a whole number from 2 to 1024"),
        ({"links": 48.5}, "has links 48.5, but it must be a whole number"),
        ({"ef_search": True}, "has ef_search True, but it must be a whole number"),
        ({"ef_search": "many"}, "has ef_search 'many', but it must be a whole number"),
        ({"ef_search": 10**12}, "has ef_search 1000000000000, but it must be a whole number from 1 to 100000"),
        ({"ef": 5}, "names 'ef', which is unknown"),
        ([48], "is [48], but must be a mapping from options to values"),
    ],
)
def test_bad_options(chosen, message):
    with pytest.raises(ElqError) as told:
        BuildSettings(index="hnsw", index_options=chosen)
    assert str(told.value).startswith(f"index_options {message}")
    assert str(told.value).endswith(f": {DEFAULTS}")


def test_options_come_as_text_or_as_numbers():
    settings = [BuildSettings(index="hnsw", index_options={"links": value}) for value in (48, "48")]
    assert settings[0] == settings[1]
    with pytest.raises(ElqError, match="names 'links', which is unknown: the exact index has no options"):
        replace(settings[0], index="exact")


# ── a kind from outside ──


@dataclass(frozen=True, kw_only=True)
class SignOptions:
    keep: int = option(500, "rows whose scores are taken", least=1)
    share: float = 1.0


class SignIndex(EntityIndex):  # the rows whose signs agree most with those of the query
    kind, options, files = "signs", SignOptions, ("index.signs.npy",)

    def __init__(self, table, signs, keep):
        super().__init__(table)
        self.signs, self.keep = signs, keep

    memory_bytes = disk_bytes = classmethod(lambda cls, rows, width, options: rows * width + 128)
    build = classmethod(lambda cls, table, options: cls(table, np.sign(table.vectors).astype(np.int8), options.keep))

    @classmethod
    def open(cls, table, folder, chosen):
        return cls(table, np.load(folder / cls.files[0], mmap_mode="r"), cls.options(**chosen).keep)

    def save(self, folder):
        np.save(folder / self.files[0], self.signs)

    def _search(self, vectors, k, normalise):
        rows = (
            (vectors.sign() @ torch.from_numpy(self.signs.astype(np.float32)).T)
            .topk(min(max(k, self.keep), len(self.table)))
            .indices
        )
        scores, order = torch.einsum("qd,qkd->qk", vectors, self.table.gather(rows)).sort(-1, descending=True)
        return scores[:, :k], rows.gather(-1, order)[:, :k], scores[:, 0]


@pytest.fixture
def signs():
    yield register(SignIndex)
    del INDEX_KINDS["signs"]


def test_a_kind_from_outside_is_built_saved_opened_and_searched(signs, encoder_folder, catalogue_file, tmp_path):
    chosen = {"keep": 5, "share": 1}
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index="signs", index_options=chosen)
    manifest = build_entities(catalogue_file, tmp_path / "e", settings)
    assert (manifest.index, manifest.index_options) == ("signs", chosen)
    assert "index.signs.npy" in manifest.files
    assert "index.signs.npy" in entity_files()
    assert "entities/index.signs.npy" in all_files()
    opened = open_entities(tmp_path / "e")
    assert isinstance(opened.index, SignIndex)
    assert opened.index.keep == 5
    own = opened.table.gather(torch.arange(7))
    scores, rows = opened.index.search(own, 2)
    assert rows[:, 0].tolist() == list(range(7))
    torch.testing.assert_close(scores[:, 0], (own * own).sum(-1))
    with pytest.raises(ElqError, match="the signs index has keep=500, share=1.0"):
        replace(settings, index_options={"keep": 0})
    (tmp_path / "elsewhere").write_bytes((tmp_path / "e" / "index.signs.npy").read_bytes())
    (tmp_path / "e" / "index.signs.npy").unlink()
    (tmp_path / "e" / "index.signs.npy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ElqError, match="is a link to .*/elsewhere, outside the folder"):
        open_entities(tmp_path / "e")


def test_a_folder_of_a_kind_that_is_not_registered_is_refused(encoder_folder, catalogue_file, tmp_path):
    register(SignIndex)
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index="signs")
    build_entities(catalogue_file, tmp_path / "e", settings)
    del INDEX_KINDS["signs"]
    with pytest.raises(ElqError, match="has index 'signs', but must have one of exact, hnsw"):
        open_entities(tmp_path / "e")
    assert (tmp_path / "e" / MANIFEST).is_file()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (dict, "<class 'dict'> is not a kind of index: register a subclass of elq.search.index.EntityIndex"),
        ("signs", "'signs' is not a kind of index"),
        (EntityIndex, "EntityIndex lacks the methods _search, disk_bytes, memory_bytes: write"),
        (type("Other", (HnswIndex,), {}), "index kind 'hnsw' is taken by HnswIndex: give Other another name"),
        (type("Other", (ExactIndex,), {"kind": None}), "Other has the kind None, but must have a name"),
        (type("Other", (ExactIndex,), {"kind": "x", "files": ("table.npy",)}), "Other has the file 'table.npy', but"),
        (type("Other", (ExactIndex,), {"kind": "x", "files": ("index./../../y",)}), "Other has the file 'index./../../y', but"),
        (
            type("Other", (ExactIndex,), {"kind": "x", "options": dict}),
            "Other has the options <class 'dict'>, but they must be",
        ),
    ],
)
def test_what_cannot_be_registered(kind, message):
    before = dict(INDEX_KINDS)
    with pytest.raises(ElqError) as told:
        register(kind)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert before == INDEX_KINDS


def test_registering_the_same_class_again_changes_nothing():
    before = dict(INDEX_KINDS)
    assert register(HnswIndex) is HnswIndex
    assert before == INDEX_KINDS


def test_ten_lines_are_a_kind(encoder_folder, catalogue_file, tmp_path):
    @register
    class Plain(EntityIndex):
        kind = "plain"
        memory_bytes = disk_bytes = classmethod(lambda cls, rows, width, options: rows * width * 4)

        def _search(self, vectors, k, normalise):
            scores, rows = (vectors @ self.table.tensor().T).topk(k)
            return scores, rows, scores[:, 0]

    try:
        settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index="plain")
        build_entities(catalogue_file, tmp_path / "e", settings)
        index = open_entities(tmp_path / "e").index
        assert type(index) is Plain
        queries = torch.randn(5, index.table.width, generator=torch.Generator().manual_seed(1))
        found, expected = index.search(queries, 3), ExactIndex(index.table).search(queries, 3)
        torch.testing.assert_close(found[0], expected[0])
        assert found[1].tolist() == expected[1].tolist()
    finally:
        del INDEX_KINDS["plain"]

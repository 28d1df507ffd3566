"""Tests of the kinds `pq4`, `sq8`, `ivf_sq8` and `ivf_pq` only; the laws of all kinds are in test_kinds.py."""

import faiss
import numpy as np
import pytest
import torch

from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import TABLE, open_entities
from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.faiss_files import read_lists
from elq.search.fast_scan import Pq4Index, principal
from elq.search.kinds import INDEX_KINDS, build_index, open_index
from elq.search.lists import find_lists, limits
from elq.search.mentions import mention_like
from elq.search.recall import recall, report_recall
from elq.search.shortlist import FILE, ShortlistIndex, rescored
from elq.search.table import EntityTable
from tests.conftest import write_lines
from tests.search.slow import SIZE, WIDTH, brute_force

FAISS = [name for name, kind in INDEX_KINDS.items() if issubclass(kind, ShortlistIndex)]
COMPRESSED = ("pq4", "sq8", "ivf_sq8", "ivf_pq")
INVERTED = ("ivf_sq8", "ivf_pq")


def test_rescored_equals_a_sort_of_all_scores(table, queries):
    rows = torch.randint(-1, SIZE, (len(queries), 30))
    scores, found = rescored(table, queries, rows, 12)
    for query, some, own_scores, own in zip(queries, rows, scores, found, strict=True):
        products = [(-float(query.double() @ table.gather(row).double()), int(row)) for row in some if row >= 0]
        assert own.tolist() == [row for _, row in sorted(products)][:12]
        np.testing.assert_allclose(own_scores, [-product for product, _ in sorted(products)][:12], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_the_shortlists_of_a_large_batch_are_not_in_memory_together(kind, table, queries, monkeypatch):
    index, asked = build_index(kind, table, {"shortlist": 50}), []
    expected, nearest = index.search(queries, 5), type(index)._nearest
    monkeypatch.setattr("elq.search.shortlist.LISTED", 150)
    monkeypatch.setattr(
        type(index), "_nearest", lambda self, some, *more: asked.append(len(some)) or nearest(self, some, *more)
    )
    scores, rows = index.search(queries, 5)
    assert max(asked) == 3
    assert sum(asked) == len(queries)
    torch.testing.assert_close(scores, expected[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(rows, expected[1])


def test_a_place_without_a_row_comes_last(table, queries):
    scores, rows = rescored(table, queries[:1], torch.tensor([[7, -1, 3]]), 3)
    assert rows[0, 2] == -1
    assert scores[0, 2] == -torch.inf


@pytest.mark.parametrize(
    ("kind", "option"), [("pq4", "shortlist"), ("sq8", "shortlist"), ("ivf_pq", "shortlist"), ("ivf_pq", "nprobe")]
)
def test_options_raise_the_recall(kind, option, queries):
    table = EntityTable(np.random.default_rng(0).standard_normal((SIZE, 24)).astype(np.float16))
    low = {"shortlist": 1, "nprobe": 1, "code_bytes": 4} if kind == "ivf_pq" else {"shortlist": 1}
    if option == "nprobe":
        low["shortlist"] = 500
    high = {**low, option: 500}
    recalls = [recall(build_index(kind, table, {**chosen}), queries) for chosen in (low, high)]
    assert recalls[0].ten < recalls[1].ten
    opened = build_index(kind, table, low)
    assert getattr(opened, option) == low[option]


@pytest.mark.parametrize("kind", ["pq4", "sq8", "ivf_sq8"])
@pytest.mark.parametrize("width", [1, 15, 16, 25, 33])
def test_columns_of_zeros_change_nothing(kind, width, tmp_path):
    random = np.random.default_rng(0)
    table = EntityTable(random.standard_normal((300, width)).astype(np.float16))
    queries = torch.from_numpy(random.standard_normal((20, width)).astype(np.float32))
    options = {"columns": 4} if kind == "pq4" else {}
    build_index(kind, table, {**options, "shortlist": 300}).save(tmp_path)
    scores, rows = open_index(kind, table, tmp_path, {"shortlist": 300}).search(queries, 5)
    expected = ExactIndex(table).search(queries, 5)
    torch.testing.assert_close(scores, expected[0])
    assert (rows == expected[1]).float().mean() > 0.99  # two rows of one column may be equal


@pytest.mark.parametrize("kind", ["sq8", "ivf_sq8"])
def test_a_file_without_columns_of_zeros_can_be_searched(kind, table, queries, tmp_path, monkeypatch):
    expected = build_index(kind, table).search(queries, 10)
    for module in ("quantised", "inverted"):
        monkeypatch.setattr(f"elq.search.{module}.whole_registers", lambda width: width)
    old = build_index(kind, table)
    assert old._faiss.d == WIDTH
    old.save(tmp_path)
    monkeypatch.undo()
    found = open_index(kind, table, tmp_path).search(queries, 10)
    assert torch.equal(found[1], expected[1])


def test_fewer_columns_to_a_code_raise_the_recall(queries):
    table = EntityTable(np.random.default_rng(0).standard_normal((SIZE, 24)).astype(np.float16))
    recalls = [recall(build_index("pq4", table, {"columns": n, "shortlist": 4}), queries).ten for n in (12, 4, 1)]
    assert recalls[0] < recalls[1] < recalls[2]


@pytest.fixture
def flat():
    """A table of rank 12 whose vectors use all of 48 columns."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((SIZE, 12)) * 1.3 ** np.arange(12) @ random.standard_normal((12, 48))
    return EntityTable(rows.astype(np.float32)), torch.from_numpy(random.standard_normal((40, 48)).astype(np.float32))


def test_a_rotation_keeps_the_inner_products_of_a_table_of_low_rank(flat):
    table, queries = flat
    rotation = principal(table, 12)
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(12), rtol=0, atol=1e-5)
    rows = table.tensor()
    torch.testing.assert_close((queries @ rotation) @ (rows @ rotation).T, queries @ rows.T, rtol=1e-3, atol=1e-3)
    energy = (rows @ rotation).square().mean(0)
    assert energy.max() < 6 * energy.median()  # mixed: without that, the axes have the eigenvalues in order
    assert principal(table, 100).shape == (48, 48)


def test_a_rotation_finds_more_with_the_same_number_of_codes(flat, tmp_path):
    table, queries = flat
    plain = build_index("pq4", table, {"columns": 4, "shortlist": 20})
    chosen = {"columns": 1, "dimensions": 12, "shortlist": 20}
    rotated = build_index("pq4", table, chosen)
    assert rotated._faiss.M == plain._faiss.M == 12
    assert recall(rotated, queries).ten > recall(plain, queries).ten + 0.1
    rotated.save(tmp_path)
    for found, expected in zip(
        open_index("pq4", table, tmp_path, chosen).search(queries, 5), rotated.search(queries, 5), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("dimensions", "columns"), [(10, 3), (1, 3), (48, 64), (50, 5)])
def test_a_rotation_to_columns_that_the_codes_do_not_divide_is_stored(dimensions, columns, flat, tmp_path):
    table, queries = flat
    chosen = {"columns": columns, "dimensions": dimensions, "shortlist": 50}
    built = build_index("pq4", table, chosen)
    assert -(-min(dimensions, 48) // columns) == built._faiss.M
    built.save(tmp_path)
    assert (tmp_path / FILE).stat().st_size <= Pq4Index.disk_bytes(SIZE, 48, Pq4Index.values(chosen))
    for found, expected in zip(
        open_index("pq4", table, tmp_path, chosen).search(queries, 5), built.search(queries, 5), strict=True
    ):
        assert torch.equal(found, expected)


def test_a_rotation_of_another_table_or_with_a_shift_is_refused(flat, tmp_path):
    table, _ = flat
    built = build_index("pq4", table, {"columns": 1, "dimensions": 12})
    built.save(tmp_path)
    with pytest.raises(ElqError, match="parts that do not fit each other"):
        open_index("pq4", EntityTable(table.vectors[:, :40].copy()), tmp_path)
    whole = built._whole()
    turn = faiss.downcast_VectorTransform(whole.chain.at(0))
    turn.have_bias = True
    faiss.copy_array_to_vector(np.ones(12, np.float32), turn.b)
    faiss.write_index(whole, str(tmp_path / FILE))
    with pytest.raises(ElqError, match="parts that do not fit each other"):
        open_index("pq4", table, tmp_path)
    other = faiss.IndexPreTransform(faiss.OPQMatrix(48, 1, 12), faiss.IndexFlatIP(12))
    other.train(table.vectors)
    other.add(table.vectors)
    faiss.write_index(other, str(tmp_path / FILE))
    with pytest.raises(ElqError, match="contains a IndexFlatIP, but must contain an IndexPQFastScan"):
        open_index("pq4", table, tmp_path)


@pytest.mark.parametrize("kind", INVERTED)
def test_a_search_of_few_lists_still_finds_k_entities(kind, table, queries):
    index = build_index(kind, table, {"nprobe": 1, "lists": 20})
    _, rows = index.search(queries, 200)
    assert (rows >= 0).all()
    assert all(len(set(found)) == 200 for found in rows.tolist())
    _, rows = index.search(queries, SIZE)
    assert sorted(rows[3].tolist()) == list(range(SIZE))


@pytest.mark.parametrize("kind", INVERTED)
def test_nprobe_is_stored_and_can_be_chosen_again(kind, table, tmp_path):
    build_index(kind, table, {"nprobe": 3}).save(tmp_path)
    assert open_index(kind, table, tmp_path).nprobe == 3
    assert open_index(kind, table, tmp_path, {"nprobe": 5}).nprobe == 5


@pytest.mark.parametrize("kind", INVERTED)
def test_the_lists_stay_in_the_file(kind, table, tmp_path):
    build_index(kind, table).save(tmp_path)
    index = read_lists(tmp_path / FILE, SIZE, WIDTH, rotated=kind == "ivf_pq")
    inner = faiss.downcast_index(index.index) if kind == "ivf_pq" else index
    stored = faiss.downcast_InvertedLists(inner.invlists)
    assert type(stored) is faiss.OnDiskInvertedLists
    assert stored.prefetch_nthread == 0


def test_the_lists_do_not_depend_on_the_prior():
    vectors = np.random.default_rng(0).standard_normal((900, 8)).astype(np.float32)
    fame = np.random.default_rng(1).random((900, 2)).astype(np.float32)
    lists = find_lists(EntityTable(np.hstack([vectors, 9 * fame])), 12, 2)
    plain = find_lists(EntityTable(vectors), 12, 0)
    assert (lists.of_row == plain.of_row).all()
    np.testing.assert_allclose(lists.centres[:, :8], plain.centres, rtol=1e-5)
    for number, centre in enumerate(lists.centres):
        np.testing.assert_allclose(centre[8:], 9 * fame[lists.of_row == number].mean(0), rtol=1e-4)


def test_the_limits_are_those_of_all_rows(table):
    values = table.vectors.astype(np.float32)
    assert (limits(table) == np.stack([values.min(0), values.max(0)])).all()


@pytest.mark.parametrize("kind", FAISS)
def test_a_file_of_another_kind_or_size_is_refused(kind, table, tmp_path):
    for other in FAISS:
        if other != kind:
            build_index(other, table).save(tmp_path)
            with pytest.raises(ElqError, match="index.faiss contains an? |it has .* bytes instead of"):
                open_index(kind, table, tmp_path)
    build_index(kind, EntityTable(table.vectors[:50])).save(tmp_path)
    with pytest.raises(
        ElqError, match="contains 50 × 24 vectors, but the table has 1003 × 24|it has .* bytes instead of|do not fit each other"
    ):
        open_index(kind, table, tmp_path)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_file_that_was_cut_is_refused(kind, table, tmp_path):
    build_index(kind, table).save(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).unlink()
    for size in (*range(0, 300, 15), *range(300, len(whole), len(whole) // 20), len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:size])
        (tmp_path / "cut").replace(tmp_path / FILE)
        with pytest.raises(ElqError, match="index.faiss is not a readable faiss index"):
            open_index(kind, table, tmp_path)


def test_rows_outside_the_table_are_refused(table, queries, tmp_path):
    index = build_index("ivf_sq8", table)
    small = EntityTable(table.vectors[:900])
    index.table = small
    with pytest.raises(ElqError, match="has an entity in row .* of 900"):
        index.search(queries, 900)


# ── recall, and the floor ──


def test_recall_is_that_of_a_slow_comparison(table, queries):
    index = build_index("sq8", table, {"shortlist": 1})
    true, found = brute_force(table, queries, 10)[1], index.search(queries, 10)[1].numpy()
    expected = np.mean([len({*one} & {*other}) / 10 for one, other in zip(true, found, strict=True)])
    assert recall(index, queries) == pytest.approx(((true[:, 0] == found[:, 0]).mean(), expected))


def test_mention_like_vectors_have_length_one_and_the_weights_of_the_prior(table):
    made = mention_like(table, torch.tensor([0.5, -0.25]), count=40)
    assert made.vectors.shape == (40, WIDTH)
    torch.testing.assert_close(made.vectors[:, :-2].norm(dim=-1), torch.ones(40))
    assert made.vectors[:, -2:].unique(dim=0).tolist() == [[0.5, -0.25]]
    assert torch.equal(made.vectors, mention_like(table, torch.tensor([0.5, -0.25]), count=40).vectors)
    found = ExactIndex(table).search(made.vectors, 1)[1]
    assert len(found.unique()) > 20


def test_an_index_below_its_floor_is_refused_with_the_options_that_raise_the_recall(table, caplog):
    index = build_index("ivf_pq", table, {"nprobe": 1, "code_bytes": 1, "shortlist": 1})
    mentions = mention_like(table, torch.zeros(0))
    options = INDEX_KINDS["ivf_pq"].options(nprobe=1, shortlist=1)
    with pytest.raises(ElqError) as told:
        report_recall(index, options, mentions)
    assert "must find 99%: raise its option shortlist (it is 1) or nprobe (it is 1) or code_bytes" in str(told.value)
    assert "\n" not in str(told.value)
    report_recall(index, options, mentions, refuse=False)
    assert "must find 99%" in caplog.text
    report_recall(index, INDEX_KINDS["ivf_pq"].options(least_recall=0.0), mentions)


@pytest.mark.parametrize(("dimensions", "more"), [(0, ""), (6, r" or dimensions \(it is 6\)")])
def test_the_message_of_pq4_says_which_options_to_raise_and_which_to_lower(dimensions, more, flat):
    table, _ = flat
    chosen = {"columns": 3, "dimensions": dimensions, "shortlist": 1}
    mentions = mention_like(table, torch.zeros(0))
    message = rf"raise its option shortlist \(it is 1\){more}, lower columns \(it is 3\) or least_recall, or use index exact"
    with pytest.raises(ElqError, match=message):
        report_recall(build_index("pq4", table, chosen), Pq4Index.values(chosen), mentions)


def test_the_message_of_inverted_lists_says_to_lower_their_number(table, queries):
    few, many = (build_index("ivf_sq8", table, {"lists": lists, "nprobe": 2}) for lists in (5, 20))
    assert recall(few, queries).ten > recall(many, queries).ten
    options = type(many).values({"lists": 20, "nprobe": 2})
    with pytest.raises(ElqError, match=r"or shortlist \(it is 100\), lower lists \(it is 20\) or least_recall, or use"):
        report_recall(many, options, mention_like(table, torch.zeros(0)))


def test_after_a_refusal_the_vectors_are_not_made_again(encoder_folder, tmp_path, caplog):
    records = [{"id": f"E{n}", "title": f"city {n} {'north' if n % 3 else 'south'}"} for n in range(200)]
    file = write_lines(tmp_path / "c.jsonl", records)

    def settings(**chosen):
        return BuildSettings(encoder=str(encoder_folder), precision="fp32", index="ivf_sq8", index_options=chosen)

    with pytest.raises(ElqError, match=r"the ivf_sq8 index finds .* must find 99%: raise its option nprobe \(it is 1\)"):
        build_entities(file, tmp_path / "e", settings(nprobe=1, lists=5, shortlist=1))
    assert not (tmp_path / "e").exists()
    stamp = (tmp_path / ".e.building" / TABLE).stat().st_mtime_ns
    with caplog.at_level("INFO"):
        build_entities(file, tmp_path / "e", settings(nprobe=5, lists=5))
    assert (tmp_path / "e" / TABLE).stat().st_mtime_ns == stamp
    assert "% of the nearest (1,024 mention vectors, made of the table's rows)" in caplog.text
    assert open_entities(tmp_path / "e").index.nprobe == 5


@pytest.mark.parametrize("rows", [31, 64, 1_000])
def test_parts_that_are_searched_side_by_side_find_the_rows_of_the_whole(rows):
    table = EntityTable(np.random.default_rng(0).standard_normal((rows, 24)).astype(np.float16))
    codes = build_index("pq4", table, {"columns": 2})._faiss
    queries = torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    whole = Pq4Index(table, codes, 40).search(queries, 10)
    for parts in (2, 3):
        index = Pq4Index(table, codes, 40, parts)
        assert len(index._parts) == min(parts, -(-rows // 32))
        scores, found = index.search(queries, 10)
        assert torch.equal(found, whole[1])
        assert torch.equal(scores, whole[0])

"""Names of more than L tokens may be mentions too: a whole name or another spelling of one, and nothing else."""

import random
from collections.abc import Iterator

import pytest
import torch

from elq.encoding.tokens import QuestionTokenizer, token_finder
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.names import dictionary as module
from elq.names.dictionary import Dictionary
from elq.names.named import coarse_kind
from elq.names.spelling import JOINING
from elq.names.surface import is_name, names_of
from elq.names.words import folded, key_of, words
from elq.tensors import TokenBatch
from elq.types import Entity
from tests.conftest import tiny_tokenizer

L = 3
VOCABULARY = ["paris", "texas", "the", "of", "queen", "queens", "va", "xk77b", "20", "s", "titanic"]
draws = random.Random(3)


def text_of(most: int, vocabulary: list[str], joints: tuple[str, ...] = (" ", " ", " ", "-", ", ")) -> str:
    parts = [draws.choice(vocabulary) + draws.choice(joints) for _ in range(draws.randint(1, most))]
    return "".join(parts).strip(" ,-")


TITLES = sorted({text_of(9, VOCABULARY) for _ in range(60)} | {"the château de la paris", "the queen of the"})
BEHIND = [[""], VOCABULARY, [*VOCABULARY, "québec"]]  # a text may also end with a name
TEXTS = [f"{text_of(3, VOCABULARY)} {draws.choice(TITLES)} {text_of(2, BEHIND[number % 3])}".strip() for number in range(120)]


@pytest.fixture(scope="module", params=[False, True], ids=["coarse", "fine"])
def dictionary(request, tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("names") / "catalogue.arrow"
    write_catalogue([Entity(f"E{number}", title, title) for number, title in enumerate(TITLES)], path)
    return Dictionary(Catalogue(path), fine=request.param)


@pytest.fixture(scope="module")
def tokenizer() -> QuestionTokenizer:
    return QuestionTokenizer(tiny_tokenizer())


def phrases(text: str, tokens: TokenBatch, b: int) -> Iterator[tuple[str, int, int, int]]:
    """Every sequence of words of a text: its key, its number of words, its first token, its number of tokens."""
    found, find = words(text), token_finder(tokens.offsets[b], tokens.text_mask[b].tolist())
    for first in range(len(found)):
        for after in range(first + 1, len(found) + 1):
            start, end = find(found[first].start, found[after - 1].end)
            yield key_of(found[first:after]), after - first, start, end - start


def slow(dictionary: Dictionary, texts: list[str], tokens: TokenBatch) -> dict[tuple[int, int, int], int]:
    """The cells beyond L, phrase by phrase: place in the grid → kind."""
    every = {folded(name) for title in TITLES for name in names_of(Entity("E", title, title))}
    cells: dict[tuple[int, int, int], int] = {}
    for b, text in enumerate(texts):
        for key, number, start, size in phrases(text, tokens, b):
            if size <= L or not is_name(key):
                continue
            match = dictionary._index.match(key) if dictionary.fine else dictionary._index.kind(key)
            kind = dictionary._kind(match, key)
            added = {key.split()[0], key.split()[-1]} & JOINING
            if key in every or (number <= L and not added and coarse_kind(kind, fine=dictionary.fine) in (1, 2)):
                place = (b, start, size - 1)
                cells[place] = min(kind, cells.get(place, kind))
    return cells


def test_the_cells_beyond_l_are_those_of_a_slow_oracle(dictionary, tokenizer):
    tokens = tokenizer(TEXTS)
    short, grid = dictionary.named(TEXTS, tokens, L), dictionary.named(TEXTS, tokens, L, longer=True)
    assert torch.equal(grid[..., :L], short)
    expected = slow(dictionary, TEXTS, tokens)
    assert {tuple(place): int(grid[tuple(place)]) for place in grid.nonzero().tolist() if place[2] >= L} == expected
    assert grid.shape[-1] == 1 + max(place[2] for place in expected)
    kinds = {coarse_kind(kind, fine=dictionary.fine) for kind in expected.values()}
    assert (kinds, len(expected) > 80) == ({1, 2}, True)


def test_a_grid_without_longer_names_is_not_wider(dictionary, tokenizer):
    texts = ["who is in paris", "titanic"]
    tokens = tokenizer(texts)
    assert torch.equal(dictionary.named(texts, tokens, L, longer=True), dictionary.named(texts, tokens, L))


def test_a_name_that_ends_inside_a_word_is_none(dictionary, tokenizer):
    """The catalogue has "the queen of the"."""
    for text, size in (("is the queen of the ship", 1), ("is the queen of thetis ship", 0), ("the queen of the château", 1)):
        tokens = tokenizer([text])
        grid = dictionary.named([text], tokens, L, longer=True)
        assert (grid.shape[-1], int((grid[..., L:] > 0).sum())) == (L + size, size), text


def test_a_name_of_a_removed_entity_is_none(dictionary, tokenizer):
    text, tokens = "is the queen of the", tokenizer(["is the queen of the"])
    removed = frozenset([TITLES.index("the queen of the")])
    without = Dictionary(Catalogue(dictionary.catalogue.folder / "catalogue.arrow", removed=removed), fine=dictionary.fine)
    assert dictionary.named([text], tokens, L, longer=True).shape[-1] == L + 1
    assert without.named([text], tokens, L, longer=True).shape[-1] == L


def test_no_name_is_longer_than_the_longest(dictionary, tokenizer, monkeypatch):
    longest = dictionary.named(TEXTS, tokenizer(TEXTS), L, longer=True)
    monkeypatch.setattr(module, "LONGEST", 6)
    assert longest.shape[-1] > 7
    assert torch.equal(dictionary.named(TEXTS, tokenizer(TEXTS), L, longer=True), longest[..., :6])


def test_a_name_is_none_where_its_text_was_cut(dictionary):
    """The catalogue has "the queen of the", and no "the queen of"."""
    text, cut = "is the queen of the ship", QuestionTokenizer(tiny_tokenizer(), max_tokens=6)
    tokens = cut([text])
    assert [text[start:end] for start, end in tokens.offsets[0][1:-1]] == ["is", "the", "queen", "of"]
    kind = int(dictionary.named([text], tokens, L, longer=True)[0, 2, 2])
    assert coarse_kind(kind, fine=dictionary.fine) != 1

import re
import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elq.encoding.capitals import CAPITAL, SMALL, UNKNOWN, capitals_of, capitals_of_words, with_capitals

LETTERS = string.ascii_letters + "éÉßİ北1.?!:(\"' \n"


def oracle(text):
    """The kinds of the words, by the sentences of the docstring, character by character."""
    words, kinds, begins = re.split(r"(\s+)", text), [], True
    for word in words:
        if not word or word.isspace():
            continue
        letters = [letter for letter in word if letter.isalpha()]
        capital = [letter.lower() != letter for letter in word]
        first = next((place for place, letter in enumerate(word) if letter.isalpha()), len(word))
        if any(capital):
            alone = begins and not any(capital[first + 1 :])
            kinds.append(UNKNOWN if alone else CAPITAL)
        else:
            kinds.append(SMALL if any(letter.upper() != letter for letter in letters) else UNKNOWN)
        begins = word[-1] in ".?!:" or (begins and not any(letter.isalnum() for letter in word))
    small, large = kinds.count(SMALL), kinds.count(CAPITAL)
    return kinds if large and large <= 2 * small else []


@given(st.text(LETTERS, max_size=40))
def test_kinds_of_words_equal_a_slow_oracle(text):
    assert [kind for _, kind in capitals_of_words(text)] == oracle(text)


@given(st.lists(st.text(LETTERS, max_size=30), max_size=4))
def test_each_character_has_the_kind_of_its_word(texts):
    offsets = [[(place, place + 1) for place in range(len(text))] for text in texts]
    found = capitals_of(texts, offsets, 31)
    words = [*map(capitals_of_words, texts)]
    if found is None:
        assert not any(words)
        return
    assert found.shape == (len(texts), 31)
    for row, text, known in zip(found.tolist(), texts, words, strict=True):
        wanted = [UNKNOWN] * 31
        ends = [*(start for start, _ in known[1:]), len(text)] if known else []
        for (start, kind), after in zip(known, ends, strict=True):
            for place in range(start, after):
                wanted[place] = kind
        assert [kind for kind, letter in zip(row, text, strict=False) if not letter.isspace()] == [
            kind for kind, letter in zip(wanted, text, strict=False) if not letter.isspace()
        ]
        assert not any(row[len(text) :])


@pytest.mark.parametrize(
    ("text", "capital"),
    [
        ("Did Tom Hanks receive an Oscar for Forrest Gump?", {"Tom", "Hanks", "Oscar", "Forrest", "Gump?"}),
        ("what is the capital of U.S. states", {"U.S."}),
        ("King published novels. What was in them? Who knows about IBM", {"IBM"}),
        ("iPhone and the watch", {"iPhone"}),
        ("in Rome Paris", {"Rome", "Paris"}),
        ("in Rome Paris Oslo", set()),  # more than twice as many words with capitals as without
        ("who directed titanic?", set()),
        ("WHO DIRECTED TITANIC", set()),
        ("Barack Obama, Angela Merkel", set()),
        ("谁导演了Titanic", set()),
        ("", set()),
    ],
)
def test_words_with_capitals(text, capital):
    known = capitals_of_words(text)
    assert {text[start:].split()[0] for start, kind in known if kind == CAPITAL} == capital


def test_tokens_have_the_kinds_of_their_words(tokenizer):
    texts = ["who is the president of France", "who is the president of france"]
    tokens = with_capitals(texts, tokenizer(texts))
    assert tokens.capitals is not None
    assert tokens.capitals.shape == tokens.ids.shape
    places = [texts[0].index("France") <= start < end for start, end in tokens.offsets[0]]
    assert any(places)
    assert set(tokens.capitals[0][places].tolist()) == {CAPITAL}
    assert not tokens.capitals[1].any()  # the second text has no capital letters
    assert tokens.capitals[0, 1] == SMALL
    assert with_capitals(texts[1:], tokenizer(texts[1:])).capitals is None
    assert torch.equal(tokens.to("cpu").capitals, tokens.capitals)


def test_what_stands_before_a_start_is_not_read():
    text, start = "WE SAW Rome. is it big or a Town", 13
    offsets = [(place, place + 1) for place in range(len(text))]
    found = capitals_of([text], [offsets], len(text), [start])
    alone = capitals_of([text[start:]], [offsets[: len(text) - start]], len(text) - start)
    assert not found[0, :start].any()
    assert torch.equal(found[:, start:], alone)
    assert capitals_of(["who saw Rome? was it big"], [offsets], len(text), [14]) is None

import itertools
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.encoding import tokens
from elq.encoding.tokens import QuestionTokenizer, token_finder, token_span
from elq.errors import ElqError
from elq.types import Mention
from tests.conftest import tiny_tokenizer


@pytest.fixture(scope="module")
def tiny() -> QuestionTokenizer:
    return QuestionTokenizer(tiny_tokenizer(), max_tokens=64)


def test_masks_and_padding(tiny):
    batch = tiny(["who is queen?", "paris"])
    assert batch.ids.shape == (2, 6)  # padded to the longest question, not to a fixed length
    assert batch.attention.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert batch.text_mask.tolist() == [[False, True, True, True, True, False], [False, True, False, False, False, False]]


def test_offsets_are_characters_of_the_original(tiny):
    text = "Ｗho ís\tPÁRIS 🎬?"
    batch = tiny([text])
    pieces = [text[s:e] for (s, e), inside in zip(batch.offsets[0], batch.text_mask[0].tolist(), strict=True) if inside]
    assert "ís" in pieces or ("í" in pieces and "s" in pieces)
    assert "PÁRIS" in pieces
    assert "🎬" in pieces


def test_long_text_is_cut_but_keeps_its_closing_token():
    short = QuestionTokenizer(tiny_tokenizer(), max_tokens=5)
    batch = short(["who is the queen of paris"])
    assert batch.ids.shape == (1, 5)
    assert batch.ids[0, -1] == short(["who"]).ids[0, -1]
    assert batch.text_mask[0].tolist() == [False, True, True, True, False]


def test_the_files_own_padding_and_truncation_are_off(tiny):
    assert tiny(["who is the queen of the city of paris in texas"]).ids.shape == (1, 13)


def test_empty_and_odd_texts(tiny):
    batch = tiny(["", "   ", "\ud800\x00", "who\u0301"])
    assert not batch.text_mask[:2].any()
    assert tiny([]).ids.shape == (0, 0)
    assert tiny(["\ud800 paris"]).offsets[0][-2] == (2, 7)  # a lone surrogate still counts as a character


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_batched_equals_single(texts):
    tiny = QuestionTokenizer(tiny_tokenizer(), max_tokens=20)
    batch = tiny(texts)
    for b, text in enumerate(texts):
        single = tiny([text])
        width = single.ids.shape[1]
        assert torch.equal(batch.ids[b, :width], single.ids[0])
        assert torch.equal(batch.text_mask[b, :width], single.text_mask[0])
        assert not batch.attention[b, width:].any()
        assert batch.offsets[b] == single.offsets[0]
        assert all(0 <= start <= end <= len(text) for start, end in batch.offsets[b])


def test_long_texts_read_as_token_by_token():
    tokenizer = tiny_tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = ["who is the queen of paris? " * 40, "", "\tpáris  texas"]
    for limit in (None, 9):
        batch = QuestionTokenizer(tokenizer, max_tokens=limit)(texts)
        for b, text in enumerate(texts):
            encoding, ids, offsets, inside, end = tokenizer.encode(text), [], [], [], 0
            for t in range(length := len(encoding)):
                if limit is None or length <= limit or t < limit - 1 or t == length - 1:  # one token closes a text
                    ids.append(encoding.ids[t])
                    end = end if encoding.special_tokens_mask[t] else encoding.offsets[t][1]
                    offsets.append((end, end) if encoding.special_tokens_mask[t] else encoding.offsets[t])
                    inside.append(not encoding.special_tokens_mask[t])
            assert batch.ids[b, : len(ids)].tolist() == ids
            assert batch.attention[b].sum() == len(ids)
            assert batch.text_mask[b, : len(ids)].tolist() == inside
            assert batch.offsets[b] == tuple(offsets)


def test_time_grows_with_a_texts_length_and_no_faster():
    whole = QuestionTokenizer(tiny_tokenizer())

    def seconds(words: int) -> float:
        took = []
        for _ in range(3):
            began = time.thread_time()
            assert whole(["paris " * words]).ids.shape == (1, words + 2)
            took.append(time.thread_time() - began)
        return min(took)

    assert seconds(8_000) < 24 * seconds(1_000)  # eight times as many; with a list made for every token, sixty-four times


def test_token_span_covers_every_touched_token(tiny):
    text = "who is paris texas?"
    batch = tiny([text])
    inside = batch.text_mask[0].tolist()
    assert token_span(Mention(7, 18, "Q1"), batch.offsets[0], inside) == (3, 5)
    assert token_span(Mention(8, 9, "Q1"), batch.offsets[0], inside) == (3, 4)  # inside a word
    assert token_span(Mention(3, 4, "Q1"), batch.offsets[0], inside) is None  # a space


@given(st.data())
def test_the_finder_equals_a_look_at_every_token(data):
    """Tokens in reading order: some without characters, some outside the text, some that share characters as in "½"."""
    edges = sorted(data.draw(st.lists(st.integers(0, 30), min_size=2, max_size=12)))
    offsets = [(0, 0), *((a, b) for a, b in itertools.pairwise(edges) for _ in range(data.draw(st.integers(0, 2)))), (0, 0)]
    inside = [False, *(data.draw(st.booleans()) for _ in offsets[2:]), False]
    start = data.draw(st.integers(0, 30))
    end = data.draw(st.integers(start, 30))
    touched = [t for t, (a, b) in enumerate(offsets) if inside[t] and a < b and a < end and b > start]
    expected = (touched[0], touched[-1] + 1) if touched else None
    assert token_finder(offsets, inside)(start, end) == token_span(Mention(start, end, None), offsets, inside) == expected


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("who is \ufb01nland", "who is finland"),
        ("ｗｈｏ　is", "who is"),
        ("par\u200dis\u00ad", "paris"),
        ("\x1b[1mparis\x1b[0m", "paris"),
        ("par\ud800is", "paris"),
        ("__who__ is **paris**", "who is paris"),
        ("\tparis\ntexas\r\n", "paris texas"),
        ("paris \t\ttexas", "paris | texas"),
    ],
)
def test_the_encoder_reads_the_plain_form(tiny, typed, plain):
    assert torch.equal(tiny([typed]).ids, tiny([plain]).ids)


def test_offsets_of_a_changed_text_are_those_of_the_text(tiny):
    text = "\x1b[1mpar\u200dis\x1b[0m is \ufb01lm_\uff43\uff49ty"
    batch = tiny([text])
    found = [text[s:e] for (s, e), inside in zip(batch.offsets[0], batch.text_mask[0].tolist(), strict=True) if inside]
    assert found == ["par\u200dis", "is", "\ufb01lm", "\uff43\uff49ty"]


def test_a_gap_is_a_token_of_its_own(tiny):
    batch, same = tiny(["paris texas", "who"], [[5], []]), tiny(["paris | texas", "who"])
    assert torch.equal(batch.ids, same.ids)
    assert batch.offsets[0] == ((0, 0), (0, 5), (5, 5), (6, 11), (11, 11))
    assert batch.text_mask[0].tolist() == [False, True, False, True, False]  # so no span contains the sign
    assert same.text_mask[0].tolist() == [False, True, True, True, False]


def test_lengths_are_the_numbers_of_tokens(tiny, monkeypatch):
    monkeypatch.setattr(tokens, "BATCH", 3)  # so that some parts are made one after the other
    texts = ["who is queen?", "", "Ｗho ís\tPÁRIS 🎬?", "\ud800\x00", "paris", "paris, texas", "the queen of paris"]
    assert tiny.lengths(texts) == [int(tiny([text]).attention.sum()) for text in texts]
    assert tiny.lengths([]) == []


def test_bad_file(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ElqError, match=r"tokenizer\.json is not a readable tokenizer"):
        QuestionTokenizer.from_file(tmp_path / "tokenizer.json")

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.windows import encode_windows, nearest_window, window_starts
from tests.conftest import tiny_tokenizer


@given(st.integers(1, 200), st.integers(1, 40))
def test_windows_cover_the_text_and_every_token_takes_the_one_with_most_context(length, size):
    starts, nearest = window_starts(length, size), nearest_window(length, size)
    assert starts == sorted(set(starts))
    assert len(nearest) == length
    for token, window in enumerate(nearest):
        around = [min(token - start, start + size - 1 - token) for start in starts]  # context on the poorer side
        assert around[window] == max(around)
        assert length < size or around[window] >= 0
    assert starts[-1] + size >= length


@pytest.mark.parametrize("words", [1, 20, 61, 62, 63, 64, 90, 200])
def test_every_token_has_the_vector_of_its_own_window_run_alone(model, words):
    limit = model.encoder.max_tokens
    tokens = QuestionTokenizer(tiny_tokenizer())(
        [" ".join(["who", "sang", "the", "queen", "song"][n % 5] for n in range(words))]
    )
    ids = tokens.ids[0]
    found = model.encode(tokens)[0]
    if len(ids) <= limit:
        torch.testing.assert_close(found, model.encoder(tokens.ids, tokens.attention)[0])
        torch.testing.assert_close(encode_windows(model.encoder, tokens)[0], found, rtol=1e-4, atol=1e-5)
        return
    size = limit - 2
    starts, nearest = window_starts(words, size), nearest_window(words, size)
    for token in range(words):
        start = starts[nearest[token]]
        alone = torch.cat([ids[:1], ids[1 + start : 1 + start + size], ids[-1:]])[None]
        expected = model.encoder(alone, torch.ones_like(alone, dtype=torch.bool))[0, 1 + token - start]
        torch.testing.assert_close(found[1 + token], expected, rtol=1e-4, atol=1e-5)


def test_short_and_long_texts_in_one_batch(model):
    tokenizer = QuestionTokenizer(tiny_tokenizer())
    texts = ["who", "who sang the queen song " * 30, "paris texas"]
    together, tokens = model.encode(tokenizer(texts)), tokenizer(texts)
    for b, text in enumerate(texts):
        alone = tokenizer([text])
        torch.testing.assert_close(together[b, : alone.ids.shape[1]], model.encode(alone)[0], rtol=1e-4, atol=1e-5)
    assert (together[0, int(tokens.attention[0].sum()) :] == 0).all()

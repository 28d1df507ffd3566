import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elq.encoding.pretrained import GENERAL, resolve_encoder
from elq.encoding.tokens import QuestionTokenizer
from elq.errors import ElqError
from elq.model.config import NetworkSettings
from elq.names import lengths
from elq.names.lengths import SPAN_TOKENS, Lengths, surely_short
from elq.types import Entity


@pytest.fixture(scope="module")
def tokenizer() -> QuestionTokenizer:
    return QuestionTokenizer.from_file(resolve_encoder(GENERAL) / "tokenizer.json")


def tokens_of(name: str, tokenizer: QuestionTokenizer) -> int:
    """The tokens of a name as a question has them."""
    return int(tokenizer([name]).text_mask.sum())


def test_the_limit_is_that_of_a_model():
    assert NetworkSettings().max_span_tokens == SPAN_TOKENS


LONG = [
    "XK-2938-AB-1234-77",
    "中华人民共和国国家发展和改革委员会",
    "서울대학교",
    "a b c d e f g h i j k",
    "\ud8001 2 3 4 5 6 7 8 9 0 1",
]
SHORT = [
    "Titanic",
    "",
    "中国人民大学",
    "a b c d e f g h i j",
    "a\u200db\u200dc\u200dd\u200de\u200df",
    "a_b_c_d_e_f_g",
    "\ufdfa",
]


def test_names_that_no_mention_can_have(tokenizer):
    names = [*LONG, *SHORT]
    assert [tokens_of(name, tokenizer) > SPAN_TOKENS for name in names] == [True] * len(LONG) + [False] * len(SHORT)
    assert Lengths().too_long(names) == [True] * len(LONG) + [False] * len(SHORT)
    assert Lengths().too_long(names[::-1] * 1000) == ([False] * len(SHORT) + [True] * len(LONG)) * 1000
    assert Lengths().too_long([]) == []


@given(
    st.text(st.characters(exclude_characters="\t"), max_size=30)
    | st.text("ab 1.-|_*", max_size=30)
    | st.text("한국中ｔﬁ\u0301\u200d", max_size=12)
)
def test_any_name_is_as_long_as_in_a_question(tokenizer, name):
    """But for names with a tab, which no mention has: the encoder reads a sign for a gap between names."""
    assert Lengths().too_long([name]) == [tokens_of(name, tokenizer) > SPAN_TOKENS]
    assert not (surely_short(name) and tokens_of(name, tokenizer) > SPAN_TOKENS)


ENTITIES = [
    Entity("E1", "a b c d e f g h i j", "a b c d e f g h i j"),
    Entity("E2", "a b c d e f g h i j k", "a b c d e f g h i j k", aliases=("l m n o p q r s t u v w",)),
    Entity("E3", "XK-2938-AB-1234-77", "XK-2938-AB-1234-77"),
    Entity("E4", "XK-2938-AB-1235-77", "XK-2938-AB-1235-77", aliases=("XK-2938-AB-1235-77B", "the old pump")),
    Entity("E5", LONG[1], LONG[1]),
    Entity("E6", "a b c d e f (a film of the year)", "a b c d e f"),
]


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 100])
def test_entities_that_no_question_can_name_are_said(batch, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(lengths, "BATCH", batch)
    assert [*Lengths().watched(iter(ENTITIES))] == ENTITIES
    assert (
        "entities that have only names of more than 10 tokens: 3, such as 'a b c d e f g h i j k' of E2: a mention"
        in caplog.text
    )
    caplog.clear()
    assert [*Lengths().watched([ENTITIES[n] for n in (0, 3, 5)])] == [ENTITIES[n] for n in (0, 3, 5)]
    assert caplog.text == ""


def test_a_damaged_tokenizer_is_said_in_one_sentence(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(
        ElqError, match=r"^\S+ is not a readable tokenizer.json .*: give a folder whose tokenizer.json is whole"
    ):
        Lengths(str(tmp_path)).too_long(["a name that is long"])
    assert Lengths(str(tmp_path)).too_long(["short", "names"]) == [False, False]  # the file is not read

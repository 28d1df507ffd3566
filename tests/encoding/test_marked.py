"""Golden strings of the input formats of BLINK and of its Chinese variant."""

import json

import pytest
import torch
from tokenizers import AddedToken, Tokenizer

from elq.encoding.e5 import tokenizer_json
from elq.encoding.marked import (
    CHINESE,
    Ends,
    MarkedTexts,
    Markers,
    chinese_entity,
    context_ids,
    entity_ids,
    padded,
    pair_ids,
    with_markers,
)
from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.model.cross_config import CrossSettings
from elq.model.crossencoder import PairTexts
from elq.types import Entity
from tests.conftest import tiny_tokenizer

# The text has its mention between < and >; the words are whole tokens.
CONTEXTS = [
    ("who directed <titanic> ?", 64, "[CLS] who directed [unused0] titanic [unused1] ? [SEP]"),
    ("<titanic> is the ship", 64, "[CLS] [unused0] titanic [unused1] is the ship [SEP]"),
    ("who directed <titanic>", 64, "[CLS] who directed [unused0] titanic [unused1] [SEP]"),
    ("<titanic>", 64, "[CLS] [unused0] titanic [unused1] [SEP]"),
    # room 1 + 4: one word on each side, then the odd room goes to the right
    ("who is the <queen> of the city", 7, "[CLS] the [unused0] queen [unused1] of [SEP]"),
    ("who is the <queen> of the city", 8, "[CLS] the [unused0] queen [unused1] of the [SEP]"),
    # a left quota of 0 leaves nothing on the left: the trap of a list from place -0 on
    ("who is the <queen> of the city", 5, "[CLS] [unused0] queen [unused1] [SEP]"),
    ("who is the <queen> of the city", 6, "[CLS] [unused0] queen [unused1] of [SEP]"),
    # the spare room of one side goes to the other
    ("the <queen> of the city of paris", 10, "[CLS] the [unused0] queen [unused1] of the city of [SEP]"),
    ("who is the king of the <queen> of", 10, "[CLS] ##n ##g of the [unused0] queen [unused1] of [SEP]"),
    ("who is in the city of <paris>", 9, "[CLS] in the city of [unused0] paris [unused1] [SEP]"),
    ("<paris> is the city of the river", 9, "[CLS] [unused0] paris [unused1] is the city of [SEP]"),
    # a mention that is too long loses its end, and leaves no room for other words
    ("who is in <the city of the river> paris", 7, "[CLS] [unused0] the city of [unused1] [SEP]"),
    ("who is in <the city> of paris", 6, "[CLS] [unused0] the city [unused1] [SEP]"),
    # the tokens that contain a character of the mention are the mention
    ("who directed <tita>nic?", 64, "[CLS] who directed [unused0] titanic [unused1] ? [SEP]"),
    ("who directed< titanic> ?", 64, "[CLS] who directed [unused0] titanic [unused1] ? [SEP]"),
    ("the Band < of pa>ris", 64, "[CLS] the band [unused0] of paris [unused1] [SEP]"),
]
ENTITIES = [
    ("paris", "capital city of france", 64, "[CLS] paris [unused2] capital city of f ##r ##a ##n ##c ##e [SEP]"),
    ("paris", "capital city of texas", 6, "[CLS] paris [unused2] capital city [SEP]"),
    ("paris", "", 64, "[CLS] paris [SEP]"),
    ("the queen of the river", "band", 6, "[CLS] the queen of the [SEP]"),
]


def split(marked: str) -> tuple[str, int, int]:
    start, end = marked.index("<"), marked.index(">") - 1
    return marked.replace("<", "").replace(">", ""), start, end


@pytest.fixture(scope="module")
def tokenizer() -> QuestionTokenizer:
    """A tokenizer whose vocabulary has [unused0] to [unused2] in its middle, as those of BERT."""
    made = tiny_tokenizer()
    made.add_tokens([AddedToken(f"[unused{number}]", normalized=False) for number in range(3)])
    return QuestionTokenizer(made)


@pytest.fixture(scope="module")
def marked(tokenizer):
    def make(**settings) -> MarkedTexts:
        return MarkedTexts(*with_markers(tokenizer), **settings)

    return make


def words(tokenizer: QuestionTokenizer, ids: list[int]) -> str:
    return " ".join(tokenizer.words[number] for number in ids)


@pytest.mark.parametrize(("text", "length", "expected"), CONTEXTS)
def test_golden_contexts(marked, tokenizer, text, length, expected):
    text, start, end = split(text)
    (ids,) = marked(context_tokens=length).contexts([text], [[(start, end)]])
    assert words(tokenizer, ids) == expected
    assert len(ids) <= length


@pytest.mark.parametrize(("title", "description", "length", "expected"), ENTITIES)
def test_golden_entities(marked, tokenizer, title, description, length, expected):
    text = EntityText(("title", "description"), separator=" [unused2] ")(Entity("Q1", title, title, description))
    (ids,) = marked(entity_tokens=length).entities([text])
    assert words(tokenizer, ids) == expected
    pieces = [tokenizer([part]).ids[0, 1:-1].tolist() for part in (title, description)]
    texts = marked()
    assert entity_ids(*pieces, texts.markers, texts.ends, length) == ids


def test_the_oracle_of_contexts():
    """Words are added one by one, in turn on the right and on the left, while there are any and there is room."""
    for left in range(7):
        for right in range(7):
            for length in range(6, 16):
                before, after, room = 0, 0, length - 6
                while room and (before < left or after < right):
                    if after < right and (after <= before or before == left):
                        after += 1
                    else:
                        before += before < left
                        after += before > left
                    room -= 1
                rows = [*range(100 - left, 100)], [100, 101], [*range(102, 102 + right)]
                expected = [1, *range(100 - before, 100), 8, 100, 101, 9, *range(102, 102 + after), 2]
                assert context_ids(*rows, Markers(8, 9, 7), Ends(1, 2), length) == expected


def test_a_pair_has_both_texts_in_one_row(marked, tokenizer):
    texts = marked(context_tokens=8, entity_tokens=5)
    contexts, entities = texts.contexts(["who is queen"], [[(7, 12)]]), texts.entities(["queen [unused2] band of paris"])
    (ids,) = texts.pairs(contexts, entities)
    assert words(tokenizer, ids) == "[CLS] who is [unused0] queen [unused1] [SEP] queen [unused2] band [SEP]"
    assert ids[len(contexts[0]) :] == entities[0][1:] == pair_ids([], entities[0])


def test_the_chinese_form(tokenizer):
    texts = MarkedTexts(*with_markers(tokenizer, CHINESE))
    (ids,) = texts.contexts(["who is queen ?"], [[(7, 12)]])
    assert words(texts.tokenizer, ids) == "[CLS] who is [ENT_S] queen [ENT_E] ? [SEP]"
    assert (
        chinese_entity(Entity("Q1", "巴黎", "巴黎", "法国首都", ("花都",), ("城市", "首都")))
        == "巴黎; 类型: 城市、首都; 别名: 花都"
    )
    assert chinese_entity(Entity("Q1", "巴黎", "巴黎")) == "巴黎"


@pytest.fixture(scope="module")
def pieces() -> QuestionTokenizer:
    """A tokenizer in the form of multilingual-e5-small, in which one piece has letters of 京 and 在 together."""
    names = ("北京在", "北京", "京", "北", "在", "哪里", "的", "▁", "▁北京", *"▁query:x")
    made = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    scored = [(name, -2.0 if len(name) < 3 or "▁" in name else -1.0) for name in dict.fromkeys(names)]
    return QuestionTokenizer(Tokenizer.from_str(json.dumps(tokenizer_json([*made, *scored]))))


QUERY = "<s>  ▁ q u e r y :"  # the prefix of every text


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("x<北京>在哪里", 64, f"{QUERY} ▁ x [ENT_S] ▁北京 [ENT_E] ▁ 在 哪里 </s> "),  # 北京在 is one piece without a mention
        ("<北京>的", 64, f"{QUERY} [ENT_S] ▁北京 [ENT_E] 的 </s> "),
        ("<北>京", 64, f"{QUERY} ▁ [ENT_S] 北 [ENT_E] ▁ 京 </s> "),
        ("x x<北京>的 x x", 14, f"{QUERY} x [ENT_S] 北京 [ENT_E] 的 </s> "),  # the prefix has 8 of the 14 tokens
        ("<北京>的 x x", 12, f"{QUERY} [ENT_S] ▁北京 [ENT_E] </s> "),
    ],
)
def test_golden_contexts_of_pieces_behind_a_prefix(pieces, text, length, expected):
    text, start, end = split(text)
    texts = MarkedTexts(*with_markers(pieces, CHINESE), plain=pieces, cut=True, context_tokens=length)
    (ids,) = texts.contexts([text], [[(start, end)]])
    assert words(texts.tokenizer, ids) == expected
    assert len(ids) <= length
    spans = [(start, end), (0, 1)]
    assert texts.contexts([text], [spans])[0] == ids  # the other mentions of a text change nothing


def test_entities_and_pairs_behind_a_prefix(pieces):
    texts = MarkedTexts(*with_markers(pieces, CHINESE), plain=pieces, cut=True, entity_tokens=11)
    (entity,) = texts.entities(["北京的x x [ENT_S]"])
    assert words(texts.tokenizer, entity) == f"{QUERY} ▁北京 的 </s> "
    (context,) = texts.contexts(["北京"], [[(0, 2)]])
    (pair,) = texts.pairs([context], [entity])
    assert words(texts.tokenizer, pair) == f"{QUERY} [ENT_S] ▁北京 [ENT_E] </s>  ▁北京 的 </s> "
    with pytest.raises(ElqError, match="entity_tokens is 9, but must be a whole number of at least 10"):
        MarkedTexts(*with_markers(pieces, CHINESE), entity_tokens=9)
    with pytest.raises(ElqError, match="the encoder of a cross-encoder has a prefix before every text"):
        PairTexts(pieces, CrossSettings())


def test_markers_that_the_vocabulary_lacks_get_the_next_ids(tokenizer):
    copy, markers = with_markers(tokenizer, CHINESE)
    size = tokenizer.size
    assert markers == Markers(size, size + 1, size + 2)
    assert copy.size == size + 3
    assert tokenizer.size == size  # the original is as it was
    assert tokenizer.id_of("[ENT_S]") is None


def test_the_markers_of_bert_keep_their_ids():
    copy, markers = with_markers(load_tokenizer(DEFAULT))
    assert markers == Markers(1, 2, 3)
    assert copy(["Paris [unused2] capital"]).ids.tolist() == [[101, 3000, 3, 3007, 102]]


def test_several_mentions_of_several_texts(marked, tokenizer):
    found = marked().contexts(["paris in texas", "who?", "the queen"], [[(0, 5), (9, 14)], [], [(4, 9)]])
    assert [words(tokenizer, ids) for ids in found] == [
        "[CLS] [unused0] paris [unused1] in texas [SEP]",
        "[CLS] paris in [unused0] texas [unused1] [SEP]",
        "[CLS] the [unused0] queen [unused1] [SEP]",
    ]


def test_a_batch_is_padded_to_its_longest_row():
    rows = padded([[5, 6, 7], [5, 7]], 0)
    assert torch.equal(rows.ids, torch.tensor([[5, 6, 7], [5, 7, 0]]))
    assert torch.equal(rows.attention, torch.tensor([[True, True, True], [True, True, False]]))
    assert padded([], 0).ids.shape == (0, 0)


def test_bad_input_is_refused(marked, tokenizer):
    with pytest.raises(ElqError, match="overlaps no token"):
        marked().contexts(["paris   texas"], [[(5, 7)]])
    with pytest.raises(ElqError, match="context_tokens is 4, but must be"):
        marked(context_tokens=4)
    bare = Tokenizer.from_str(tiny_tokenizer().to_str())
    bare.post_processor = None
    with pytest.raises(ElqError, match="puts 0 special tokens around a text"):
        MarkedTexts(*with_markers(QuestionTokenizer(bare)))

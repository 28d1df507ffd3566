"""Tests of texts as people type them: names and the encoder read the same plain form, and offsets are those of the text."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.encoding.characters import HIDDEN, plain
from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.names.dictionary import Dictionary, span_texts
from elq.names.surface import names_of
from elq.names.words import folded, kept, kept_long, words
from elq.tensors import Spans
from elq.types import Entity, Mention
from tests.conftest import tiny_tokenizer

RECORDS = {
    "city": ("New_York_City", "NYC"),
    "film": ("Titanic_(1997_film)",),
    "land": ("Finland",),
    "states": ("United States", "US", "U.S."),
    "kingdom": ("United Kingdom", "UK"),
    "novel": ("It",),
    "department": ("IT department", "IT"),
    "spartans": ("300",),
    "language": ("C",),
    "other language": ("C++",),
    "india": ("India", "IN"),
    "health": ("World Health Organization", "WHO"),
    "album": ("So (album)", "So"),
    "somalia": ("Somalia", "so"),
    "tokyo": ("東京",),
    "beijing": ("北京",),
    "paris": ("Paris",),
    "london": ("London",),
    "berlin": ("Berlin",),
}


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("words") / "catalogue"
    write_catalogue([Entity(name, names[0], names[0], "", names[1:]) for name, names in RECORDS.items()], path)
    return Dictionary(Catalogue(path))


def matches(dictionary: Dictionary, text: str) -> list[tuple[str, str]]:
    found = {(start, end): dictionary.catalogue[row].id for start, end, row in dictionary.matches(text)}
    inside = {one for one in found for other in found if one != other and other[0] <= one[0] and one[1] <= other[1]}
    return [(text[start:end], entity) for (start, end), entity in sorted(found.items()) if (start, end) not in inside]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is New_York_City big", [("New_York_City", "city")]),
        ("is __New_York_City__ big", [("New_York_City", "city")]),
        ("_Titanic_ and **Titanic** and `Titanic`", [("Titanic", "film")] * 3),
        ("who made Titanic_(1997_film)", [("Titanic_(1997_film", "film")]),
        ("\ufb01nland \uff46\uff49\uff4e\uff4c\uff41\uff4e\uff44", [("\ufb01nland", "land"), ("ｆｉｎｌａｎｄ", "land")]),
        (
            "tit\u200danic ti\u200btanic tit\u00adanic",
            [(w, "film") for w in ("tit\u200danic", "ti\u200btanic", "tit\u00adanic")],
        ),
        ("\ufefftitanic \u202atitanic\u202c", [("titanic", "film")] * 2),
        ("\x1b[1;31mtitanic\x1b[0m \x1b]8;;http://a.b\x07titanic\x1b]8;;\x1b\\", [("titanic", "film")] * 2),
        ("tita\ud800nic titanic\x00", [("tita\ud800nic", "film"), ("titanic", "film")]),
        ("Titanic™", [("Titanic", "film")]),
        ("Paris London Berlin", [("Paris", "paris"), ("London", "london"), ("Berlin", "berlin")]),
        ("Paris\tLondon\r\nBerlin", [("Paris", "paris"), ("London", "london"), ("Berlin", "berlin")]),
        ("東京はどこですか", [("東京", "tokyo")]),
        ("北京在哪里", [("北京", "beijing")]),
        ("Titanicの監督は誰ですか", [("Titanic", "film")]),
    ],
)
def test_names_are_found_as_people_type_them(text, expected, dictionary):
    assert matches(dictionary, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is it raining", []),
        ("call IT", [("IT", "department")]),
        ("call it, says IT.", [("IT", "department")]),
        ("CALL IT NOW", []),
        ("IT", [("IT", "department")]),
        ("It rains. It pours", []),
        ("who wrote It", [("It", "novel")]),
        ('who wrote "It"?', [("It", "novel")]),
        ("Who Wrote It", []),
        ("US bought it", [("US", "states")]),
        ("they told us so", []),
        ("what does the us have", [("us", "states")]),
        ("is WHO in town", [("WHO", "health")]),
        ("who is in town", []),
        ("is India (IN) big", [("India", "india"), ("IN", "india")]),
        ("i have 300 dollars, $300 and 300%", []),
        ("who directed 300", [("300", "spartans")]),
        ("who invented C?", [("C", "language")]),
        ("vitamin c, bob's C.S. Lewis, H&C", []),
        ("C++ or C", [("C++", "other language"), ("C", "language")]),
        ("and so on and so forth " * 9, []),
        ("so " * 255, []),
    ],
)
def test_capitals_say_which_short_words_are_names(text, expected, dictionary):
    assert matches(dictionary, text) == expected


@pytest.mark.parametrize(
    ("text", "said", "kind"),
    [
        ("is the U.S. big", "U.S.", 0),
        ("is it in the U.S.", "U.S.", 0),
        ("is the U.K. big?", "U.K.", 1),  # another spelling of UK
        ("made by U.S. firms", "U.S.", 0),
    ],
)
def test_the_last_period_of_an_abbreviation_belongs_to_it(text, said, kind, dictionary):
    tokens = QuestionTokenizer(tiny_tokenizer())([text])
    grid = dictionary.named([text], tokens, 6)[0]  # (T, L)
    found = [text[tokens.offsets[0][t][0] : tokens.offsets[0][t + n][1]] for t, n in (grid == kind + 1).nonzero().tolist()]
    assert {*found} <= {said, f"the {said}"}
    assert said in found


@pytest.mark.parametrize(
    ("text", "said", "meant"),
    [
        ("call IT", "IT", "department"),
        ("call it", "it", None),
        ("CALL IT", "IT", None),
        ("ask the us", "us", "states"),
        ("ask us", "us", None),
        ("who saw 300 men", "300", None),
        ("who saw 300", "300", "spartans"),
        ("who saw tit\u200danic", "tit\u200danic", "film"),
    ],
)
def test_a_span_means_what_its_place_says(text, said, meant, dictionary):
    tokens = QuestionTokenizer(tiny_tokenizer())([text])
    start = text.index(said)
    first, after = token_span(Mention(start, start + len(said), None), tokens.offsets[0], tokens.text_mask[0].tolist())
    spans = Spans(torch.tensor([0]), torch.tensor([first]), torch.tensor([after]))
    found = dictionary.name_matches(span_texts([text], tokens, spans))
    named = [dictionary.catalogue[row].id for row, kind in zip(found.rows[0], found.kinds[0], strict=True) if 0 <= kind < 2]
    assert named == ([meant] if meant else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris London Berlin", [5, 12]),
        ("paris  new york city london", [5, 20]),
        ("paris, london berlin", [13]),  # the comma is a sign already
        ("paris", []),
        ("new york city", []),
        ("is paris london", []),
        ("paris london big", []),
        ("", []),
        ("?", []),
        ("paris " * 5000, [*range(5, 29_994, 6)]),
    ],
)
def test_the_gaps_of_a_list_of_names(text, expected, dictionary):
    assert dictionary.gaps(text) == expected


def test_names_in_a_record():
    assert names_of(Entity("Q1", "Titanic_(1997_film)", "us", "", ("It", "c"))) == [
        "Titanic_(1997_film)",
        "Titanic",
        "US",  # in lower case it could not be a name
        "It",
        "C",
    ]
    assert [*map(folded, ("Titanic_(1997_film)", "tit\u00adanic", "Zero\u200bWidth Co", "\uff29\uff34"))] == [
        "titanic 1997 film",
        "titanic",
        "zerowidth co",
        "IT",
    ]


ODD = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("aAI '_*`\u200d\u00ad\x1b[1m;\ufb01\uff54é\u0301東.\ud800™")))


@settings(deadline=None)
@given(ODD)
def test_the_plain_form_has_the_same_words_at_the_same_places(text):
    form = plain(text)
    if form is None:
        return
    assert len(form.starts) == len(form.ends) == len(form.text)
    assert [*form.starts] == sorted(form.starts)
    assert [*form.ends] == sorted(form.ends)
    assert not HIDDEN.search(form.text)
    mapped = [form.origin(start, end) for start in range(len(form.text)) for end in (start, start + 1)]
    assert all(0 <= start <= end <= len(text) for start, end in mapped)


@settings(deadline=None)
@given(ODD)
def test_words_and_tokens_agree_about_places(text):
    """Every word of a text has a token, or the tokenizer removed its characters."""
    offsets = QuestionTokenizer(tiny_tokenizer())([text]).offsets[0]
    assert [*offsets] == sorted(offsets)
    for word in words(text):
        if word.text.isascii():
            assert any(start < word.end and word.start < end for start, end in offsets), word


@settings(deadline=None)
@given(st.lists(st.sampled_from(["titanic", "new", "york", "finland"]), min_size=1, max_size=4), st.data())
def test_invisible_characters_change_no_token_and_no_word(said, data):
    text, dirty = " ".join(said), ""
    for character in text:
        dirty += data.draw(st.sampled_from(["", "", "", "\u200d", "\u00ad", "\ufeff", "\x1b[1m", "\u202a", "\x00"])) + character
    tokenizer = QuestionTokenizer(tiny_tokenizer())
    clean, other = tokenizer([text]), tokenizer([dirty])
    assert torch.equal(clean.ids, other.ids)
    assert [word.text for word in words(text)] == [word.text for word in words(dirty)]
    for (start, end), (first, last) in zip(clean.offsets[0], other.offsets[0], strict=True):
        seen = HIDDEN.sub("", dirty[first:last])
        assert seen == text[start:end]
        assert first == last or (dirty[first], dirty[last - 1]) == (text[start], text[end - 1])


def test_the_words_of_few_long_texts_are_kept() -> None:
    kept_long.cache_clear()
    before = kept.cache_info().currsize
    for number in range(50):
        assert len(words(f"{number} " + "word " * 500)) == 501
    assert kept_long.cache_info().currsize <= 8
    assert kept.cache_info().currsize == before

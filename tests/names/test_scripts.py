"""Names in many scripts: what is found in texts without spaces, and that no offset is wrong."""

import random
import re
import sys
import unicodedata
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.encoding.characters import HIDDEN
from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.names.dictionary import Dictionary
from elq.names.surface import is_name
from elq.names.words import folded, words
from elq.types import Entity, Mention
from tests.conftest import tiny_tokenizer

NAMES = {
    "tokyo": ("東京", "Tokyo", "도쿄", "โตเกียว", "Токио", "طوكيو"),
    "kyoto": ("京都", "Kyoto", "교토", "เกียวโต"),
    "paris": ("パリ", "Paris", "파리", "巴黎", "Παρίσι", "פריז"),
    "bali": ("バリ", "Bali", "발리"),
    "beijing": ("北京", "Beijing", "베이징", "ปักกิ่ง"),
    "france": ("法国", "フランス", "France", "Frankreich", "프랑스"),
    "revolution": ("法国大革命", "フランス革命", "French Revolution"),
    "jeju": ("제주도", "제주", "Jeju-do"),
    "india": ("인도", "भारत", "India", "ভারত", "อินเดีย"),
    "kim": ("김정은", "Kim Jong-un"),
    "delhi": ("दिल्ली", "Delhi", "दिल्लि"),
    "bangkok": ("กรุงเทพ", "กรุงเทพมหานคร", "Bangkok"),
    "vientiane": ("ວຽງຈັນ", "Vientiane"),
    "phnom penh": ("ភ្នំពេញ", "Phnom Penh"),
    "yangon": ("ရန်ကုန်", "Yangon"),
    "egypt": ("مصر", "Ägypten", "Égypte", "Egypt"),
    "muhammad": ("محمد", "مُحَمَّد"),
    "hanoi": ("Hà Nội", "Đà Nẵng ơi"),
    "istanbul": ("İstanbul", "ıstanbul", "Истанбул"),
    "street": ("Große Straße", "GROẞE STRASSE"),
    "company": ("株式会社", "会社"),
    "jerusalem": ("ירושלים", "יְרוּשָׁלַיִם"),
}
SPACED = " ?!,.、。？・「」(\u200e\u200f\u202b\u202c"
ASIAN = ((0x900, 0x1AB0), (0x1B00, 0x1CD0), (0x3099, 0x309B), (0xA800, 0xAC00), (0x11000, 0x12000))  # their marks are letters
PLAIN = {"ı": "i", "đ": "d", "ى": "ي"}


def obvious(text: str) -> str:
    """A slow oracle: the letters, digits and vowel signs of a text, without accents, case and spaces."""
    kept = ""
    for character in unicodedata.normalize("NFKD", re.sub("[\u0640™℠]", "", text)):
        mark = unicodedata.category(character).startswith("M") and unicodedata.combining(character) != 230
        asian = any(first <= ord(character) < after for first, after in ASIAN)
        if (mark and asian) or character.isalnum():
            kept += PLAIN.get(character.casefold(), character.casefold())
    return unicodedata.normalize("NFC", kept)


@cache
def dictionary(seed: int = 0) -> Dictionary:
    """The names above as a catalogue, in an order that depends on a seed."""
    records = [Entity(name, names[0], names[0], "", names[1:]) for name, names in NAMES.items()]
    random.Random(seed).shuffle(records)
    with TemporaryDirectory() as folder:
        write_catalogue(records, Path(folder) / "catalogue")
        return Dictionary(Catalogue(Path(folder) / "catalogue"))


def found(text: str, seed: int = 0) -> set[tuple[int, int, str]]:
    names = dictionary(seed)
    return {(start, end, names.catalogue[row].id) for start, end, rows in names._names(text) for row in rows}


def longest(text: str) -> list[tuple[str, str]]:
    places = found(text)
    inside = {a for a in places for b in places if a[:2] != b[:2] and b[0] <= a[0] and a[1] <= b[1]}
    return [(text[start:end], entity) for start, end, entity in sorted(places - inside)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京はどこですか", [("東京", "tokyo")]),
        ("北京在哪里", [("北京", "beijing")]),
        ("法国大革命和法国", [("法国大革命", "revolution"), ("法国", "france")]),
        ("パリとバリ", [("パリ", "paris"), ("バリ", "bali")]),
        ("ﾊﾟﾘとﾊﾞﾘ", [("ﾊﾟﾘ", "paris"), ("ﾊﾞﾘ", "bali")]),
        ("กรุงเทพอยู่ที่ไหน", [("กรุงเทพ", "bangkok")]),
        ("ฉันอยากไปกรุงเทพมหานครและโตเกียว", [("กรุงเทพมหานคร", "bangkok"), ("โตเกียว", "tokyo")]),
        ("ວຽງຈັນຢູ່ໃສ", [("ວຽງຈັນ", "vientiane")]),
        ("ភ្នំពេញនៅឯណា", [("ភ្នំពេញ", "phnom penh")]),
        ("ရန်ကုန်ဘယ်မှာလဲ", [("ရန်ကုန်", "yangon")]),
        ("도쿄는 어디예요?", [("도쿄", "tokyo")]),
        ("파리에서 교토까지", [("파리", "paris"), ("교토", "kyoto")]),
        ("제주도는 인도보다 작아요", [("제주도", "jeju"), ("인도", "india")]),
        ("김정은은 누구입니까", [("김정은", "kim")]),
        ("파리바게뜨", []),  # Paris Baguette is another word
        (unicodedata.normalize("NFD", "도쿄는 어디"), [(unicodedata.normalize("NFD", "도쿄"), "tokyo")]),
        ("दिल्ली कहाँ है", [("दिल्ली", "delhi")]),
        ("दलल", []),  # the same consonants, but another word
        ("أين مصـــر؟", [("مصـــر", "egypt")]),
        ("من هو مُحَمَّدٌ", [("مُحَمَّدٌ", "muhammad")]),
        ("איפה \u202bירושלים\u202c?", [("ירושלים", "jerusalem")]),
        ("was kostet ein Haus in der GROSSEN STRASSE", []),
        ("wo ist die GROSSE STRASSE", [("GROSSE STRASSE", "street")]),
        ("istanbul İSTANBUL ISTANBUL", [("istanbul", "istanbul"), ("İSTANBUL", "istanbul"), ("ISTANBUL", "istanbul")]),
        (unicodedata.normalize("NFD", "Hà Nội ở đâu"), [(unicodedata.normalize("NFD", "Hà Nội"), "hanoi")]),
        ("㍿", [("㍿", "company")]),
        ("l'Égypte d’Egypt", [("Égypte", "egypt"), ("Egypt", "egypt")]),
    ],
)
def test_names_inside_words(text, expected):
    assert longest(text) == expected


def test_one_character_or_particle_is_no_name():
    assert not any(is_name(folded(name)) for name in ("京", "が", "กำ"[0], "ยู่", "은", "도"))
    assert is_name(folded("東京"))


WRITTEN = st.sampled_from(
    [str, str, str.upper, str.lower, *(lambda text, form=form: unicodedata.normalize(form, text) for form in ("NFC", "NFD"))]
)
NAME = st.sampled_from([name for names in NAMES.values() for name in names])
BETWEEN = st.text(alphabet=st.sampled_from(SPACED + "のはใน的在는도에서은aé1ßา่\u0301\u3099\u0640\u200d㍿½ﬁç🌍"), max_size=4)
ANY = st.text(max_size=3)
TEXTS = st.lists(st.one_of(st.builds(lambda name, write: write(name), NAME, WRITTEN), BETWEEN, BETWEEN, ANY), max_size=8).map(
    "".join
)


def check_places(text: str) -> None:
    """Every match is a name of its entity, without space around it, and the same in a catalogue in another order."""
    matches = found(text)
    assert matches == found(text, seed=1)
    for start, end, entity in matches:
        assert 0 <= start < end <= len(text)
        assert obvious(text[start:end]) in {obvious(name) for name in NAMES[entity]}, text[start:end]
        assert not HIDDEN.match(text[start])
        assert not text[start:end][:: end - start - 1 or 1].isspace()


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_no_place_is_wrong_in_mixed_scripts(text):
    check_places(text)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(NAME, WRITTEN), min_size=1, max_size=4), st.sampled_from([" ", ", ", "\u200f ", "? ", "、"]))
def test_every_name_is_found_where_it_stands(said, sign):
    text, places = "", []
    for name, write in said:
        start = len(text)
        text += write(name)
        places.append((start, len(text)))
        text += sign
    assert {*places} <= {(start, end) for start, end, _ in found(text)}


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_a_token_begins_and_ends_where_a_name_does(text):
    tokens = QuestionTokenizer(tiny_tokenizer())([text], cuts=[dictionary().cuts(text)])
    offsets, inside = tokens.offsets[0], tokens.text_mask[0].tolist()
    for start, end, _ in found(text) if dictionary().cuts(text) else ():
        if (span := token_span(Mention(start, end, None), offsets, inside)) is not None:
            said = text[offsets[span[0]][0] : offsets[span[1] - 1][1]]
            while unicodedata.category(said[-1])[0] == "M" and obvious(said) != obvious(text[start:end]):
                said = said[:-1]  # a mark of another script
            assert obvious(said) == obvious(text[start:end]), (said, text[start:end])


def test_a_name_in_a_word_without_spaces_is_a_span_of_tokens():
    text = "Titanicの監督はโตเกียวで"
    assert dictionary().cuts(text) == {11, 18}
    plain = QuestionTokenizer(tiny_tokenizer())([text]).offsets[0]
    cut = QuestionTokenizer(tiny_tokenizer())([text], cuts=[{7, 11, 18}]).offsets[0]
    assert not any(11 in place for place in plain)
    assert {7, 11, 18} <= {side for place in cut for side in place}


def test_words_of_indic_scripts_keep_their_vowel_signs():
    assert [word.text for word in words("दिल्ली নয়াদিল্লি")] == [folded("दिल्ली"), folded("নয়াদিল্লি")]
    assert folded("दिल्ली") != folded("दलल")


if __name__ == "__main__":  # python -m tests.names.test_scripts 100000
    settings(deadline=None, max_examples=int(sys.argv[1]), database=None)(given(TEXTS)(check_places))()
    print("no wrong place")

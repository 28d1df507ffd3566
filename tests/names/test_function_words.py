"""Function words of several languages: no names in a text of their language, and names in an English text."""

import pytest

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.names.dictionary import Dictionary
from elq.names.function_words import FOREIGN, LISTS
from elq.names.surface import FUNCTION_WORDS
from elq.names.words import folded
from elq.types import Entity

NAMES = ("LA", "Die", "War", "MIT", "Es", "Me", "Die Hard", "La La Land", "Das ist", "Из", "什么", "怎么样", "De la Torre")


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory) -> Dictionary:
    path = tmp_path_factory.mktemp("function_words") / "catalogue"
    write_catalogue([Entity(name, name, name) for name in NAMES], path)
    return Dictionary(Catalogue(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where is la", ["la"]),
        ("la", ["la"]),
        ("weather la", ["la"]),
        ("who died in the war", ["war"]),
        ("who sang die for me", ["die"]),  # "me" is an English function word
        ("is mit in la", ["mit", "la"]),
        ("was ist die Hauptstadt von Polen", []),
        ("Die Stadt war mit der Bahn zu erreichen", []),
        ("wer schrieb Es", ["Es"]),
        ("wer hat Es geschrieben und was ist die Handlung", ["Es"]),
        ("wo ist das MIT", ["MIT"]),
        ("WO IST DAS MIT", []),
        ("wer war in die hard mit dabei", ["die hard"]),  # a name of several words
        ("cuál es la moneda de Cuba", []),
        ("¿Cuál es la capital de LA?", ["LA"]),
        ("quien sale en la la land", ["la la land"]),
        ("qui est l'auteur de la Joconde", []),
        ("qual è la capitale", []),
        ("wie is de koning van het land", []),
        ("qual é a capital do país", []),
        ("из какого города Пушкин", []),
        ("你在做什么", []),
        ("天气怎么样", []),
    ],
)
def test_a_function_word_is_no_name_in_its_language(text, expected, dictionary):
    places = {(start, end) for start, end, _ in dictionary.matches(text)}
    inside = {a for a in places for b in places if a != b and b[0] <= a[0] and a[1] <= b[1]}
    assert [text[start:end] for start, end in sorted(places - inside)] == expected


def test_the_lists_are_folded_and_have_no_english_function_word():
    for word in " ".join(LISTS.values()).split():
        assert folded(word).lower() == word
    assert not FOREIGN & FUNCTION_WORDS
    assert all(len(words.split()) == len(set(words.split())) for words in LISTS.values())


def test_several_words_that_say_nothing_are_no_part_of_a_name(dictionary):
    keys = [key for *_, key in dictionary._phrases("cómo es de la torre")]
    assert "de la" not in keys
    assert {"de la torre", "la torre"} <= {*keys}
    assert "de la" in [key for *_, key in dictionary._phrases("who is in the de la band")]

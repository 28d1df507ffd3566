"""Tests of the dictionary and the baseline: which name is chosen, and where it is in the original text."""

import json
import unicodedata
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import read_entities
from elq.evaluation.evaluate import evaluate_links
from elq.names.baseline import LongestName
from elq.names.dictionary import Dictionary, span_texts
from elq.names.words import folded, words
from elq.tensors import Spans
from elq.types import Entity, Link, Mention, Question

SHARED = Path(__file__).parents[3] / "shared"
Build = Callable[..., Dictionary]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(*entities: Entity) -> Dictionary:
        write_catalogue(entities, tmp_path / "catalogue")
        return Dictionary(Catalogue(tmp_path / "catalogue"))

    return build


def entity(identity: str, name: str, *aliases: str, label: str = "") -> Entity:
    return Entity(identity, name, label or name, f"about {name}", aliases)


def found(dictionary: Dictionary, text: str) -> list[tuple[str, str]]:
    return [(link.mention, link.entity) for link in LongestName(dictionary).link(text)]


def test_a_link_carries_the_record_and_the_place(build: Build) -> None:
    dictionary = build(entity("Q1", "Titanic (1997 film)", "Titan", label="Titanic"))
    expected = Link(9, 16, "TITANIC", "Q1", "Titanic (1997 film)", "about Titanic (1997 film)", 0.0)
    assert LongestName(dictionary).link("who made TITANIC?") == [expected]


@pytest.mark.parametrize("name", ["Titanic (1997 film", "titanic 1997 FILM", "Titanic", "titan"])
def test_title_label_and_alias_are_names(build: Build, name: str) -> None:
    dictionary = build(entity("Q1", "Titanic (1997 film)", "Titan", label="Titanic"))
    assert found(dictionary, f"who made the {name}), of course") == [(name, "Q1")]


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("where was BEYONCÉ born", "BEYONCÉ"),
        ("where was beyonce born", "beyonce"),
        ("where was beyonce\u0301 born", "beyonce\u0301"),
        ("where was beyoncé's mother born", "beyoncé"),
        ("beyonce’s mother", "beyonce"),
        ("(beyonce)", "beyonce"),
        ("beyonceish", None),
        ("robeyonce", None),
    ],
)
def test_case_accents_and_possessives_do_not_matter_but_word_borders_do(build: Build, text: str, mention: str | None) -> None:
    assert found(build(entity("Q1", "Beyoncé")), text) == ([(mention, "Q1")] if mention else [])


@pytest.mark.parametrize("text", ["AC/DC", "ac dc", "Ac-Dc!", "ac\n  dc"])
def test_punctuation_and_spacing_do_not_matter(build: Build, text: str) -> None:
    assert len(LongestName(build(entity("Q1", "AC/DC"))).link(f"who sang in {text}")) == 1


def test_the_longest_wins_and_then_the_earliest(build: Build) -> None:
    dictionary = build(entity("Q1", "York"), entity("Q2", "New York City"), entity("Q3", "Rome"))
    assert found(dictionary, "is rome older than new york city") == [("new york city", "Q2")]
    assert found(dictionary, "is rome older than new york") == [("rome", "Q3")]
    assert found(dictionary, "is york older than rome") == [("york", "Q1")]


def test_longest_counts_characters_not_words(build: Build) -> None:
    dictionary = build(entity("Q1", "a b c"), entity("Q2", "Constantinople"))
    assert found(dictionary, "a b c constantinople") == [("constantinople", "Q2")]


def test_the_lowest_number_wins_whatever_the_order_of_rows(build: Build) -> None:
    assert found(build(entity("Q100", "Paris"), entity("Q90", "paris"), entity("Q9000", "X", "Paris")), "paris") == [
        ("paris", "Q90")
    ]


def test_other_ids_go_by_row_and_after_wikidata_ids(build: Build) -> None:
    own = (entity("b", "Paris"), entity("a", "Paris"), entity("Q", "Paris"))
    assert found(build(*own), "paris") == [("paris", "b")]
    assert found(build(*own, entity("Q90", "Paris")), "paris") == [("paris", "Q90")]


def test_an_id_of_any_length_is_one(build: Build) -> None:
    long = entity("Q" + "9" * 5_000, "Paris")
    assert found(build(long, entity("Q90", "Paris")), "paris") == [("paris", "Q90")]
    assert found(build(long, entity("b", "Paris")), "paris")[0][1] == long.id


def test_no_name_ends_within_a_character(build: Build) -> None:
    dictionary = build(entity("Q1", "81"), entity("Q2", "8½"))  # "½" is "1⁄2", two words
    assert dictionary.spans_of("who directed 8½", 0) == []
    assert dictionary.spans_of("who directed 8½", 1) == [(13, 15)]
    assert found(dictionary, "who directed 8½") == [("8½", "Q2")]


def test_a_single_letter_or_function_word_is_no_name(build: Build) -> None:
    dictionary = build(entity("Q1", "WHO", "The Who"), entity("Q2", "S"), entity("Q3", "India", "IN"), entity("Q4", "🌍", "?"))
    assert found(dictionary, "who is in bob's house 🌍?") == []
    assert found(dictionary, "who are the who") == [("the who", "Q1")]


def test_no_match_and_no_text(build: Build) -> None:
    assert LongestName(build(entity("Q1", "Paris"))).link("where is rome") == []
    assert LongestName(build(entity("Q1", "Paris"))).link("") == []


def test_several_texts_give_a_list_each(build: Build) -> None:
    dictionary = build(entity("Q1", "Paris"))
    texts = ["where is paris", "where is rome", "paris?"]
    assert (
        LongestName(dictionary).link(texts)
        == LongestName(dictionary).link(tuple(texts))
        == [LongestName(dictionary).link(text) for text in texts]
    )
    assert LongestName(dictionary).link([]) == []


BEFORE = [
    "👩🏽‍🚀 ",
    "e\u0301\u0323te\u0301 ",
    "Straße ",
    "ﬁn ½ ",
    "İstanbul ",
    "\u0301",
    "日本 ",
    "한국 ",
    "हिन्दी ",
    "\x00 ",
    "❤️",
    "",
]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", ["Zoë", "zoe\u0308", "ZOE"])
def test_offsets_are_those_of_the_original(build: Build, before: str, name: str) -> None:
    text = f"{before}{name}'s \u0301dog"
    [link] = LongestName(build(entity("Q1", "Zoë"))).link(text)
    assert (link.start, link.end, link.mention) == (len(before), len(before) + len(name), name)


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("aé\u0301ßﬁİ 's👩🏽‍"))))
def test_words_lie_in_the_text_in_order_and_ignore_case_and_composition(text: str) -> None:
    cut = words(text)
    assert all(0 <= word.start < word.end <= len(text) for word in cut)
    assert [word.start for word in cut] == sorted(word.start for word in cut)
    assert [word.end for word in cut] == sorted(word.end for word in cut)
    composed = unicodedata.normalize("NFC", text)
    decomposed = unicodedata.normalize("NFD", text)
    assert [word.text for word in words(composed)] == [word.text for word in words(decomposed)]
    if text.isascii():
        assert [word.text for word in words(text.upper())] == [word.text for word in words(text)]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("aé\u0301ßﬁİıΣς 's👩🏽‍"))))
def test_a_folded_name_is_its_words(name):
    assert folded(name).casefold() == " ".join(word.text for word in words(name))


@settings(deadline=None)
@given(
    st.text(alphabet="ké ' ", max_size=12), st.lists(st.text(alphabet="ke ", min_size=1, max_size=5), min_size=1, max_size=5)
)
def test_the_link_equals_the_slow_oracle(tmp_path_factory: pytest.TempPathFactory, text: str, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("dictionary") / "catalogue"
    write_catalogue([entity(f"Q{90 - row}", name) for row, name in enumerate(names)], path)
    keys = {" ".join(name.split()): f"Q{90 - row}" for row, name in enumerate(names)}  # the last row has the lowest number
    plain = text.replace("é", "e")

    def border(place: int) -> bool:
        return not (plain[:place][-1:].isalnum() and plain[place : place + 1].isalnum())

    matches = []
    for start, end in combinations(range(len(text) + 1), 2):
        key = " ".join(plain[start:end].replace("'", " ").split())
        tight = plain[start].isalnum() and plain[end - 1].isalnum()
        if tight and border(start) and border(end) and key in keys and len(key) > 1:
            matches.append((start - end, start, text[start:end], keys[key]))
    assert found(Dictionary(Catalogue(path)), text) == [match[2:] for match in sorted(matches)[:1]]


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "catalogue").is_dir(), reason="the shared data folder is not there")
def test_the_baseline_reaches_its_known_quality(tmp_path: Path) -> None:
    write_catalogue(read_entities(SHARED / "catalogue" / "wikidata_154k.jsonl"), tmp_path / "catalogue")
    records = map(json.loads, (SHARED / "questions" / "webqsp_dev.jsonl").read_text().splitlines())
    questions = [
        Question(
            record["id"],
            record["text"],
            tuple(Mention(mention["start"], mention["end"], mention["entity"]) for mention in record["mentions"]),
            tuple(record["other_entities"]),
        )
        for record in records
    ]
    links = LongestName(Dictionary(Catalogue(tmp_path / "catalogue"))).link([question.text for question in questions])
    results = evaluate_links(questions, links)
    assert results["questions_in_catalogue"] == 493
    assert results["set_in_catalogue_micro_f1"] >= 0.65


def test_named_spans_are_the_names_in_the_text(entities, tokenizer):
    texts = ["who is paris, texas", "the queen", "PARIS"]
    tokens = tokenizer(texts)
    grid = Dictionary(entities.catalogue).named(texts, tokens, 4) == 1
    assert grid.shape == (*tokens.ids.shape, 4)
    found = [(b, texts[b][tokens.offsets[b][t][0] : tokens.offsets[b][t + n][1]]) for b, t, n in grid.nonzero().tolist()]
    assert found == [(0, "paris"), (0, "paris, texas"), (1, "queen"), (2, "PARIS")]
    short = Dictionary(entities.catalogue).named(texts, tokens, 2) == 1  # "paris, texas" has three tokens
    assert short.nonzero().tolist() == [cell for cell in grid.nonzero().tolist() if cell[2] < 2]


def test_span_texts_are_the_characters_of_the_spans(tokenizer):
    texts = ["who is paris, texas?", "Queen"]
    spans = Spans(torch.tensor([0, 1, 0]), torch.tensor([3, 1, 5]), torch.tensor([6, 2, 6]))
    assert span_texts(texts, tokenizer(texts), spans) == ["paris, texas", "Queen", "texas"]

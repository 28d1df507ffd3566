"""Template sentences in five languages: each parses, each kind has some, and questions have exact places."""

import json

import pytest

from elq.commands import run
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.errors import ElqError
from elq.questions.frames import LANGUAGES, ROOT, load_frames
from elq.questions.templates import template_questions
from elq.types import Entity

MARKS = {"en": "?", "de": "?", "es": "?", "fr": " ?", "zh": "？"}
RECORDS = (
    Entity("Q90", "Paris", "Paris", "city in France", ("París", "巴黎")),
    Entity("Q142", "France", "France", "country in Europe", ("Frankreich", "法国")),
    Entity("Q29", "Spain", "España", "country in Europe", ("Spanien", "西班牙")),
    Entity("Q79", "Egypt", "Égypte", "country in Africa", ("Ägypten", "埃及")),
    Entity("Q5879", "Goethe", "Goethe", "writer", ("歌德",)),
    Entity("Q44578", "Titanic", "Titanic", "1997 film"),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Catalogue:
    path = tmp_path_factory.mktemp("frames") / "catalogue"
    write_catalogue(RECORDS, path)
    return Catalogue(path)


def test_there_are_five_languages():
    assert LANGUAGES == ("de", "en", "es", "fr", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_has_sentences_in_every_language(language):
    frames, english = load_frames(languages=[language]), load_frames()
    assert frames.parents == english.parents
    assert frames.keywords == english.keywords
    assert all(len(frames.single[kind]) >= 5 and frames.pairs[kind] for kind in frames.parents)
    assert len(frames.no_mention) >= 48
    every = [frame for table in (frames.single, frames.pairs) for kind in frames.parents for frame in table[kind]]
    assert {frame.language for frame in every} == {language}
    assert {frame.mark for frame in every if frame.asks} == {MARKS[language]}
    assert all(frame.parts[0].startswith("¿") == frame.asks for frame in every if language == "es")


def test_several_languages_are_added_up():
    both = load_frames(languages=["de", "zh"])
    assert len(both.single[ROOT]) == sum(len(load_frames(languages=[one]).single[ROOT]) for one in ("de", "zh"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_places_of_names_are_exact(language, catalogue):
    names = {entity.id: {entity.label, *entity.aliases} for entity in RECORDS}
    knobs = {"lower_case": 0.0, "misspelling": 0.0, "bare_possessive": 0.0}
    for question in template_questions(catalogue, 300, languages=[language], **knobs):
        assert question.text.startswith("¿") == (language == "es" and question.text.endswith("?"))
        for mention in question.mentions:
            assert question.text[mention.start : mention.end] in names[mention.entity]


def test_names_are_in_the_script_of_the_sentence(catalogue):
    def said(language: str) -> set[str]:
        made = template_questions(catalogue, 300, languages=[language], lower_case=0, misspelling=0)
        return {question.text[mention.start : mention.end] for question in made for mention in question.mentions}

    assert said("zh") == {"巴黎", "法国", "西班牙", "埃及", "歌德", "Titanic"}
    assert not {"巴黎", "法国", "西班牙", "埃及", "歌德"} & said("de")


def test_french_sentences_elide_before_a_vowel(catalogue):
    made = [question.text for question in template_questions(catalogue, 400, languages=["fr"], lower_case=0, misspelling=0)]
    assert any("d'Égypte" in text for text in made)
    assert not any("de Égypte" in text or "de España" in text for text in made)
    spanish = [question.text for question in template_questions(catalogue, 400, languages=["es"], lower_case=0, misspelling=0)]
    assert any("de España" in text for text in spanish)


def test_english_stays_as_it_was(catalogue):
    assert [*template_questions(catalogue, 200)] == [*template_questions(catalogue, 200, languages=["en"])]


@pytest.mark.parametrize(("languages", "says"), [(["xx"], "'xx'"), ([], "no language")])
def test_an_unknown_language_is_refused(languages, says):
    with pytest.raises(ElqError, match=says):
        load_frames(languages=languages)


def test_the_command_writes_the_languages(tmp_path, capsys):
    catalogue, output = tmp_path / "c.jsonl", tmp_path / "questions.jsonl"
    records = [{"id": each.id, "title": each.title, "description": each.description} for each in RECORDS]
    catalogue.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    arguments = ["--catalogue", str(catalogue), "--output", str(output), "--count", "50"]
    assert run("templates", [*arguments, "--language", "de, zh"]) == 0
    text = output.read_text(encoding="utf-8")
    assert "是" in text
    assert "Wie" in text or "wie" in text
    assert run("templates", [*arguments, "--language", "klingon"]) == 2
    assert "klingon" in capsys.readouterr().err

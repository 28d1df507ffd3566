"""Articles of Wikipedia become records, and their links training questions with exact places."""

import json

import pytest

from elq.commands import sources
from elq.errors import ElqError
from elq.questions.annotated import read_questions
from elq.sources.article_links import article_questions
from elq.sources.kinds import kind_of
from elq.sources.source import Skips
from tests.sources.reading import read, written

WIKI = "https://en.wikipedia.org/wiki/"


def article(number, name, item, paragraph="", links=(), **more):
    part = {"type": "paragraph", "value": paragraph, "links": [{"url": url, "text": text} for text, url in links]}
    inner = {"type": "section", "name": "History", "has_parts": [part]}
    return {
        "name": name,
        "identifier": number,
        "url": WIKI + name.replace(" ", "_"),
        "main_entity": {"identifier": item, "url": f"http://www.wikidata.org/entity/{item}"} if item else None,
        "in_language": {"identifier": "en"},
        "sections": [{"type": "section", "name": "Abstract", "has_parts": [inner]}],
        **more,
    }


ARTICLES = [
    article(
        1,
        "Titanic (1997 film)",
        "Q44578",
        "Titanic is a film by James Cameron about the Titanic, shown in Paris and Atlantis.",
        [
            ("James Cameron", WIKI + "James_Cameron"),
            ("Titanic", WIKI + "RMS_Titanic"),
            ("Paris", "./Paris#History"),
            ("Atlantis", WIKI + "Atlantis"),
            ("[1]", "#cite_note-1"),
            ("a map", WIKI + "File:Map.png"),
            ("missing", WIKI + "Paris"),
        ],
        abstract="Titanic is a film.\nIt is long.",
        description="1997 film",
        redirects=[{"name": "Titanic 1997", "url": WIKI + "Titanic_1997"}, {"name": "Titanic (1997 film)"}],
        infoboxes=[{"name": "Infobox film", "type": "infobox"}],
    ),
    article(2, "Titanic", "Q25173", redirects=[{"name": "RMS Titanic"}], abstract="A ship."),
    article(3, "Paris", "Q90", "Paris is on the Seine.", [("Seine", WIKI + "Seine")]),
    article(4, "James Cameron", "Q42574"),
    article(5, "No item", None),
]


@pytest.fixture
def file(tmp_path):
    lines = [json.dumps(one, ensure_ascii=False) for one in ARTICLES]
    return written(tmp_path / "articles.jsonl", "\n".join([*lines, lines[0][:100]]))


def test_articles_become_records(file):
    assert kind_of(file) == "wikipedia"
    records, skips = read(file)
    assert records["Q44578"] == {
        "id": "Q44578",
        "title": "Titanic (1997 film)",
        "label": "Titanic (1997 film)",
        "description": "1997 film",
        "aliases": ["Titanic 1997"],
        "types": ["film"],
        "popularity": 0,
        "url": WIKI + "Titanic_(1997_film)",
    }
    assert records["Q25173"]["description"] == "A ship."
    assert skips.content() == {
        "without a Wikidata item": (1, "line 5: 'No item'"),
        "in lines that are not valid JSON, which are cut or damaged": (1, "line 6"),
    }


def test_the_first_paragraph_can_be_the_description(file):
    assert read(file, columns={"description": "abstract"})[0]["Q44578"]["description"] == "Titanic is a film. It is long."
    with pytest.raises(ElqError, match="only the description can be chosen"):
        read(file, columns={"title": "name"})


def test_links_become_mentions_at_their_places(file):
    skips = Skips()
    [question] = article_questions(file, skips)
    found = {(question.text[m.start : m.end], m.start, m.entity) for m in question.mentions}
    assert found == {("James Cameron", 21, "Q42574"), ("Titanic", 45, "Q25173"), ("Paris", 63, "Q90"), ("Atlantis", 73, None)}
    assert question.id == "1-1"
    assert skips.counts["links whose words are not in their paragraph (the paragraphs are kept)"] == 1


def test_the_command_writes_a_question_file(file, tmp_path, capsys):
    catalogue = written(tmp_path / "c.jsonl", '{"id": "Q90", "title": "Paris"}\n')
    sources.links([str(file), "--output", str(tmp_path / "q.jsonl"), "--catalogue", str(catalogue)])
    [question] = read_questions(tmp_path / "q.jsonl")
    assert [mention.entity for mention in question.mentions] == [None, None, "Q90", None]
    assert "1 questions with 4 mentions" in capsys.readouterr().out


def test_articles_without_links_and_other_files_are_one_sentence(tmp_path):
    bare = written(tmp_path / "bare.jsonl", json.dumps(ARTICLES[3]))
    with pytest.raises(ElqError, match="no paragraph with a link to an entity"):
        sources.links([str(bare), "--output", str(tmp_path / "q.jsonl")])
    assert not (tmp_path / "q.jsonl").exists()
    with pytest.raises(ElqError, match="neither of the keys name and main_entity"):
        read(written(tmp_path / "other.jsonl", '{"id": 1}\n'), kind="wikipedia")
    with pytest.raises(ElqError, match="not valid JSON"):
        read(written(tmp_path / "cut.jsonl", '{"name": "a'), kind="wikipedia")

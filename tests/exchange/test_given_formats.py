"""BLINK, AIDA-CoNLL and ZESHEL: what stands in the files becomes texts, characters and ids of the catalogue."""

import gzip
import json
from pathlib import Path

import pytest

from elq import ElqError, Mention
from elq.commands import run
from elq.commands.question_sources import read_annotated
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.exchange.gold import GivenQuestion, Gold, found_in
from elq.exchange.question_formats import guessed_format, read_given
from elq.questions.annotated import read_questions
from elq.types import Entity
from tests.conftest import write_lines

CONLL = """-DOCSTART- (7 ZORK)
Mo\tB\tMo Lin\tMo_Lin\thttp://en.wikipedia.org/wiki/Mo_Lin\t12\t/m/0a
Lin\tI\tMo Lin\tMo_Lin\thttp://en.wikipedia.org/wiki/Mo_Lin\t12\t/m/0a
saw
Caf\u00e9\tB\tCaf\u00e9\tCaf\\u00e9_\\u0028bar\\u0029\thttp://en.wikipedia.org/wiki/Caf%C3%A9_(bar)\t13
.

Mo\tB\tMo\t--NME--
Mo\tB\tMo Lin\tMo_Lin\thttp://en.wikipedia.org/wiki/Mo_Lin\t12
Lin\tI\tMo Lin\tMo_Lin\thttp://en.wikipedia.org/wiki/Mo_Lin\t12

-DOCSTART- (8testa NIX)
Nothing
here
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Catalogue:
    records = [
        Entity("Q5", "Mo Lin", "Mo"),
        Entity("Q6", "Caf\u00e9 (bar)", "Caf\u00e9"),
        Entity("12", "Zork", "Zork"),
        Entity("Q8", "Twin", "Twin"),
        Entity("Q9", "Twin", "Twin"),
        Entity("Q10", "eBay", "eBay"),
    ]
    path = tmp_path_factory.mktemp("gold") / "catalogue.arrow"
    write_catalogue(records, path)
    return Catalogue(path)


def test_aida_becomes_texts_of_tokens_with_single_spaces(tmp_path, catalogue, caplog):
    (tmp_path / "a.conll").write_text(CONLL, encoding="utf-8")
    first, second = read_given(tmp_path / "a.conll", "aida", catalogue)
    assert first.text == "Mo Lin saw Caf\u00e9 . Mo Mo Lin"
    assert (first.id, second.id) == ("7 ZORK", "8testa NIX")
    assert [(first.text[m.start : m.end], m.entity) for m in first.mentions] == [
        *(("Mo Lin", "Q5"), ("Caf\u00e9", "Q6"), ("Mo", None), ("Mo Lin", "Q5"))
    ]
    assert first.given == tuple((m.start, m.end) for m in first.mentions)
    assert (second.text, second.mentions) == ("Nothing here", ())
    assert "lacks" not in caplog.text


def test_an_inside_tag_without_a_beginning_begins_a_mention(tmp_path):
    lines = [
        "-DOCSTART- (1 A)",
        "Mo\tI\tMo\tMo",
        "Lin\tI\tLin\tLin",
        "so\tO",
        "Mo\tI\tMo Lin\tMo_Lin",
        "",
        "Lin\tI\tMo Lin\tMo_Lin",
    ]
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress("\r\n".join(lines).encode()))
    [question] = read_given(tmp_path / "a.tsv.gz", "aida")
    assert question.mentions == (
        Mention(0, 2, "Mo"),
        Mention(3, 6, "Lin"),
        Mention(10, 12, "Mo Lin"),
        Mention(13, 16, "Mo Lin"),
    )
    assert guessed_format(tmp_path / "a.tsv.gz") == "aida"


BLINK = [
    {
        "context_left": "who saw ",
        "mention": "mo",
        "context_right": "?",
        "label_id": "Q5",
        "label_title": "Mo Lin",
        "world": "w",
    },
    {"context_left": "who saw", "mention": "mo", "context_right": "lin today", "Wikipedia_title": "mo_Lin", "query_id": "a:1"},
    {"context_left": "\u5728", "mention": "\u5df4\u9ece", "context_right": "\u7684", "label_id": -1, "label": "unknown"},
    {"context_left": "(", "mention": "mo", "context_right": "'s", "label_id": 12, "label_title": "Mo Lin"},
    {"context_left": "", "mention": "zork", "context_right": "", "label_id": 12, "label": "a long description" * 20},
    {"context_left": "", "mention": "twin", "context_right": "", "label_title": "Twin"},
    {"context_left": "", "mention": "ebay", "context_right": "", "label": "eBay"},
    {"context_left": "", "mention": "nix", "context_right": "", "label_title": "Nix", "label_id": 77},
]


def test_blink_becomes_one_text_for_each_mention(tmp_path, catalogue, caplog):
    file = write_lines(tmp_path / "b.jsonl", BLINK)
    assert guessed_format(file) == "blink"
    questions = read_given(file, "blink", catalogue)
    texts = ["who saw mo?", "who saw mo lin today", "\u5728\u5df4\u9ece\u7684", "(mo's", "zork", "twin", "ebay", "nix"]
    assert [one.text for one in questions] == texts
    assert [one.text[slice(*one.given[0])] for one in questions] == [record["mention"] for record in BLINK]
    assert [one.mentions[0].entity for one in questions] == ["Q5", "Q5", None, "Q5", "12", "Q8", "Q10", None]
    assert [(one.id, one.world) for one in questions[:2]] == [("1", "w"), ("a:1", "")]
    assert f"{file}: of 8 mentions, 2 have an entity that was found by its id, 4 one found by its title" in caplog.text
    assert "and 1 have none in the file; 1 titles belong to several entities, such as 'Twin': the first counts" in caplog.text
    assert "1 have an entity that the catalogue lacks, such as 'Nix': null" in caplog.text


def test_an_array_of_blink_is_read_too(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(BLINK[:2]))
    assert [one.text for one in read_annotated(str(tmp_path / "b.json"))] == ["who saw mo?", "who saw mo lin today"]


def test_a_removed_entity_has_no_title_any_more(catalogue):
    gold = Gold(titles=("Twin",))
    assert found_in(catalogue, [gold])[gold] == ("Q8", "several")
    less = Catalogue(catalogue.folder / "catalogue.arrow", removed=frozenset({3}))
    assert found_in(less, [gold])[gold] == ("Q9", "title")
    assert less.titled(["Twin", "Mo Lin", "no"]) == [0, 4]


def zeshel(folder: Path) -> Path:
    """Two worlds, with mentions in three documents."""
    (folder / "documents").mkdir(parents=True)
    (folder / "mentions").mkdir()
    alpha = [("d1", "Mo", "Mo Mo  is\ta smith ."), ("d2", "Lin", "Lin met Mo the  Old in Zork")]
    for world, documents in (("alpha", alpha), ("beta", [("d1b", "Mo", "Mo of beta")])):
        records = [{"title": title, "text": text, "document_id": one} for one, title, text in documents]
        write_lines(folder / "documents" / f"{world}.json", records)
    mentions = [("d2", 2, 4, "d1", "alpha", "mo the old"), ("d2", 6, 6, "d9", "alpha", "other")]
    mentions += [("d1", 0, 0, "d2", "alpha", "mo"), ("d1b", 0, 0, "d1b", "beta", "Mo")]
    keys = ("context_document_id", "start_index", "end_index", "label_document_id", "corpus", "text")
    records = [{"mention_id": str(n), "category": "x", **dict(zip(keys, one, strict=True))} for n, one in enumerate(mentions)]
    return write_lines(folder / "mentions" / "val.json", records)


def test_zeshel_becomes_documents_with_mentions_of_whole_words(tmp_path, caplog):
    file = zeshel(tmp_path)
    assert guessed_format(file) == "zeshel"
    questions = read_given(file, "zeshel")
    assert [(one.id, one.world) for one in questions] == [("d2", "alpha"), ("d1", "alpha"), ("d1b", "beta")]
    assert questions[0].text == "Lin met Mo the  Old in Zork"
    assert [(questions[0].text[m.start : m.end], m.entity) for m in questions[0].mentions] == [
        ("Mo the  Old", "d1"),
        ("Zork", "d9"),
    ]
    assert "for 1 of 4 mentions, the text is not that of the words from start_index to end_index, which count" in caplog.text


def test_a_world_of_zeshel_is_a_catalogue(tmp_path, caplog):
    file = zeshel(tmp_path)
    assert run("catalogue", [str(tmp_path / "documents"), "--output", str(tmp_path / "c.parquet")]) == 0
    from elq.entities.catalogue_files import read_entities

    records = {one.id: one for one in read_entities(str(tmp_path / "c.parquet"))}
    assert records["d1"] == Entity("d1", "Mo", "Mo", "Mo is a smith .", types=("alpha",))
    assert records["d1b"].types == ("beta",)
    output = tmp_path / "q.jsonl"
    assert run("questions", [str(file), "--output", str(output), "--catalogue", str(tmp_path / "c.parquet")]) == 0
    assert [m.entity for one in read_questions(output) for m in one.mentions] == ["d1", None, "d2", "d1b"]


def test_questions_become_lines_of_blink_and_back(tmp_path, question_file):
    output = tmp_path / "q.blink.jsonl"
    assert run("questions", [str(question_file), "--output", str(output)]) == 0
    back, before = read_given(output, "blink"), read_questions(question_file)
    assert [(one.id, one.text, one.mentions) for one in back] == [(one.id, one.text, one.mentions) for one in before]


def test_predict_links_the_given_mentions_only(tmp_path):
    file = write_lines(tmp_path / "b.jsonl", [{**BLINK[0], "mention": "paris"}, {**BLINK[1], "context_left": "paris and"}])
    model = str(Path(__file__).parents[1] / "data" / "format4" / "model")
    assert run("predict", ["--input", str(file), "--model", model, "--output", str(tmp_path / "l.jsonl")]) == 0
    links = [json.loads(line)["links"] for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert [[(one["start"], one["end"]) for one in of_text] for of_text in links] == [[(8, 13)], [(10, 12)]]


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        (
            "blink",
            '{"context_left": "", "mention": "mo"}',
            "line 1: context_right is None (the keys are context_left, mention)",
        ),
        ("blink", '{"context_left": "", "mention": " ", "context_right": ""}', "line 1: the mention is ' ', but must have a"),
        (
            "blink",
            '{"context_left": 1, "mention": "mo", "context_right": ""}',
            "line 1: context_left is 1, but must be a string",
        ),
        ("blink", "", "contains no texts, but at least one is needed"),
        ("aida", "Mo\n", "line 1: the file begins with 'Mo', but must begin with -DOCSTART-"),
        ("aida", "-DOCSTART- (1)\nMo\tB\tMo\n", "line 2: the line is 'Mo\\tB\\tMo', but must be a token, or behind tabs"),
        ("aida", "-DOCSTART- (1)\nMo Lin\n", "line 2: the line is 'Mo Lin', but must be a token"),
        ("aida", "-DOCSTART- (1)\nMo\tX\tMo\tMo\n", "line 2: the line is 'Mo\\tX\\tMo\\tMo', but must be a token"),
        ("zeshel", '{"corpus": "w"}', "line 1: context_document_id is None, but must be a text (the keys are corpus)"),
    ],
)
def test_a_bad_line_is_one_sentence(form, content, said, tmp_path, capsys):
    (tmp_path / "bad").write_text(content)
    arguments = [
        "--questions",
        str(tmp_path / "bad"),
        "--format",
        form,
        "--model",
        "none",
        "--catalogue",
        str(tmp_path / "bad"),
    ]
    assert run("evaluate", arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_bad_lines_of_these_formats_cannot_be_skipped(tmp_path, capsys):
    file = write_lines(tmp_path / "b.jsonl", [{"context_left": "", "mention": "mo", "context_right": ""}])
    assert run("predict", ["--input", str(file), "--skip-bad-lines"]) == 2
    assert "b.jsonl is in the format blink, of which no line can be left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end_index": 9}, "the mention has the words 6 to 9, but its document has 7 words, counted from 0"),
        ({"start_index": "0"}, "start_index is '0', but must be a whole number"),
        ({"context_document_id": "no"}, "the document 'no' is not in documents/alpha.json"),
        ({"corpus": "../alpha"}, "the documents of the world '../alpha' are not at"),
    ],
)
def test_a_bad_mention_of_zeshel_is_one_sentence(change, said, tmp_path):
    file = zeshel(tmp_path)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    write_lines(file, [records[0], records[1] | change])
    with pytest.raises(ElqError, match=r"line 2|val\.json") as error:
        read_given(file, "zeshel")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_elqs_own_files_are_not_taken_for_another_format(tmp_path, question_file):
    write_lines(tmp_path / "q.jsonl", [{"text": 'is "context_left": and "context_right": and "mention": a key?'}])
    assert guessed_format(tmp_path / "q.jsonl") == guessed_format(question_file) == guessed_format("none") == "annotated"
    assert not any(isinstance(one, GivenQuestion) for one in read_annotated(str(question_file)))

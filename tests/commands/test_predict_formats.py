"""The formats that `elq predict` writes and reads: what stands in each file, and that all of them have the same links."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from elq import ElqError, Linker, Mention
from elq.commands import run
from elq.commands.link_files import CHUNK, format_of_output
from elq.exchange.nif import read_nif_file
from elq.exchange.tables import COLUMNS, rows_of
from elq.questions.predicted import read_predictions

MODEL = str(Path(__file__).parents[1] / "data" / "format4" / "model")
HARD = [
    '=1+1 "who" directed titanic?',
    "e\u0301 👩‍🚀 paris,\nand\r\nfrance; ünd\t",
    "\ud800 what is the capital of france",
    "",
    "nothing",
]
TEXTS = [*HARD, *(f"who directed titanic {number}?" for number in range(CHUNK))]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """The same questions linked into a file of each format."""
    folder = tmp_path_factory.mktemp("formats")
    lines = [json.dumps({"id": f"q {number}", "text": text}) for number, text in enumerate(TEXTS)]
    (folder / "q.jsonl").write_text("\n".join(lines))
    made = {}
    for suffix in ("jsonl", "csv", "parquet", "ttl", "nt", "elevant.jsonl", "txt"):
        made[suffix] = folder / f"links.{suffix}"
        options = ["--input", str(folder / "q.jsonl"), "--output", str(made[suffix]), "--model", MODEL, "--threshold", "-6"]
        assert run("predict", options) == 0
    return made


@pytest.fixture(scope="module")
def expected(files) -> tuple[list, list]:
    questions, links = read_predictions(files["jsonl"])
    assert sum(map(len, links)) > CHUNK
    assert not all(links)
    return questions, links


def whole(text: str) -> str:
    return text.replace("\ud800", "\ufffd")


def test_a_table_has_a_row_for_each_link_and_for_each_question_without_one(files, expected):
    wanted = [dict(zip(COLUMNS, row, strict=True)) for pair in zip(*expected, strict=True) for row in rows_of(*pair)]
    assert pq.read_table(files["parquet"]).to_pylist() == wanted
    with files["csv"].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [{key: "" if value is None else str(value) for key, value in row.items()} for row in wanted]
    assert rows[0]["text"] == HARD[0]  # what a spreadsheet may take for a formula is not changed
    assert [row["text"] for row in wanted if row["entity"] is None][-2:] == ["", "nothing"]
    assert {whole(text) for text in TEXTS} == {row["text"] for row in wanted}


@pytest.mark.parametrize("suffix", ["ttl", "nt"])
def test_nif_has_the_same_links(files, expected, suffix):
    found = read_nif_file(files[suffix])
    assert [(one.id, one.text) for one in found] == [(one.id, whole(one.text)) for one in expected[0]]
    for question, links in zip(found, expected[1], strict=True):
        assert question.mentions == tuple(Mention(one.start, one.end, one.entity) for one in links)
    assert "taConfidence" not in files[suffix].read_text(encoding="utf-8")


def test_elevant_has_a_line_for_each_question(files, expected):
    lines = [json.loads(line) for line in files["elevant.jsonl"].read_text(encoding="utf-8").splitlines()]
    for line, links in zip(lines, expected[1], strict=True):
        wanted = [{"entity_reference": one.entity, "start_char": one.start, "end_char": one.end} for one in links]
        assert line == {"predictions": wanted}


def test_options_of_nif(tmp_path, capsysbinary):
    output = tmp_path / "links.txt"
    options = [
        "--format",
        "nif",
        "--scores",
        "--entity-prefix",
        "http://example.org/kb/",
        "--model",
        MODEL,
        "--threshold",
        "-6",
    ]
    assert run("predict", [TEXTS[0], *options, "--output", str(output)]) == 0
    assert "http://example.org/kb/Q" in output.read_text(encoding="utf-8")
    assert "taConfidence" in output.read_text(encoding="utf-8")
    assert read_nif_file(_renamed(output), "http://example.org/kb/")[0].mentions[0].entity.startswith("Q")
    capsysbinary.readouterr()
    assert run("predict", [TEXTS[0], *options]) == 0
    assert capsysbinary.readouterr().out == output.with_suffix(".ttl").read_bytes()


def _renamed(path: Path) -> Path:
    return path.rename(path.with_suffix(".ttl"))


def test_nif_is_read_as_questions_and_as_given_mentions(tmp_path, capsys):
    nif = "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#"
    text = "who directed titanic and avatar?"
    (tmp_path / "q.ttl").write_text(
        f'<http://d/1#char=0,32> <{nif}isString> "{text}" . <http://d/2#char=0,32> <{nif}isString> "{text}" .'
        f"<http://d/2#x> <{nif}referenceContext> <http://d/2#char=0,32> ; <{nif}beginIndex> 25 ; <{nif}endIndex> 31 ."
    )
    assert run("predict", ["--input", str(tmp_path / "q.ttl"), "--format", "jsonl", "--model", MODEL]) == 0
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    linker = Linker.from_pretrained(MODEL)
    assert (first["id"], second["id"]) == ("http://d/1", "http://d/2")
    assert [one["entity"] for one in first["links"]] == [one.entity for one in linker.link(text)]
    [given] = linker.link(text, mentions=[(25, 31)])
    assert [(one["start"], one["entity"]) for one in second["links"]] == [(25, given.entity)]


def test_the_format_follows_from_the_name():
    for name, form in (("a.CSV", "csv"), ("a.nt", "nif"), ("a.Elevant.JSONL", "elevant"), ("a.b", None), ("/dev/null", "text")):
        if form:
            assert format_of_output(name, None) == form
    for name in ("links.json", "links.xlsx", "links.jsonl.gz"):
        with pytest.raises(ElqError, match="but links are written as text, jsonl, nif, parquet, csv or elevant: give a name"):
            format_of_output(name, None)
        assert format_of_output(name, "jsonl") == "jsonl"
    for name in ("links.jsonl", "links.txt", "links", None):
        format_of_output(name, None)
    with pytest.raises(ElqError, match="Parquet cannot be printed: give --output FILE.parquet too"):
        format_of_output(None, "parquet")
    with pytest.raises(ElqError, match="--scores is given, but the format is csv"):
        format_of_output("a.csv", None, scores=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["who?", "--entity-prefix", "kb", "--format", "nif"],
            "the entity prefix is 'kb', but must be the beginning of an IRI",
        ),
        (["--input", "none.ttl"], "none.ttl does not exist: give the path of a file in NIF"),
        (["--input", "none.ttl", "--text-column", "t"], "--text-column is given, but none.ttl is RDF and has no columns"),
    ],
)
def test_mistakes_are_one_sentence(options, said, capsys):
    assert run("predict", options) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ttl"])
def test_a_run_that_fails_leaves_no_file(suffix, tmp_path):
    (tmp_path / "q.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in ["titanic"] * CHUNK) + '{"text": 5}\n')
    old = tmp_path / f"links.{suffix}"
    old.write_text("old")
    assert run("predict", ["--input", str(tmp_path / "q.jsonl"), "--output", str(old), "--model", MODEL]) == 2
    assert old.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"links.{suffix}", "q.jsonl"]

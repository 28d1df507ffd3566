import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elq.commands import COMMANDS, compare, evaluate, run, tune
from elq.commands.predict import as_text
from elq.entities.manifest import Manifest
from elq.files import continuing
from elq.linking.decision import Decision
from elq.questions.annotated import read_questions
from elq.questions.inputs import read_input
from elq.questions.predicted import as_json, read_predictions
from elq.questions.templates import template_questions
from elq.training.export import export_folder
from elq.types import Candidate, Link, Question
from tests.conftest import QUESTIONS, RECORDS, write_lines

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [text for text, _, _ in QUESTIONS]


@pytest.fixture(scope="module")
def folder(encoder_folder, tokenizer, entities, entities_folder, tmp_path_factory):
    import torch

    from elq.model.network import ELQ

    torch.manual_seed(1)
    made = tmp_path_factory.mktemp("commands") / "model"
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()
    export_folder(
        made, model, tokenizer, entities, entities_folder, Decision(threshold=-4.0, candidates=3, calibration=(0.5, 0.7, 0.2))
    )
    return str(made)


def test_predict_py_prints_what_the_linker_links(folder):
    from elq import Linker

    command = [sys.executable, "predict.py", *TEXTS, "--model", folder, "--format", "jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    expected = Linker.from_pretrained(folder).link(TEXTS)
    assert [record["text"] for record in records] == TEXTS
    for record, links in zip(records, expected, strict=True):
        assert record == json.loads(as_json(Question(record["id"], record["text"]), links))
    assert sum(map(len, expected)) > 3
    assert done.stderr == ""


def test_text_marks_the_mentions(folder, capsys):
    assert run("predict", [TEXTS[0], "--model", folder, "--threshold", "-9"]) == 0
    said = capsys.readouterr().out
    assert "[" in said.splitlines()[0]
    assert "→ Q" in said.splitlines()[1]


def test_json_keeps_offsets_of_emoji_tabs_and_surrogates():
    link = Link(4, 9, "Óslo", "Q585", "Oslo", "", -0.5, (Candidate("Q585", "Oslo", -0.1),))
    line = as_json(Question("1", "🎬\t\ud800 Óslo"), [link])
    assert json.loads(line)["text"] == "🎬\t\ud800 Óslo"
    line.encode("utf-8")
    assert json.loads(line)["links"][0]["candidates"] == [{"entity": "Q585", "title": "Oslo", "score": -0.1}]
    assert as_text(Question("1", "none"), []) == "none"


@pytest.mark.parametrize("name", ["q.txt", "q.jsonl"])
def test_input_and_output_files(name, folder, tmp_path, capsys):
    if name.endswith(".txt"):
        (tmp_path / name).write_text("\n".join(TEXTS), encoding="utf-8")
    else:
        write_lines(tmp_path / name, [{"id": f"x{i}", "text": text} for i, text in enumerate(TEXTS)])
    output = tmp_path / "out.jsonl"
    assert run("predict", ["--input", str(tmp_path / name), "--output", str(output), "--model", folder]) == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["text"] for record in records] == TEXTS
    assert next(record["id"] for record in records) == ("1" if name.endswith(".txt") else "x0")
    assert run("predict", [*TEXTS, "--model", folder, "--format", "jsonl"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["links"] for r in printed] == [r["links"] for r in records]


def test_standard_input_streams_in_order(folder):
    many = "\n".join(f"{text} {n}" for n, text in enumerate(TEXTS * 80)) + '\n{"id": "last", "text": "paris"}\n'
    command = [sys.executable, "-m", "elq", "predict", "--input", "-", "--model", folder, "--format", "jsonl"]
    done = subprocess.run(command, cwd=ROOT, input=many, capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["text"] for record in records[:-1]] == [f"{text} {n}" for n, text in enumerate(TEXTS * 80)]
    assert records[-1]["id"] == "last"


def test_empty_lines_are_questions_without_links(tmp_path):
    (tmp_path / "q.txt").write_bytes(b"one\r\n\n  \ntwo")
    assert [q.text for q in read_input(str(tmp_path / "q.txt"))] == ["one", "", "  ", "two"]


def test_predict_python_and_evaluate_give_the_same_numbers(run_folder, question_file, tmp_path):
    from elq import Linker
    from elq.evaluation.evaluate import evaluate_links

    model, questions, links = str(run_folder / "model"), tmp_path / "q.jsonl", tmp_path / "links.jsonl"
    records = [json.loads(line) for line in question_file.read_text().splitlines()]
    write_lines(questions, [{"id": str(n), **record} for n, record in enumerate(records * 20)])  # several batches
    assert run("predict", ["--input", str(questions), "--output", str(links), "--model", model]) == 0
    assert run("evaluate", ["--questions", str(questions), "--model", model, "--output", str(tmp_path / "m.json")]) == 0
    linker = Linker.from_pretrained(model)
    gold = read_questions(questions, linker.entities.catalogue)
    by_file, by_hand = read_predictions(links)[1], [linker.link(question.text) for question in gold]
    measured = json.loads((tmp_path / "m.json").read_text())["model"]
    assert measured["set_in_catalogue_micro_f1"] > 0.5
    for found in (by_file, by_hand):
        metrics = evaluate_links(gold, found)
        assert {name: measured[name] for name in metrics} == metrics


def test_evaluate_writes_metrics_and_the_baseline(folder, question_file, tmp_path, capsys):
    arguments = ["--model", folder, "--questions", str(question_file), "--output", str(tmp_path / "m.json")]
    assert run("evaluate", [*arguments, "--baseline", "dictionary"]) == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert metrics["dictionary"]["set_in_catalogue_micro_f1"] > 0.5
    assert metrics["model"]["questions"] == 8
    assert metrics["threshold"] == -4.0
    assert 0 <= metrics["model"]["candidate_recall@1"] <= metrics["model"]["candidate_recall@4"] <= 1
    said = capsys.readouterr().out
    assert "dictionary" in said
    assert "main entity recall" in said
    assert run("evaluate", [*arguments, "--threshold", "0"]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["model"]["set_all_micro_recall"] == 0


METRICS = {
    **{f"set_in_catalogue_micro_{quality}": value for quality, value in (("precision", 0.9), ("recall", 0.8), ("f1", 0.85))},
    **{"main_entity_recall": 0.75, "strong_micro_f1": 0.625, "weak_micro_f1": 0.6875, "disambiguation_accuracy": 0.5},
    **{"false_links_per_unmentioned_question": 0.25, "questions": 1200.0, "questions_in_catalogue": 1000.0},
    **{"questions_unmentioned": 200.0, "gold_mentions": 1100.0},
}


def printed_rows(capsys, metrics: dict[str, dict[str, float]], **settings: bool) -> dict[str, list[str]]:
    """The table's rows: name → cells."""
    evaluate.print_table(metrics, "questions", **settings)
    lines = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def test_the_table_has_the_six_figures_that_matter_with_the_baseline_beside_them(capsys):
    baseline = {name: value for name, value in METRICS.items() if name not in ("disambiguation_accuracy", "gold_mentions")}
    assert printed_rows(capsys, {"model": METRICS, "dictionary": baseline | {"main_entity_recall": 0.5}}) == {
        "entities: precision / recall / F1": ["0.900 / 0.800 / 0.850"] * 2,
        "main entity recall": ["0.750", "0.500"],
        "links, exact span: F1": ["0.625"] * 2,
        "links, overlapping span: F1": ["0.688"] * 2,
        "disambiguation accuracy": ["0.500", "–"],
        "false links per question without a mention": ["0.250"] * 2,
    }
    evaluate.print_table({"model": METRICS}, "questions")
    assert "--all prints every metric, --output FILE writes them as JSON" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "lost"),
    [
        ("questions_in_catalogue", {"entities: precision / recall / F1", "main entity recall"}),
        ("questions_unmentioned", {"false links per question without a mention"}),
        ("gold_mentions", {"links, exact span: F1", "links, overlapping span: F1", "disambiguation accuracy"}),
    ],
)
def test_the_table_leaves_out_what_no_question_was_measured_for(number, lost, capsys):
    whole, part = (printed_rows(capsys, {"model": metrics}) for metrics in (METRICS, METRICS | {number: 0.0}))
    assert whole.keys() - part.keys() == lost


def test_all_prints_every_metric_and_a_dash_for_what_was_not_measured(folder, question_file, capsys):
    from elq.evaluation.evaluate import evaluate_links

    said = []
    for more in ([], ["--all"]):
        assert run("evaluate", ["--model", folder, "--questions", str(question_file), *more]) == 0
        said.append(capsys.readouterr().out)
    for words in ("candidate recall@128", "entities, all questions: macro precision / recall / F1", "gold mentions with an"):
        assert words not in said[0]
        assert words in said[1]
    assert "--all" not in said[1]
    metrics = {**dict.fromkeys(evaluate_links([], []), 0.0), **METRICS}
    rows = printed_rows(capsys, {"model": metrics}, every=True)
    assert rows["entities, main entity not in the catalogue: micro precision / recall / F1"] == ["–"]
    assert rows["questions"] == ["1,200"]


def test_a_title_shows_the_brackets_of_a_path(capsys):
    """The library rich would read such names as its markup."""
    path = "runs/files=[/a/b]/dev[seen].jsonl"
    tune.print_choice({}, path)
    evaluate.print_table({}, path)
    compare.print_differences([], argparse.Namespace(questions=path, a="[a]", b="[b]"), 3)
    said = " ".join(capsys.readouterr().out.split())  # a title may take two lines
    assert said.count(path) == 3
    assert "A [a], B [b]" in said


def test_build_command(encoder_folder, catalogue_file, tmp_path):
    arguments = ["--catalogue", str(catalogue_file), "--output", str(tmp_path / "e"), "--encoder", str(encoder_folder)]
    assert run("build", [*arguments, "--index", "hnsw", "--text", "title,types", "--dtype", "float32"]) == 0
    manifest = json.loads((tmp_path / "e" / "manifest.json").read_text())
    assert (manifest["index"], manifest["dtype"], manifest["text"]["fields"]) == ("hnsw", "float32", ["title", "types"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict"], "no question is given: write the question behind the command"),
        (["predict", "--input", "none.txt"], "--input none.txt does not exist"),
        (["predict", "who?", "--model", "none/none"], "model none/none is not a folder and cannot be downloaded"),
        (["evaluate", "--questions", "none.jsonl", "--model", "x"], "none.jsonl does not exist"),
        (["build", "--catalogue", "none.jsonl", "--output", "e"], "catalogue none.jsonl does not exist"),
        (["train", "+experiment=typo"], "Could not find 'experiment/typo'"),
        (["train"], "data.train has no value: choose an experiment"),
        (["train", "+experiment=webqsp", "+model.lr_heads=fast"], "Expected a <class 'float'>. Got value: fast"),
        (["fit", "--model.surprise", "1"], "model.surprise"),
        (["train", "experiment=own_catalogue"], "data.catalogue is missing: give the path of a file, as data.catalogue=FILE"),
        (["train", "experiment=starter", "model.lr_head=1"], "model.lr_head is not a setting: did you mean model.lr_heads"),
        (["train", "experiment=starter", "modle.names=true"], "modle"),
        (["train", "experiment=starter", "data.trian=[]"], "data.trian is not a setting: did you mean data.train?"),
        (["train", "experiment=starter", "data.build.indx=hnsw"], "data.build: indx is not a setting: did you mean index?"),
        (["train", "experiment=starter", "+data.train.0.epoch=1"], "data.train: epoch is not a setting: did you mean epochs?"),
        (
            ["train", "experiment=starter", "data.catalogue=no such file (ü).csv"],
            "data files are missing: no such file (ü).csv",
        ),
        (["build", "--catalogue", "x", "--output", "e", "--index", "ivf"], "index is 'ivf', but must be one of exact, hnsw"),
        (["build", "--catalogue", "x", "--output", "e", "--device", "gpu"], "device 'gpu' cannot be used"),
        (["build", "--catalogue", "x", "--output", "e", "--columns", "id"], "--columns has 'id'"),
        (["build"], "the following arguments are required: --catalogue, --output: `elq build --help` explains the options"),
        (["build", "--catalogue", "c", "--output", "e", "--max-tokens", "x"], "argument --max-tokens: invalid int value: 'x'"),
        (["build", "--catalogue", ".", "--output", "e"], "catalogue . is a folder, but must be a file"),
        (
            ["build", "--catalogue", "c.xlsx", "--output", "e"],
            "the name of the catalogue c.xlsx must end in one of .jsonl, .csv",
        ),
        (
            ["train", "experiment=own_catalogue", "data.catalogue=my", "(1).csv"],
            "'(1).csv' is not a setting of the form KEY=VALUE: if it belongs to a value with blanks, put the whole setting"
            " between quotes, as in 'data.catalogue=my (1).csv'",
        ),
        (["train", "experiment=own_catalogue", "my.csv"], "between quotes, as in 'data.catalogue=my file.csv'"),
        (["train", "experiment=own_catalogue", "--data.catalogue=c.csv"], "has the form KEY=VALUE: write data.catalogue=c.csv"),
        (["train", "experiment=own_catalogue", "data.catalogue=."], "'.' is a folder, but must be a file"),
        (["evaluate", "--nosuch"], "the following arguments are required: --questions"),
        (["evaluate", "--questions", "q", "--output", "."], ". is a folder, but the output is a file"),
        (["tune", "--questions", "q", "x"], "elq tune --help"),
        (["predict", "who?", "--candidates", "0"], "0 candidates were asked for, but at least 1 is needed"),
        (["predict", "who?", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["predict", "--input", "."], "--input . is a folder, but must be a file"),
        (
            ["predict", "who?", "--output", "links.xlsx"],
            "--output links.xlsx ends in .xlsx, but links are written as text, jsonl, nif, parquet, csv or elevant",
        ),
        (["build", "--catalogue", "x", "--output", "e", "--text", "titel"], "field 'titel'"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments[0], arguments[1:]) == 2
    said = capsys.readouterr().err
    assert said.startswith("elq: ")
    assert message in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "runs"] == []  # hydra logs into runs/


@pytest.mark.parametrize("line", [b'{"text": 5}', b'{"text": "a', b"\xff\xfe"])
def test_a_bad_line_is_named_and_leaves_no_output(line, folder, tmp_path, capsys):
    (tmp_path / "q.jsonl").write_bytes(b'{"text": "fine"}\n' + line + b"\n")
    output = tmp_path / "out.jsonl"
    assert run("predict", ["--input", str(tmp_path / "q.jsonl"), "--output", str(output), "--model", folder]) == 2
    assert "q.jsonl, line 2: " in capsys.readouterr().err
    assert not output.exists()


def test_a_killed_run_goes_on_behind_the_last_whole_chunk(folder, tmp_path):
    write_lines(tmp_path / "q.jsonl", [{"id": f"{n}", "text": f"{text} {n}"} for n, text in enumerate(TEXTS * 250)])
    command = [sys.executable, "-m", "elq", "predict", "--input", str(tmp_path / "q.jsonl"), "--model", folder, "--output"]
    partial = tmp_path / ".killed.jsonl.partial"
    process = subprocess.Popen([*command, str(tmp_path / "killed.jsonl")], cwd=ROOT)
    while process.poll() is None and not (partial.is_file() and partial.read_bytes().count(b"\n") > 600):
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed.jsonl").exists()
    whole = partial.read_bytes().count(b"\n") // 256
    assert whole > 0
    with partial.open("ab") as stream:
        stream.write(b'{"id": "half a li')
    subprocess.run([*command, str(tmp_path / "plain.jsonl")], cwd=ROOT, check=True)
    again = subprocess.run([*command, str(tmp_path / "killed.jsonl")], cwd=ROOT, check=True, capture_output=True, text=True)
    assert f"{whole * 256:,} questions are linked already" in again.stderr
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.jsonl", "plain.jsonl", "q.jsonl"]


def test_what_another_model_or_setting_left_behind_is_not_gone_on_with(tmp_path):
    def killed_run(plan: dict) -> int:
        with continuing(tmp_path / "out", plan, 2) as (stream, done):
            stream.write("a\nb\nc\n")
            stream.flush()
            raise RuntimeError(str(done))

    for plan, done in (({"k": 1}, 0), ({"k": 1}, 2), ({"k": 1}, 4), ({"k": 2}, 0)):
        with pytest.raises(RuntimeError, match=f"^{done}$"):
            killed_run(plan)
    assert not (tmp_path / "out").exists()


def test_bad_lines_are_skipped_on_request_and_named(folder, tmp_path, caplog):
    (tmp_path / "q.jsonl").write_bytes(b'{"text": "one"}\n{"text": 5}\n\xff\n\n{"text": "two"}\n')
    output = tmp_path / "out.jsonl"
    arguments = ["--input", str(tmp_path / "q.jsonl"), "--output", str(output), "--model", folder]
    assert run("predict", [*arguments, "--skip-bad-lines"]) == 0
    assert [json.loads(line)["text"] for line in output.read_text().splitlines()] == ["one", "two"]
    assert "q.jsonl, line 2: text is 5" in caplog.text
    assert "q.jsonl, line 3: " in caplog.text


def test_a_device_that_is_not_there(folder, capsys):
    import torch

    for name in ("gpu", *([] if torch.cuda.is_available() else ["cuda"])):
        assert run("predict", ["who?", "--model", folder, "--device", name]) == 2
        assert f"device '{name}' cannot be used" in capsys.readouterr().err


def test_gold_entities_that_the_catalogue_lacks_count_as_null(folder, tmp_path, caplog):
    mention = {"start": 0, "end": 5, "entity": "Q0"}
    questions = write_lines(tmp_path / "q.jsonl", [{"text": "paris", "mentions": [mention]}, {"text": "paris"}])
    assert run("evaluate", ["--model", folder, "--questions", str(questions), "--output", str(tmp_path / "m.json")]) == 0
    metrics = json.loads((tmp_path / "m.json").read_text())["model"]
    assert (metrics["questions_in_catalogue"], metrics["questions_out_of_catalogue"], metrics["gold_mentions"]) == (0, 1, 0)
    assert "1 gold entities are not in the catalogue" in caplog.text


def test_output_to_a_device_leaves_it_a_device(folder):
    assert run("predict", ["paris", "--model", folder, "--output", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


def test_without_a_model_the_one_in_the_package_links_over_the_starter(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    assert run("predict", ["who directed titanic?"]) == 0
    assert "titanic → Q44578  Titanic (1997 film)" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]  # nothing is written into the working folder
    write_lines(
        tmp_path / "questions.jsonl",
        [{"text": "who directed titanic?", "mentions": [{"start": 13, "end": 20, "entity": "Q44578"}]}],
    )
    assert run("evaluate", ["--questions", str(tmp_path / "questions.jsonl")]) == 0
    assert "1.000" in capsys.readouterr().out


def test_a_catalogue_is_linked_without_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    shop = tmp_path / "shop.csv"
    shop.write_text("sku,name\nA1,Cordless drill 18 V\nA2,Folding ladder\n")
    given = ["is the folding ladder in stock?", "--catalogue", str(shop), "--columns", "id=sku,title=name"]
    assert run("predict", given) == 0
    assert "folding ladder → A2" in capsys.readouterr().out
    assert run("predict", ["who?", "--columns", "id=sku"]) == 2
    assert "--columns is given, but only --catalogue uses it" in capsys.readouterr().err


def test_a_bad_question_file_is_named_before_a_catalogue_is_encoded(tmp_path, catalogue_file, monkeypatch, capsys):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    good, bad = write_lines(tmp_path / "good.jsonl", [{"text": "why"}]), write_lines(tmp_path / "bad.jsonl", [{"text": 5}])
    for arguments in (["--questions", bad], ["--questions", good, "--training", bad, "--report", tmp_path / "r.html"]):
        assert run("evaluate", [*map(str, arguments), "--catalogue", str(catalogue_file)]) == 2
        assert f"{bad}, line 1: text is 5" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_templates_writes_the_questions_that_training_would_make(catalogue_file, entities, tmp_path, caplog):
    output = tmp_path / "q.jsonl"
    options = ["--catalogue", str(catalogue_file), "--output", str(output), "--count", "40"]
    assert run("templates", [*options, "--seed", "3", "--knobs", "no_mention=0.5,fame=0"]) == 0
    expected = list(template_questions(entities.catalogue, 40, seed=3, no_mention=0.5, fame=0.0))
    assert read_questions(output) == expected
    first = output.read_bytes()
    assert "is now" not in caplog.text
    assert run("bootstrap", [*options, "--seed", "4", "--knobs", "no_mention=0.5,fame=0"]) == 0
    assert "`elq bootstrap` is now `elq templates`; the old name works until 0.2" in caplog.text
    assert output.read_bytes() != first


def test_templates_tells_the_kinds_with_an_example_each(catalogue_file, tmp_path, caplog):
    caplog.set_level("INFO")
    assert run("templates", ["--catalogue", str(catalogue_file), "--output", str(tmp_path / "q.jsonl"), "--count", "1"]) == 0
    said = [record.getMessage() for record in caplog.records if "template sentences" in record.getMessage()]
    kinds = [re.fullmatch(r"template sentences of the kind (\w+): entities (\d+), such as (.*)", line) for line in said]
    assert {match[1]: int(match[2]) for match in kinds}["film"] == 1
    assert sum(int(match[2]) for match in kinds) == len(RECORDS)
    assert "Titanic" in next(match[3] for match in kinds if match[1] == "film")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_predict_reads_a_table_and_writes_the_links_in_order(kind, folder, tmp_path):
    texts = [TEXTS[0], "", TEXTS[1]]
    lines = {
        "jsonl": [json.dumps({"utterance": text}) for text in texts],
        "csv": ["n,utterance", *(f"1,{text}" for text in texts)],
    }
    source, output = tmp_path / f"q.{kind}", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines[kind]) + "\n")
    arguments = ["--input", str(source), "--output", str(output), "--model", folder, "--text-column"]
    assert run("predict", [*arguments, "utterance"]) == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["text"] for record in records] == texts
    assert records[1]["links"] == []
    assert run("predict", [*arguments, "nosuch"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--knobs", "alias"], "--knobs is 'alias', but must be NAME=NUMBER pairs"),
        (["--knobs", "surprise=1"], "'surprise' is not a knob of the template questions: the knobs are no_mention"),
        (["--knobs", "alias=2"], "alias is 2.0, but it is a probability"),
        (["--count", "0"], "count is 0, but must be at least 1"),
        (["--frames", "none.yaml"], "frames file none.yaml cannot be read"),
        (["--catalogue", "none.jsonl"], "none.jsonl does not exist"),
    ],
)
def test_bad_input_of_templates_leaves_no_file(options, message, catalogue_file, tmp_path, capsys):
    output = tmp_path / "q.jsonl"
    assert run("templates", ["--catalogue", str(catalogue_file), "--output", str(output), *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_info_tells_what_a_folder_holds_and_how_it_was_made(run_folder, entities_folder, tmp_path, capsys):
    assert run("info", [str(run_folder)]) == 0
    said = capsys.readouterr().out
    manifest, decision = Manifest.load(run_folder / "model" / "entities"), Decision.load(run_folder / "model")
    metrics = json.loads((run_folder / "metrics.json").read_text())
    for fact in (
        "0.0 million parameters, mentions of up to 3 tokens",
        "bert, 2 layers, 32 wide",
        "7 (Q90 Paris, Q830149 Paris, Texas, Q44578 Titanic (1997 film), …)",
        f"7 × 32 float16, by {manifest.encoder} (mean, fp32)",
        f"threshold γ = {decision.threshold:.3f} (score mode candidates, K = 4",
        f"{metrics['model']['main_entity_recall']:.3f} on {metrics['questions_file']}",
    ):
        assert fact in said
    assert run("info", [str(run_folder / "model")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == said.splitlines()[1:]  # the scores travel with the folder
    assert run("info", [str(entities_folder)]) == 0
    assert capsys.readouterr().out.startswith("entities")
    for name, damage in (
        ("model.safetensors", "cannot"),
        ("metrics.json", "does not contain keys"),
        ("training.yaml", "cannot"),
    ):
        copy = shutil.copytree(run_folder / "model", tmp_path / name)
        (copy / name).write_text({"metrics.json": "[]"}.get(name, "a: b: c"))
        assert run("info", [str(copy)]) == 2
        assert f"{name} {damage}" in capsys.readouterr().err
    assert run("info", [str(tmp_path)]) == 2
    assert "is neither a model folder (config.json) nor an entities folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["predict", "train", "build", "templates", "info", "evaluate", "fit", "compare", "tune"])
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as left:
        run(name, ["--help"])
    assert left.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_one_sentence(encoder_folder, catalogue_file, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    arguments = ["--catalogue", str(catalogue_file), "--output", str(tmp_path / "file" / "e"), "--encoder", str(encoder_folder)]
    assert run("build", arguments) == 2
    assert f"{tmp_path / 'file'} cannot be used" in capsys.readouterr().err


def test_the_command_itself(capsys):
    done = subprocess.run([sys.executable, "-m", "elq", "--help"], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    wrong = subprocess.run([sys.executable, "-m", "elq", "lnik"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "'lnik' is not a command" in wrong.stderr


def test_no_command_replaces_a_file_that_it_reads(folder, catalogue_file, question_file, tmp_path, capsys):
    """Not even under another name of the same file, and no file of the model either."""
    questions, catalogue = tmp_path / "q.jsonl", tmp_path / "c.jsonl"
    questions.write_bytes(question_file.read_bytes())
    catalogue.write_bytes(catalogue_file.read_bytes())
    model = shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "links.jsonl").symlink_to(questions)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    read = ["--model", str(model), "--questions", str(questions)]
    for command, output in (
        (["predict", "--input", str(questions), "--model", str(model), "--output"], tmp_path / "links.jsonl"),
        (["predict", "--input", str(questions), "--model", str(model), "--output"], model / "tokenizer.json"),
        (["evaluate", *read, "--output"], questions),
        (["evaluate", *read, "--output"], model / "config.json"),
        (["evaluate", *read, "--report"], questions),
        (["templates", "--catalogue", str(catalogue), "--output"], catalogue),
        (["compare", str(questions), str(questions), "--questions", str(questions), "--changed"], questions),
    ):
        assert run(command[0], [*command[1:], str(output)]) == 2, command
        assert f"{output} is read by this command, and would be replaced" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before

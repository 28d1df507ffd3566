"""The model card: the Hub reads its metadata, its figures are those of the evaluation, and it says what is unknown."""

import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard

from elq.commands import run
from elq.encoding.pretrained import WEIGHTS
from elq.entities.edit import add_entities
from elq.errors import ElqError
from elq.evaluation.evaluate import Observed, metric_ratios
from elq.evaluation.intervals import intervals
from elq.evaluation.record import bounds, cost, peak_memory
from elq.hub.card import model_card
from elq.hub.facts import licence_of
from elq.linking.folder import TRAINING
from elq.linking.linker import Linker
from elq.linking.model_folder import build_model_folder
from elq.questions.annotated import read_questions
from tests.conftest import write_lines


@pytest.fixture
def evaluation(model_folder, question_file, tmp_path):
    """The file of `elq evaluate --output` for this model."""
    output = tmp_path / "evaluation.json"
    options = ["--model", str(model_folder), "--questions", str(question_file), "--baseline", "dictionary"]
    assert run("evaluate", [*options, "--output", str(output)]) == 0
    return output


def test_an_evaluation_records_intervals_times_and_what_was_measured(evaluation, model_folder, question_file):
    values = json.loads(evaluation.read_text())
    assert {*values["intervals"]} == {"model", "dictionary"}
    linker, questions = Linker.from_pretrained(model_folder), read_questions(question_file)
    observed = Observed(questions, linker.link([question.text for question in questions]))
    wanted = intervals(metric_ratios(observed))["strong_micro_f1"]
    assert values["intervals"]["model"]["strong_micro_f1"] == [wanted.low, wanted.high] == bounds(observed)["strong_micro_f1"]
    assert wanted.low <= values["model"]["strong_micro_f1"] <= wanted.high
    assert "false_links_per_unmentioned_question" not in values["intervals"]["model"]  # no question is without a mention
    assert values["entities"] == 7
    spent = values["cost"]
    assert spent["questions_per_second"] > 1
    assert 0 < spent["seconds_per_question"] < 10
    assert spent["device"] == "cpu"
    assert spent["threads"] >= 1
    memory = peak_memory()
    assert memory is None or 100_000_000 < spent["peak_memory_bytes"] <= memory
    assert cost(linker, [])["questions_per_second"] is None


def test_a_card_has_the_figures_and_the_metadata_of_the_hub(evaluation, model_folder):
    card = model_card(model_folder, name="user/model", evaluations=[evaluation], licence="mit", languages=["en"])
    assert card == model_card(model_folder, name="user/model", evaluations=[evaluation], licence="mit", languages=["en"])
    read = ModelCard(card)
    assert read.data.license == "mit"
    assert read.data.language == ["en"]
    assert (read.data.library_name, read.data.pipeline_tag) == ("elq", "token-classification")
    values = json.loads(evaluation.read_text())
    results = {result.metric_name: result for result in read.data.eval_results}
    f1 = results["links, exact span: F1"]
    assert (f1.metric_type, f1.metric_value) == ("f1", round(values["model"]["strong_micro_f1"], 4))
    assert (f1.task_type, f1.dataset_type, f1.dataset_name) == ("token-classification", "questions", "questions.jsonl")
    assert "false links per question without a mention" not in results  # it was measured on no question
    low, high = values["intervals"]["model"]["strong_micro_f1"]
    row = f"| links, exact span: F1 | {f1.metric_value:.3f} ({low:.3f} to {high:.3f}) | "
    assert f"{row}{values['dictionary']['strong_micro_f1']:.3f} |" in read.text
    assert f"{values['cost']['questions_per_second']:,.0f} questions a second in batches" in read.text
    assert "Questions: questions.jsonl, 8 of them." in read.text
    assert str(model_folder.parent) not in card


def test_what_the_files_do_not_say_is_unknown(model_folder):
    card = model_card(model_folder)
    assert "license: unknown" in card
    assert "language:" not in card
    assert "model-index" not in card
    assert "Encoder from which the training started: unknown." in card
    assert "Experiment: unknown. Version of elq: unknown. Git commit: unknown." in card
    assert "Questions: unknown" in card
    assert "Unknown: no evaluation was given." in card
    assert "Unknown: `elq evaluate --output FILE` measures both." in card
    assert "It is made for languages that are unknown." in card
    assert "The licence of this model is unknown" in card
    assert not re.search(r"\bNone\b|nan\b|\$", card)


def test_the_python_of_a_card_runs(model_folder, capsys):
    card = model_card(model_folder, name=str(model_folder))
    exec(re.search(r"```python\n(.*?)```", card, re.DOTALL)[1], {})
    assert capsys.readouterr().out.startswith("[")


def test_a_trained_model_says_on_what_it_was_trained(run_folder, question_file):
    card = model_card(run_folder / "model")
    training = yaml.safe_load((run_folder / "model" / TRAINING).read_text())
    assert training["data"]["train"][0]["templates"] == 8
    assert "| 8 template questions | training, made of names in the catalogue | that of the catalogue |" in card
    assert f"| {question_file.name} | training | unknown |" in card
    assert f"| {question_file.name} | choice of epoch and threshold | unknown |" in card
    assert "Seed: 3." in card
    assert "Version of elq: 0.1.0" in card
    assert "Only scores on the development questions are known." in card
    assert "(interval unknown)" in card


def test_the_general_weights_are_known_by_their_content(tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    source = write_lines(tmp_path / "c.jsonl", [{"id": "A", "title": "Titanic"}])
    build_model_folder(source, tmp_path / "model")
    card = model_card(tmp_path / "model")
    assert "The weights are those of `elq/general`, without further training." in card
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in card
    assert "language:\n- en" in card
    assert (WEIGHTS / "README.md").is_file()


def test_an_evaluation_of_another_model_or_catalogue_is_noticed(evaluation, model_folder):
    card = model_card(model_folder, evaluations=[evaluation])
    assert "another version" not in card
    assert "and not that of the model" not in card
    add_entities(model_folder, [{"id": "N1", "title": "Seine (film)", "label": "Seine"}])
    values = json.loads(evaluation.read_text())
    evaluation.write_text(json.dumps({**values, "threshold": -1.0}))
    changed = model_card(model_folder, evaluations=[evaluation])
    assert "another catalogue or another version of it, with 7 entities" in changed
    assert "The threshold was -1.000, and not that of the model." in changed
    earlier = {name: values[name] for name in ("questions_file", "model_folder", "threshold", "model")}
    evaluation.write_text(json.dumps(earlier))  # as an earlier version of elq wrote it
    old = model_card(model_folder, evaluations=[evaluation])
    assert "(interval unknown)" in old
    assert "95% bootstrap" not in old
    evaluation.write_text(json.dumps({**values, "weights_sha256": "0" * 64}))
    with pytest.raises(ElqError, match="measured another model, since its weights differ"):
        model_card(model_folder, evaluations=[evaluation])


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"model": 3}', '{"model": {"a": "b"}, "questions_file": "q"}', '{"model": {}}']
)
def test_other_files_are_no_evaluation(content, model_folder, tmp_path, capsys):
    (tmp_path / "e.json").write_text(content)
    assert run("card", [str(model_folder), "--evaluation", str(tmp_path / "e.json")]) == 2
    assert "is not an evaluation" in capsys.readouterr().err
    assert run("card", [str(model_folder), "--evaluation", str(tmp_path / "none.json")]) == 2
    assert "does not exist: make it with `elq evaluate --output" in capsys.readouterr().err


def test_the_command_writes_a_card_and_keeps_an_edited_one(model_folder, tmp_path, capsys):
    assert run("card", [str(model_folder), "--license", "mit", "--language", "en,de"]) == 0
    printed = capsys.readouterr().out
    assert ModelCard(printed).data.language == ["en", "de"]
    output = ["--output", str(model_folder / "README.md")]
    assert run("card", [str(model_folder), "--license", "mit", "--language", "en,de", *output]) == 0
    assert (model_folder / "README.md").read_text(encoding="utf-8") == printed
    assert run("card", [str(model_folder), *output]) == 2
    assert "exists, and may have been edited" in capsys.readouterr().err
    assert run("card", [str(model_folder), *output, "--replace"]) == 0
    assert "license: unknown" in (model_folder / "README.md").read_text(encoding="utf-8")
    assert run("card", [str(model_folder), "--output", str(tmp_path)]) == 2


def test_what_the_command_reads_is_not_replaced(model_folder, tmp_path, capsys):
    (evaluation := tmp_path / "e.json").write_text("{}")
    for output in (model_folder / "config.json", model_folder / "entities" / "manifest.json", evaluation):
        before = output.read_bytes()
        given = ["--evaluation", str(evaluation), "--output", str(output), "--replace"]
        assert run("card", [str(model_folder), *given]) == 2
        assert f"{output} is read by this command, and would be replaced" in capsys.readouterr().err
        assert output.read_bytes() == before


def test_licences_of_questions_are_those_of_the_public_sets():
    from elq.public.sources import SETS, sources

    for name in SETS:
        assert any(str(licence_of(f"{name}_train.jsonl")) in source.licence for source in sources(name))
    assert licence_of("mine_webqsp.jsonl") is None

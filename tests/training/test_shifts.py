"""A number that is added to the score of NIL, or of small letters, holds in validation, for γ, and in the model folder."""

import copy
import json

import pytest

from elq import Linker
from elq.commands.train import fit
from elq.errors import ElqError
from elq.evaluation.evaluate import evaluate
from elq.linking.decision import Decision
from elq.questions.annotated import read_questions
from elq.training.module import linker_of
from elq.training.parser import ELQCLI
from elq.training.settings import ModelSettings

pytestmark = pytest.mark.usefixtures("quiet")


def changed(values: dict, **settings: object) -> dict:
    own = copy.deepcopy(values)
    own["model"] |= {"nil": True, **settings}
    own["trainer"] |= {"max_epochs": 3}
    return own


def test_the_model_folder_has_the_number_and_links_with_it(values, question_file, tmp_path):
    questions, found = read_questions(question_file), {}
    for shift in (0.0, -3.0):
        folder = tmp_path / str(shift)
        metrics = fit(changed(values, nil_shift=shift), folder)
        linker = Linker.from_pretrained(folder / "model")
        assert Decision.load(folder / "model").nil_shift == linker.balance.nil_shift == shift
        assert evaluate(linker, questions) == metrics
        assert json.loads((folder / "metrics.json").read_text())["model"] == metrics
        found[shift] = [link.score for links in linker.link([q.text for q in questions], threshold=-9) for link in links]
    assert found[0.0] != found[-3.0]


def test_validation_links_with_it(values, tmp_path):
    made = ELQCLI(changed(values, nil_shift=-3.0), run=False)
    data = made.datamodule
    data.prepare_data()
    data.setup("fit")
    linkers = [linker_of(made.model.model, ModelSettings(nil=True, nil_shift=shift), data) for shift in (0.0, -3.0)]
    texts = [question.text for question in data.dev]
    scores = [[link.score for links in linker.link(texts) for link in links] for linker in linkers]
    assert scores[0] != scores[1]
    assert made.model.settings.balance.nil_shift == -3.0


def test_a_shift_of_small_letters_holds_in_validation_and_in_the_model_folder(values, question_file, tmp_path):
    own = changed(values, capitals=True, small_shift=-3.0)
    made = ELQCLI(copy.deepcopy(own), run=False)
    data = made.datamodule
    data.prepare_data()
    data.setup("fit")
    texts = ["who is queen of Texas", "who is queen of texas"]
    all_settings = (ModelSettings(nil=True, capitals=True, small_shift=shift) for shift in (0.0, -3.0))
    linkers = [linker_of(made.model.model, settings, data) for settings in all_settings]
    scores = [[[link.score for link in links] for links in linker.link(texts)] for linker in linkers]
    assert scores[0][0] != scores[1][0]  # "queen" has no capital, where "Texas" has one
    assert scores[0][1] == scores[1][1]
    metrics = fit(own, tmp_path / "run")
    linker = Linker.from_pretrained(tmp_path / "run" / "model")
    assert linker.balance.small_shift == Decision.load(tmp_path / "run" / "model").small_shift == -3.0
    assert evaluate(linker, read_questions(question_file)) == metrics


def test_a_number_without_a_meaning_is_refused():
    for settings, message in (
        ({"nil_shift": -1.0}, r"model\.nil_shift is -1\.0, but model\.nil is false"),
        ({"nil": True, "nil_shift": 99.0}, r"nil_shift is 99\.0, but must be a number from -20 to 20"),
        ({"small_shift": -1.0}, r"model\.small_shift is -1\.0, but model\.capitals is false"),
        ({"capitals": True, "small_shift": 99.0}, r"small_shift is 99\.0, but must be a number from -20 to 20"),
    ):
        with pytest.raises(ElqError, match=message):
            ModelSettings(**settings)

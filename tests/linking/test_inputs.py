"""What a caller gives to a linker: every iterable of strings is read in its order, and all else is one sentence."""

import math
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from elq import ElqError, Linker, evaluate
from elq.commands import run
from elq.encoding.device import chosen_device, own_device, resolve_device
from elq.entities.build import BuildSettings, build_entities
from elq.linking.inputs import as_texts
from elq.questions.annotated import read_questions
from tests.conftest import QUESTIONS

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [text for text, _, _ in QUESTIONS]


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)


ITERABLES = {
    "tuple": tuple,
    "generator": lambda texts: (text for text in texts),
    "set": set,
    "dict keys": lambda texts: dict.fromkeys(texts).keys(),
    "dict values": lambda texts: dict(enumerate(texts)).values(),
    "map": lambda texts: map(str, texts),
    "numpy array": np.array,
    "numpy objects": lambda texts: np.array(texts, object),
    "Arrow array": pa.array,
    "Arrow chunks": lambda texts: pa.chunked_array([texts[:3], texts[3:]]),
    "Arrow dictionary": lambda texts: pa.array(texts).dictionary_encode(),
}


@pytest.mark.parametrize("kind", ITERABLES)
def test_every_iterable_of_strings_is_linked_in_its_order(kind, linker):
    given = ITERABLES[kind](TEXTS)
    order = list(given) if kind == "set" else TEXTS
    assert as_texts(given if kind not in ("generator", "map") else list(given)) == order
    assert linker.link(ITERABLES[kind](TEXTS) if kind != "set" else given) == linker.link(order)
    again = given if kind == "set" else ITERABLES[kind](TEXTS)
    assert linker.links(linker.score(again)) == linker.link(order)
    assert all(type(text) is str for text in as_texts(given if kind == "set" else ITERABLES[kind](TEXTS)))


def test_a_series_is_read_by_its_values_whatever_its_index(linker):
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency of elq")
    series = pandas.Series(TEXTS)
    expected = linker.link(TEXTS)
    shuffled = [5, 2, 7, 0, 6, 1, 3, 4]
    assert linker.link(series.iloc[shuffled]) == [expected[place] for place in shuffled]
    assert linker.link(series[series.str.contains("paris")]) == linker.link([text for text in TEXTS if "paris" in text])
    assert linker.link(series.sort_values()) == [expected[place] for place in sorted(range(8), key=TEXTS.__getitem__)]
    assert linker.link(series.astype("category")) == linker.link(series.astype("string")) == expected
    frame = pandas.DataFrame({"q": TEXTS}, index=[f"row {n}" for n in range(8)])
    assert linker.link(frame["q"]) == expected
    assert linker.link(pandas.Series(TEXTS, index=["columns", "to_pylist", *"abcdef"])) == expected
    with pytest.raises(ElqError, match=r"the texts are a table \(DataFrame\), .* give one of its columns"):
        linker.link(frame)
    for gap in (math.nan, None, pandas.NA):
        with pytest.raises(ElqError, match=rf"one is {gap!r} \(place 1 of 3, counted from 0\)"):
            linker.link(pandas.Series(["who", gap, "paris"], dtype=object, index=[7, 8, 9]))


def test_a_series_of_polars_is_read_in_its_order(linker):
    polars = pytest.importorskip("polars", reason="polars is no dependency of elq")
    assert linker.link(polars.Series(TEXTS)) == linker.link(TEXTS)


@pytest.mark.parametrize("wrong", [None, 5, 0, 2.5, b"who", bytearray(b"who"), {"a": "who"}, {}, object, Decimal(1)], ids=repr)
def test_what_is_no_list_of_strings_is_one_sentence(wrong, linker):
    for call in (linker.link, linker.score):
        with pytest.raises(ElqError, match="the texts are .*, which is no list of strings: give a string, or a list"):
            call(wrong)


def test_a_wrong_text_is_named_with_its_place(linker):
    for wrong in (5, None, b"x", ["who"], math.nan):
        with pytest.raises(ElqError, match=r"a question must be a string, but one is .* \(place 2 of 3, counted from 0\)"):
            linker.link(["who", "what", wrong])
    with pytest.raises(ElqError, match="place 0 of 1") as error:
        linker.link([b"x" * 10_000])
    assert len(str(error.value)) < 300
    with pytest.raises(ElqError, match="cannot be read one by one"):
        linker.link(np.array("who"))
    with pytest.raises(ElqError, match=r"a single string is given, 'who': give a list, \[text\]"):
        linker.score("who")
    with pytest.raises(ElqError, match=r"a table \(Table\)"):
        linker.link(pa.table({"q": TEXTS}))


WRONG_THRESHOLDS = [
    ("-1", "the threshold is '-1', but must be a number"),
    (True, "the threshold is True, but must be a number"),
    ([], r"the threshold is \[\], but must be a number"),
    (math.nan, "the threshold is nan"),
    (0.5, "the threshold is 0.5, but it is a natural logarithm and at most 0: .* min_probability"),
    (math.inf, "the threshold is inf, but it is a natural logarithm"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_THRESHOLDS, ids=[repr(value) for value, _ in WRONG_THRESHOLDS])
def test_a_wrong_threshold_is_one_sentence_in_every_call(wrong, message, linker, question_file):
    scored, questions = linker.score(TEXTS), read_questions(question_file)
    for call in (
        lambda: linker.link("who", threshold=wrong),
        lambda: linker.link([], threshold=wrong),
        lambda: linker.score(TEXTS, threshold=wrong),
        lambda: linker.links(scored, threshold=wrong),
        lambda: scored.links(wrong),
        lambda: evaluate(linker, questions, threshold=wrong),
    ):
        with pytest.raises(ElqError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_numbers_of_numpy_are_numbers(linker):
    expected = linker.link(TEXTS, threshold=-2.0, candidates=2)
    assert (
        linker.link(TEXTS, threshold=np.float32(-2), candidates=np.int64(2))
        == expected
        == linker.link(TEXTS, threshold=-2, candidates=2)
    )
    assert linker.link(TEXTS, threshold=0) == [[] for _ in TEXTS]


@pytest.mark.parametrize("wrong", [2.0, True, "3", math.nan, [1]], ids=repr)
def test_wrong_candidates_are_one_sentence(wrong, linker):
    for call in (linker.link, linker.score):
        with pytest.raises(ElqError, match="candidates is .*, but must be a whole number of at least 1"):
            call(TEXTS, candidates=wrong)
    with pytest.raises(ElqError, match="must be a whole number"):
        linker.score(TEXTS, mentions=[[] for _ in TEXTS], given_candidates=wrong)
    for few in (0, -3):
        with pytest.raises(ElqError, match=f"{few} candidates were asked for, but at least 1 is needed"):
            linker.link([], candidates=few)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0.5"], "at most 0: give a number such as -2.5, or give the lowest probability of a link"),
        (["--threshold", "nan"], "the threshold is nan"),
        (["--threshold", "low"], "--threshold is 'low', but must be a number"),
        (["--candidates", "2.0"], "candidates is 2.0, but must be a whole number"),
        (["--candidates", "many"], "--candidates is 'many', but must be a number"),
        (["--candidates", "0"], "0 candidates were asked for"),
    ],
)
def test_wrong_options_of_the_commands_are_one_sentence(options, message, capsys):
    commands = [["predict", "who?"], *([["evaluate", "--questions", "q"]] if options[0] == "--threshold" else [])]
    for command, *arguments in commands:
        assert run(command, [*arguments, *options]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("wrong", [None, 5, b"model", ["model"]], ids=repr)
def test_a_model_that_is_no_name_is_one_sentence(wrong):
    with pytest.raises(ElqError, match="the model is .*, but must be the path of a model folder or its name on the Hub"):
        Linker.from_pretrained(wrong)


def test_the_device_auto_is_the_best_one_of_this_machine(monkeypatch):
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    assert resolve_device("auto").type == next((name for name, is_there in there.items() if is_there), "cpu")
    for has, wanted in ((("cuda", "mps"), "cuda"), (("mps",), "mps"), ((), "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has=has: "cuda" in has)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda has=has: "mps" in has)
        assert chosen_device("auto") == own_device("auto") == wanted
    assert chosen_device("cuda:1") == "cuda:1"


FORK = """
import os, sys, torch
from elq import Linker
assert torch.get_num_threads() > 1
linker = Linker.from_pretrained(sys.argv[1])
texts = ["who directed titanic?", "what is the capital city paris", "who lives in paris texas"] * 200
before = [[(x.start, x.end, x.entity) for x in links] for links in linker.link(texts, threshold=-6.0)]
child = os.fork()
if not child:
    after = [[(x.start, x.end, x.entity) for x in links] for links in linker.link(texts, threshold=-6.0)]
    assert after == before and any(after), "other links"
    print("the child has linked", torch.get_num_threads(), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_a_process_that_is_forked_after_linking_links_too(index, encoder_folder, catalogue_file, model, tokenizer, tmp_path):
    from elq.entities.manifest import open_entities
    from elq.linking.decision import Decision
    from elq.training.export import export_folder

    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index=index)
    build_entities(catalogue_file, tmp_path / "entities", settings)
    entities = open_entities(tmp_path / "entities")
    export_folder(tmp_path / "m", model, tokenizer, entities, tmp_path / "entities", Decision(threshold=-4.0))
    environment = {**os.environ, "OMP_NUM_THREADS": "4", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", FORK, str(tmp_path / "m")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, said = child.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        pytest.fail("the forked process hangs")
    assert (child.returncode, out) == (0, "the child has linked 1\n"), said

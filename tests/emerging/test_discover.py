"""`elq discover`: from texts to records, which `elq add` takes, after which the mentions are linked."""

import json
import shutil

import numpy as np
import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.emerging import CorpusText, Group, GroupSettings, discover, records
from elq.emerging.corpus import read_corpus
from elq.emerging.groups import Context
from elq.emerging.unlinked import HEAD, Unlinked, centred, mention_vectors, unlinked
from elq.errors import ElqError
from elq.model.network import ELQ
from elq.tensors import Spans
from elq.types import NIL, Mention
from tests.conftest import write_lines

XYZ = "who wrote xyz lives?"


@pytest.fixture(scope="module")
def model(encoder_folder) -> ELQ:
    torch.manual_seed(1)
    return ELQ.from_encoder(encoder_folder, max_span_tokens=4, nil=True, names=True).eval()


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)


def given(text: str, *mentions: tuple[str, str | None]) -> CorpusText:
    return CorpusText(text, tuple(Mention(text.index(m), text.index(m) + len(m), entity) for m, entity in mentions))


def forms(found) -> list[str]:
    return [one.context.form for one in found]


def test_given_mentions_are_taken_tried_or_passed_over(linker):
    with torch.no_grad():
        linker.model.nil.value.fill_(-9.0)  # nothing is NIL
    text = given(XYZ, ("xyz", NIL), ("wrote", None), ("lives", "Q90"), ("?", NIL))
    assert forms(unlinked(linker, [text])) == ["xyz"]
    with torch.no_grad():
        linker.model.nil.value.fill_(9.0)  # everything is
    assert forms(unlinked(linker, [text, given(XYZ)])) == ["wrote", "xyz"]


def test_a_threshold_asks_for_the_score_of_the_best_candidate(linker):
    text = given("what is the capital city paris", ("paris", None), ("capital", None))
    scores = {link.mention: link.candidates[0].score for link in linker.link(text.text, mentions=text.mentions)}
    low, high = sorted(scores, key=scores.__getitem__)
    middle = (scores[low] + scores[high]) / 2
    assert forms(unlinked(linker, [text], threshold=middle)) == [low]
    assert forms(unlinked(linker, [text], threshold=scores[low] - 0.1)) == []
    with pytest.raises(ElqError, match="at most 0"):
        next(unlinked(linker, [text], threshold=1.0))


def test_found_mentions_are_the_links_to_nil(linker):
    with torch.no_grad():
        linker.model.nil.value.fill_(9.0)
    texts = ["who directed titanic?", XYZ, ""]
    expected = [link.mention for links in linker.link(texts, nil=True) for link in links if link.entity == NIL]
    assert expected
    assert forms(unlinked(linker, map(CorpusText, texts))) == expected


def test_a_model_without_nil_needs_given_mentions_and_a_threshold(encoder_folder, tokenizer, entities):
    plain = Linker(ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval(), tokenizer, entities, threshold=-4.0)
    with pytest.raises(ElqError, match="without NIL: .* or give mentions in the file"):
        discover(plain, [XYZ])
    with pytest.raises(ElqError, match="without NIL: .* or give a threshold"):
        discover(plain, [given(XYZ, ("xyz", None))])
    assert forms(unlinked(plain, [given(XYZ, ("xyz", None), ("wrote", NIL))], threshold=-1e-6)) == ["wrote", "xyz"]


def test_the_stream_is_not_read_ahead(linker):
    read = []

    def texts():
        for number in range(600):
            read.append(number)
            yield given(XYZ, ("xyz", NIL))

    next(unlinked(linker, texts()))
    assert len(read) == 256


def test_vectors_are_the_mention_and_the_mean_of_its_text_in_any_batch(linker):
    texts, spans = [XYZ, "who is queen", "a"], [[(10, 13), (4, 9)], [(7, 12)], []]
    found = mention_vectors(linker, texts, spans)
    assert [len(of_text) for of_text in found] == [2, 1, 0]
    tokens = linker.scorer.tokens(["who is queen"])
    with torch.inference_mode():
        hidden = linker.model.encode(tokens)[0]  # [CLS] who is queen [SEP]
    own = linker.model.mention_vectors(hidden[None], Spans(*torch.tensor([[0], [3], [4]])))[0].detach()
    mean = hidden[1:4].mean(0)
    expected = np.concatenate([(own / own.norm()).numpy(), (mean / mean.norm()).numpy()])
    assert found[1][0] == pytest.approx(expected, abs=1e-5)


def test_the_mean_of_the_first_mentions_and_of_fifty_zeros_is_subtracted():
    random, context = np.random.default_rng(0), Context("jo", 0, 2)
    vectors = random.normal(size=(HEAD + 5, 3)) + 2
    found = np.array([one.vector for one in centred(Unlinked(context, vector) for vector in vectors)])
    assert found == pytest.approx(vectors - vectors[:HEAD].sum(0) / (HEAD + 50))
    [alone] = centred([Unlinked(context, np.array([1.0, 0.0]))])
    assert alone.vector == pytest.approx([50 / 51, 0])
    assert [*centred([])] == []


def test_groups_have_at_least_so_many_mentions(linker):
    texts = [given("who is xyz", ("xyz", NIL)), given("who is xyz", ("xyz", NIL)), given("who is abc", ("abc", NIL))]
    assert [group.label for group in discover(linker, texts)] == ["xyz"]
    assert [group.label for group in discover(linker, texts, at_least=1)] == ["xyz", "abc"]
    assert discover(linker, texts, at_least=3) == []
    assert [group.mentions for group in discover(linker, texts * 2, settings=GroupSettings(same_name=-1))] == [4, 2]
    with pytest.raises(ElqError, match="at_least is 0"):
        discover(linker, texts, at_least=0)


def test_records_have_ids_that_are_free(entities):
    group = Group("Jo Do", ("Jo",), 2, 0.9, (Context("a  long text", 0, 1), Context("b", 0, 1)))
    made = [*records([group, group], entities.catalogue)]
    assert made[0] == {
        "id": "new-jo-do",
        "label": "Jo Do",
        "aliases": ["Jo"],
        "description": "",
        "mentions": 2,
        "contexts": ["a  long text", "b"],
    }
    assert made[1]["id"] == "new-jo-do-2"
    [described] = records([group], entities.catalogue, describe=True)
    assert described["description"] == "a long text"
    assert [*records([], entities.catalogue)] == []


@pytest.fixture(scope="module")
def folder(model, tokenizer, entities_folder, tmp_path_factory):
    """A model folder for which "xyz" is nothing that it knows."""
    from elq.linking.decision import Decision

    made = tmp_path_factory.mktemp("models") / "model"
    made.mkdir()
    with torch.no_grad():
        model.nil.value.fill_(0.9)
    model.save_pretrained(made, tokenizer)
    Decision(threshold=-8.0, candidates=3).save(made)
    shutil.copytree(entities_folder, made / "entities")
    return made


def corpus(tmp_path):
    texts = ["who is jo xyz", "who is jo xyz", "who is xyz", "what is abc"]
    names = ["jo xyz", "jo xyz", "xyz", "abc"]
    lines = [
        {"text": text, "mentions": [{"start": text.index(name), "end": len(text), "entity": None}]}
        for text, name in zip(texts, names, strict=True)
    ]
    return write_lines(tmp_path / "corpus.jsonl", lines)


def test_the_records_can_be_added_and_the_mention_is_then_linked(folder, encoder_folder, tmp_path):
    model, output = tmp_path / "model", tmp_path / "new.jsonl"
    shutil.copytree(folder, model)
    command = ["--model", str(model), "--input", str(corpus(tmp_path)), "--output", str(output), "--part", "-1"]
    assert run("discover", command) == 0
    [record] = map(json.loads, output.read_text().splitlines())
    assert (record["id"], record["label"], record["aliases"], record["mentions"]) == ("new-jo-xyz", "jo xyz", ["xyz"], 3)
    assert record["contexts"] == ["who is jo xyz", "who is jo xyz", "who is xyz"]

    def best() -> str:
        linker = Linker.from_pretrained(model)
        return linker.link("who is jo xyz", mentions=[(7, 13)])[0].entity

    assert best() != "new-jo-xyz"
    assert run("add", [str(model), "--catalogue", str(output), "--encoder", str(encoder_folder)]) == 0
    assert best() == "new-jo-xyz"
    assert Linker.from_pretrained(model).entities.catalogue.by_id(["new-jo-xyz"])["new-jo-xyz"].data["mentions"] == "3"
    assert run("discover", command) == 0  # the id is taken now
    assert json.loads(output.read_text())["id"] == "new-jo-xyz-2"


def test_every_option_changes_the_records(folder, tmp_path):
    source, output = corpus(tmp_path), tmp_path / "new.jsonl"

    def found(*options: str) -> list[dict]:
        command = ["--model", str(folder), "--input", str(source), "--output", str(output), *options]
        assert run("discover", command) == 0
        return [json.loads(line) for line in output.read_text().splitlines()]

    joined = found("--part", "-1")
    assert [one["mentions"] for one in joined] == [3]
    assert [one["mentions"] for one in found("--part", "2")] == [2]
    assert [one["mentions"] for one in found("--part", "2", "--at-least", "1")] == [2, 1, 1]
    assert [one["mentions"] for one in found("--part", "2", "--same-name", "2", "--at-least", "1")] == [1, 1, 1, 1]
    assert [len(one["contexts"]) for one in found("--part", "-1", "--contexts", "1")] == [1]
    assert [one["description"] for one in found("--part", "-1", "--describe")] == ["who is jo xyz"]
    plain = [{key: value for key, value in json.loads(line).items() if key == "text"} for line in source.open()]
    write_lines(source, plain)
    everything = found("--threshold", "0", "--at-least", "1")
    assert everything != found("--threshold", "-20", "--at-least", "1") == []


def test_files_give_mentions_or_leave_them_to_the_linker(tmp_path):
    lines = [
        {"text": "jo met mo", "mentions": [{"start": 0, "end": 2, "entity": None}, {"start": 7, "end": 9}]},
        {"text": "jo", "mentions": [{"start": 0, "end": 2, "entity": "Q1"}]},
        {"question": "jo"},
    ]
    assert [*read_corpus(str(write_lines(tmp_path / "a.jsonl", lines)))] == [
        CorpusText("jo met mo", (Mention(0, 2, NIL), Mention(7, 9, None))),
        CorpusText("jo", (Mention(0, 2, "Q1"),)),
        CorpusText("jo", None),
    ]
    (tmp_path / "b.json").write_text(json.dumps([{"t": "jo", "mentions": []}, {"t": "mo"}]))
    assert [*read_corpus(str(tmp_path / "b.json"), "t")] == [CorpusText("jo", ()), CorpusText("mo", None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "jo", "mentions": [{"start": 0, "end": 9}]}', "line 1: the span [0, 9) is empty or outside the text"),
        ('{"text": "jo", "mentions": {"start": 0}}', "line 1: mentions is {'start': 0}, but must be a list"),
        ('{"text": "jo", "mentions": [[0, 2]]}', "line 1: a mention is [0, 2], but must be an object"),
        ('{"words": "jo"}', "line 1: there is no text or question among words"),
        ("jo", "line 1: not valid JSON"),
    ],
)
def test_a_bad_line_is_one_sentence_and_leaves_the_old_output(folder, line, message, tmp_path, capsys):
    (tmp_path / "corpus.jsonl").write_text(line + "\n")
    (tmp_path / "new.jsonl").write_text("old")
    command = ["--model", str(folder), "--input", str(tmp_path / "corpus.jsonl"), "--output", str(tmp_path / "new.jsonl")]
    assert run("discover", command) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "new.jsonl").read_text() == "old"
    assert len([*tmp_path.iterdir()]) == 2


def test_wrong_options_are_refused_before_the_model_is_opened(tmp_path, capsys):
    source = write_lines(tmp_path / "a.jsonl", [{"text": "jo"}])
    command = ["--model", "nowhere", "--input", str(source), "--output", str(tmp_path / "b.jsonl")]
    for more, message in (
        (["--at-least", "0"], "--at-least is 0"),
        (["--threshold", "2"], "the threshold is 2"),
        (["--part", "7"], "part is 7.0, but must be a cosine"),
        (["--input", "none.jsonl"], "none.jsonl"),
        (["--output", str(source)], "is read by this command"),
        (["--output", str(tmp_path / "new.csv")], "but the records are JSON lines: give a name that ends in .jsonl"),
    ):
        assert run("discover", [*command, *more]) == 2
        assert message in capsys.readouterr().err

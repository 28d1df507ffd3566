"""The report: the page of a real run, read like a browser does."""

import base64
import itertools
import json
import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import astuple

import numpy as np
import pytest

from elq.commands import run
from elq.evaluation import intervals
from elq.evaluation.counting import gold_entities
from elq.evaluation.evaluate import Observed, observe
from elq.evaluation.reliability import BINS, reliability
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.linking.decision import Decision
from elq.linking.linker import Linker
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.report.buckets import BUCKETS, Error
from elq.report.page import Material, bucket_table, page, pieces
from elq.report.plots import DARK, LIGHT
from elq.report.wording import HEADLINES, number
from elq.training.export import export_folder
from elq.types import Candidate, Link, Mention, Question
from tests.conftest import write_lines
from tests.reader import Reader
from tests.report.test_plots import contrast

pytestmark = pytest.mark.usefixtures("quiet")
NASTY = "<script>alert('x')</script> & \"paris\" {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def folder(encoder_folder, tokenizer, entities, entities_folder, tmp_path_factory):
    import torch

    from elq.model.network import ELQ

    torch.manual_seed(1)
    made = tmp_path_factory.mktemp("report") / "model"
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()
    export_folder(made, model, tokenizer, entities, entities_folder, Decision(threshold=-4.0, candidates=3))
    return made


@pytest.fixture(scope="module")
def linker(folder) -> Linker:
    return Linker.from_pretrained(folder)


@pytest.fixture(scope="module")
def low(linker, question_file) -> Observed:
    return observe(linker, read_questions(question_file), threshold=SWEEP_FLOOR)


@pytest.fixture(scope="module")
def made(folder, question_file, tmp_path_factory):
    """The page, the metrics and the arguments of a run with all options."""
    place = tmp_path_factory.mktemp("page")
    questions = write_lines(
        place / "q<b>.jsonl",
        [json.loads(line) for line in question_file.read_text().splitlines()]
        + [{"id": "<i>", "text": NASTY, "mentions": [{"start": NASTY.index("paris"), "end": len(NASTY), "entity": "Q90"}]}],
    )
    arguments = ["--model", str(folder), "--questions", str(questions), "--baseline", "dictionary", "--threshold", "-5"]
    arguments += ["--training", str(question_file), "--date", "2026-01-31"]
    assert run("evaluate", [*arguments, "--report", str(place / "r.html"), "--output", str(place / "m.json")]) == 0
    return (place / "r.html").read_text(encoding="utf-8"), json.loads((place / "m.json").read_text()), arguments


def test_the_page_is_whole_and_asks_for_nothing_outside(made):
    text = made[0]
    reader = Reader(text)
    assert not re.search(r"https?://|//cdn|url\(|@import", re.sub(r"base64,[\w+/=]*", "", text))
    for attributes in reader.named("img", "source"):
        assert (attributes.get("src") or attributes.get("srcset")).startswith("data:image/svg+xml;base64,")
    assert reader.named("script", "link", "iframe") == []
    assert "default-src 'none'" in text


def test_the_page_can_be_read_by_everyone(made):
    reader = Reader(made[0])
    levels = [int(tag[1]) for tag, _, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))  # no level is left out
    assert reader.named("html")[0]["lang"] == "en"
    assert "width=device-width" in str(reader.named("meta"))
    assert len(reader.named("table")) == len(reader.named("caption")) > 5
    assert all("scope" in attributes for attributes in reader.named("th"))
    assert all(len(attributes["alt"]) > 40 for attributes in reader.named("img"))
    # a table wider than a phone scrolls in a region of its own, which the keyboard reaches
    assert all(around.endswith("div") for tag, _, around in reader.elements if tag == "table")
    ids = [attributes["id"] for _, attributes, _ in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in reader.named("section")} == set(ids)


def test_a_picture_for_light_pages_and_one_for_dark_pages(made):
    reader = Reader(made[0])
    assert [attributes["media"] for attributes in reader.named("source")] == ["(prefers-color-scheme: dark)"] * 4
    for light, dark in zip(reader.named("img"), reader.named("source"), strict=True):
        for uri, theme, other in ((light["src"], LIGHT, DARK), (dark["srcset"], DARK, LIGHT)):
            picture = base64.b64decode(uri.partition("base64,")[2]).decode()
            assert ElementTree.fromstring(picture).tag.endswith("svg")
            assert theme.ground in picture
            assert other.ground not in picture


def test_all_text_is_escaped(made):
    reader = Reader(made[0])
    assert "<script" not in made[0]
    assert NASTY in reader.text.replace("\n", "")
    assert "question <i>" in reader.text
    assert "q<b>.jsonl" in reader.text


def test_the_page_has_the_metrics_of_the_command(made):
    text, metrics, _ = made
    for name in ("set_in_catalogue_micro_f1", "strong_micro_f1", "main_entity_recall", "disambiguation_accuracy"):
        assert f'<td data-label="model">{metrics["model"][name]:.3f}' in text, name
    ours, theirs = (metrics[who]["strong_micro_f1"] for who in ("model", "dictionary"))
    assert f'<td data-label="dictionary">{theirs:.3f}' in text
    assert f'<td data-label="difference">{number(ours - theirs, sign=True)}' in text
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>', text)
    assert "links, overlapping span: macro recall" in rows
    assert "candidate recall@128" in rows
    for meaning in BUCKETS.values():
        assert meaning.replace("'", "&#39;") in text


def test_the_page_begins_with_its_findings_and_ends_with_how_they_are_made(made):
    text, metrics, _ = made
    head, main = text.split("<main>")
    said = head[head.index("<h1>") : head.index("<dl>")]
    for who, name in (("model", "recall"), ("model", "precision"), ("model", "f1"), ("dictionary", "f1")):
        assert number(metrics[who][f"set_in_catalogue_micro_{name}"]) in said, (who, name)
    assert "95% interval" in said
    assert "resamples" not in head + main[: main.index('id="method"')]
    assert "resamples" in main[main.index('id="method"') :]


def test_the_contents_lead_to_every_section(made):
    reader = Reader(made[0])
    sections = [attributes["aria-labelledby"] for attributes in reader.named("section")]
    assert len(sections) == 5
    links = [attributes["href"] for tag, attributes, around in reader.elements if tag == "a" and "nav" in around.split()]
    assert links == [f"#{section}" for section in sections]


def test_every_main_figure_is_explained_in_visible_text(made):
    text = made[0]
    shown = re.findall(r'<th scope="row">([^<]+) <span class="meaning">([^<]+)</span></th>', text)
    assert shown
    assert [name for name, _ in shown] == [words.name for words in HEADLINES.values() if words.name in dict(shown)]
    assert {*shown} <= {*HEADLINES.values()}
    assert "title=" not in text


def test_a_figure_has_the_name_of_its_column_where_rows_are_stacked(made):
    tables = re.findall(r'<table class="stacked.*?</table>', made[0], re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        _, *columns = re.findall(r'<th scope="col">(.*?)</th>', table)
        rows = re.findall(r'<tr><th scope="row">.*?</tr>', table, re.DOTALL)
        assert rows
        assert all(re.findall(r'<td data-label="(.*?)">', row) == columns for row in rows)


def test_numbers_have_a_true_minus_sign(made):
    text = made[0][made[0].index("<main>") :]
    assert not re.search(r"[\s>]-\d", re.sub(r"base64,[\w+/=]*", "", text))
    assert re.search(r"[\s>]−\d", text)


def test_the_date_is_the_one_that_is_given(made):
    assert '<time datetime="2026-01-31">2026-01-31</time>' in made[0]


def test_a_slice_without_gold_entities_has_only_false_links(linker):
    catalogue, mention = linker.entities.catalogue, Mention(0, 5, "Q90")
    questions = [Question("1", "paris", (mention,)), Question("2", "why paris"), Question("3", "who is paris")]
    links = [[], [Link(4, 9, "paris", "Q90", "Paris", "", -0.5)], []]
    observed = Observed(questions, links, [[0], [], []])
    text = page(Material({}, observed, -4.0, catalogue, Dictionary(catalogue), resamples=3))
    [table] = re.findall(r"<caption>Number of gold mentions</caption>.*?</table>", text, re.DOTALL)
    [row] = re.findall(r'<tr><th scope="row">0</th>.*?</tr>', table, re.DOTALL)
    cells = [" ".join(Reader(cell).text.split()) for cell in re.findall("<td.*?>(.*?)</td>", row, re.DOTALL)]
    assert cells[:5] == ["2", "0", "–", "–", "–"]
    assert cells[5].startswith("0.500")


def test_a_group_of_a_single_slice_is_a_sentence(linker):
    catalogue, question = linker.entities.catalogue, Question("1", "paris", (Mention(0, 5, "Q90"),))
    link = Link(0, 5, "paris", "Q90", "Paris", "", -0.5, (Candidate("Q90", "Paris", -0.1),))
    text = page(Material({}, Observed([question], [[link]], [[0]]), -4.0, catalogue, Dictionary(catalogue), resamples=3))
    assert "<caption>Number of gold mentions" not in text
    assert "Number of gold mentions: all are in one slice, “1”, so there is no table." in text


def test_the_calibration_error_is_that_of_reliability_on_the_same_links(made, linker):
    text, _, arguments = made
    questions = read_questions(arguments[arguments.index("--questions") + 1])
    links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
    rows = [(math.exp(x.score), x.entity in gold_entities(q)) for q, found in zip(questions, links, strict=True) for x in found]
    expected = reliability(*map(np.array, zip(*rows, strict=True)))
    said = [float(figure) for figure in re.findall(r"\(ECE\) is (\d\.\d+); .*? would have (\d\.\d+) to (\d\.\d+)", text)[0]]
    assert len(rows) > BINS
    assert said == pytest.approx([expected.ece, *expected.band], abs=6e-4)


def test_the_buckets_add_up_to_what_recall_and_precision_lack(made):
    text, metrics, _ = made
    [said] = re.findall(r"Of (\d+) gold mentions with an entity\s+(\d+) are lost, and of (\d+) links (\d+) are\s+wrong", text)
    gold, lost, links, wrong = map(int, said)
    assert gold == metrics["model"]["gold_mentions"]
    assert (gold - lost) / gold == pytest.approx(metrics["model"]["strong_micro_recall"])
    assert (links - wrong) / links == pytest.approx(metrics["model"]["strong_micro_precision"])
    rows = re.findall(r'<tr><th scope="row"><b>[\w ]+</b>(?:: .*?)?</th><td>(\d+)</td><td>(\d+)</td></tr>', text)
    assert len(rows) == len(BUCKETS) + 1
    assert [sum(int(row[side]) for row in rows[:-1]) for side in (0, 1)] == [lost, wrong] == [*map(int, rows[-1])]


def test_examples_are_at_most_fifteen_with_five_candidates_each(entities):
    candidates = tuple(Candidate(f"Q{n}", "", -float(n)) for n in range(8))
    errors = []
    for place in range(20):
        question = Question(str(place), "paris", (Mention(0, 5, "Q90"),))
        link = Link(0, 5, "paris", "Q116", "", "", -place / 10, candidates)
        errors += [Error("other_name", lost, question, question.mentions[0], link) for lost in (True, False)]
    [row] = [row for row in bucket_table(errors, -0.75, entities.catalogue) if row["lost"]]
    assert (row["name"], row["lost"], row["wrong"]) == ("other name", 20, 20)
    assert [one["id"] for one in row["examples"]] == [str(place) for place in range(15)]
    assert [one["below"] for one in row["examples"]] == [False] * 8 + [True] * 7
    assert {one["candidates"] for one in row["examples"]} == {candidates[:5]}
    assert {one["title"] for one in row["examples"]} == {"Paris"}


def test_a_report_changes_no_metric_and_is_the_same_each_time(made, tmp_path):
    text, metrics, arguments = made
    assert run("evaluate", [*arguments[:-4], "--output", str(tmp_path / "m.json")]) == 0
    again = json.loads((tmp_path / "m.json").read_text())
    assert {**again, "cost": None} == {**metrics, "cost": None}  # only times differ
    assert run("evaluate", [*arguments, "--report", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == text


def test_without_baseline_and_training_the_page_has_neither(folder, question_file, tmp_path):
    output = tmp_path / "r.html"
    arguments = ["--model", str(folder), "--questions", str(question_file), "--report", str(output)]
    assert run("evaluate", arguments) == 0
    assert "difference" not in output.read_text()
    assert "unseen" not in output.read_text()


def test_the_plots_show_links_below_the_threshold_in_use(folder, question_file, tmp_path):
    output = tmp_path / "r.html"
    arguments = ["--model", str(folder), "--questions", str(question_file), "--threshold", "0", "--report", str(output)]
    assert run("evaluate", arguments) == 0
    assert len(Reader(output.read_text()).named("img")) == 4
    assert "below the threshold:" in output.read_text()


def test_links_of_a_higher_threshold_are_those_of_the_floor_that_reach_it(linker, low):
    texts = [question.text for question in low.questions]
    scores = sorted({link.score for found in low.links for link in found})
    assert len(scores) > 10
    gaps = [(lower + upper) / 2 for lower, upper in itertools.pairwise(scores) if upper - lower > 1e-4]  # rounding is less
    for threshold in (scores[0] - 1e-4, gaps[0], gaps[len(gaps) // 2], gaps[-1], 0.0):
        for mine, theirs in zip(low.above(threshold).links, linker.link(texts, threshold=threshold), strict=True):
            assert [astuple(link)[:4] for link in mine] == [astuple(link)[:4] for link in theirs]
            assert [link.score for link in mine] == pytest.approx([link.score for link in theirs], abs=1e-5)


def test_no_links_and_no_gold_mentions_make_a_page_too(linker):
    catalogue = linker.entities.catalogue
    observed = Observed([Question("1", "why \ud800")], [[]], [[]])
    text = page(Material({}, observed, -4.0, catalogue, Dictionary(catalogue), resamples=3))
    assert "There is nothing to draw" in Reader(text).text
    link = Link(0, 3, "why", "Q90", "Paris", "", -0.5, (Candidate("Q90", "Paris", -0.1),))
    observed = Observed([Question("1", "why")], [[link]], [[]])
    text = page(Material({}, observed, -math.inf, catalogue, Dictionary(catalogue), resamples=3))
    assert "a wrong link that overlaps no lost and no null mention" in text


def test_every_interval_of_a_page_is_drawn_as_often_as_asked(linker, low, monkeypatch):
    asked, draw = [], intervals.draw_counts
    monkeypatch.setattr(intervals, "draw_counts", lambda *settings: asked.append(settings[1:]) or draw(*settings))
    catalogue = linker.entities.catalogue
    page(Material({}, low, -4.0, catalogue, Dictionary(catalogue), resamples=7, seed=3))
    assert len(asked) >= 4  # figures, slices and the bands of two plots
    assert {*asked} == {(7, 3)}


@pytest.mark.parametrize(
    ("missing", "arguments", "message"),
    [
        (True, ["--report", "r.html"], "a report's plots need Matplotlib, which is not installed: `pip install matplotlib`"),
        (False, ["--training", "t.jsonl"], "--training is given, but only the report uses it: give --report FILE too"),
        (False, ["--report", "r.html", "--training", "none.jsonl"], "none.jsonl does not exist"),
        (False, ["--date", "2026-01-31"], "--date is given, but only the report uses it: give --report FILE too"),
        (False, ["--report", "r.html", "--date", "today"], "--date is 'today', but must be a date of the form YYYY-MM-DD"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_page(
    missing, arguments, message, folder, question_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    if missing:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("evaluate", ["--model", str(folder), "--questions", str(question_file), *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""  # said before anything is measured
    assert list(tmp_path.iterdir()) == []


def test_colours_of_the_page_can_be_told_from_their_ground(made):
    """The limits of WCAG 2: 4.5 for text, 3 for lines that mean something."""
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", made[0], re.DOTALL)]
    assert len(themes) == 2
    for theme in themes:
        for text, ground in (("text", "ground"), ("soft", "ground"), ("soft", "row"), ("text", "row"), ("text", "gold")):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
        assert contrast(theme["link"], theme["ground"]) >= 3


def test_a_question_is_cut_at_the_ends_of_mention_and_link():
    made = pieces("new york city", Mention(0, 8, "Q60"), Link(4, 13, "", "Q1", "", "", 0.0))
    assert [tuple(piece) for piece in made] == [("new ", True, False), ("york", True, True), (" city", False, True)]
    assert "".join(piece.text for piece in pieces("abc", None, None)) == "abc"

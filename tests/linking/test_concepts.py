"""Concepts: links of generic nouns are shown or dropped, and dropping them removes these links and no others."""

import shutil

import pytest

from elq import Linker
from elq.commands import run
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.errors import ElqError
from elq.linking.balance import Balance
from elq.linking.concepts import is_cased, is_concept, ordinary
from elq.linking.decision import Decision
from elq.types import Entity
from tests.linking.test_old_folders import MODEL

pytestmark = pytest.mark.usefixtures("quiet")
TEXTS = ["what is baseball", "who plays Baseball in chicago", "Jazz in paris", "history of music in rome", "where is titanic"]
LOW = -7.0


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.from_pretrained(MODEL)


def test_dropping_removes_the_links_of_generic_nouns_and_no_others(linker):
    kept, dropped = linker.link(TEXTS, threshold=LOW), linker.link(TEXTS, threshold=LOW, concepts="drop")
    catalogue, removed = linker.entities.catalogue, []
    for text, links, left in zip(TEXTS, kept, dropped, strict=True):
        assert [link for link in links if link in left] == list(left)
        for link in links:
            record = catalogue.by_id([link.entity])[link.entity]
            assert (link not in left) == (is_concept(record) and ordinary(text, link.start, link.end))
            removed += [link.mention] if link not in left else []
    assert {"baseball", "music"} <= {*removed}
    assert "Baseball" not in removed
    assert any(link.mention == "Baseball" for link in dropped[1])
    assert linker.link(TEXTS, threshold=LOW, concepts="keep") == kept
    scored = linker.score(TEXTS, threshold=LOW)
    assert linker.links(scored, threshold=LOW, concepts="drop") == dropped == scored.links(LOW, concepts="drop")


def test_the_setting_of_the_folder_holds_unless_a_call_says_another(tmp_path, linker):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    decision = Decision.load(folder)
    kept = {name: getattr(decision, name) for name in Decision.__slots__ if name != "format"}
    Decision(**{**kept, "concepts": "drop"}).save(folder)
    other = Linker.from_pretrained(folder)
    assert other.link(TEXTS, threshold=LOW) == linker.link(TEXTS, threshold=LOW, concepts="drop")
    assert other.link(TEXTS, threshold=LOW, concepts="keep") == linker.link(TEXTS, threshold=LOW)
    assert Linker.from_pretrained(folder, concepts="keep").concepts == "keep"
    start = TEXTS[0].index("baseball")
    [given] = other.link(TEXTS[0], mentions=[(start, len(TEXTS[0]))])
    assert given.mention == "baseball"  # given mentions are always answered


def test_what_is_nil_is_no_generic_noun(linker):
    parts = {"balance": Balance(nil_shift=14.0), "threshold": LOW, "score_mode": "table", "dictionary": linker.dictionary}
    linker = Linker(linker.model, linker.tokenizer, linker.entities, **parts)
    every = linker.link(TEXTS, threshold=-20.0, nil=True)
    dropped = linker.link(TEXTS, threshold=-20.0, nil=True, concepts="drop")
    nils = [[link for link in links if link.entity == "NIL"] for links in every]
    assert sum(map(len, nils))
    assert [[link for link in links if link.entity == "NIL"] for links in dropped] == nils


def test_an_explanation_says_why_a_generic_noun_is_hidden(linker):
    linker = Linker.from_pretrained(MODEL, concepts="drop")
    linker.threshold = LOW
    found = linker.explain(TEXTS[0])
    assert "generic nouns are dropped" in str(found)
    linker.concepts = "keep"
    assert "generic nouns are dropped" not in str(linker.explain(TEXTS[0]))


def test_capital_letters_say_what_a_concept_is_only_where_a_catalogue_uses_them(tmp_path):
    def catalogue(*labels: str) -> Catalogue:
        write_catalogue([Entity(f"Q{n}", label, label) for n, label in enumerate(labels)], tmp_path / f"{len(labels)}.arrow")
        return Catalogue(tmp_path / f"{len(labels)}.arrow")

    assert is_cased(catalogue("Paris", "ski"))
    assert not is_cased(catalogue("cordless drill", "garden hose", "Bosla"))
    drill, jazz = Entity("A", "cordless drill", "cordless drill"), Entity("B", "Jazz", "Jazz", types=("music genre",))
    assert (is_concept(drill), is_concept(drill, cased=False)) == (True, False)
    assert is_concept(jazz, cased=False)


def test_the_command_takes_it_and_refuses_others(capsys):
    model = ["--model", str(MODEL), "--threshold", str(LOW), TEXTS[0]]
    assert run("predict", [*model]) == 0
    kept = capsys.readouterr().out
    assert run("predict", [*model, "--concepts", "drop"]) == 0
    dropped = capsys.readouterr().out
    assert "Q5369" in kept
    assert "Q5369" not in dropped
    assert run("predict", [*model, "--concepts", "some"]) == 2


def test_a_wrong_value_is_refused(linker):
    with pytest.raises(ElqError, match="concepts is 'some', but must be keep or drop"):
        linker.link(TEXTS[0], concepts="some")
    with pytest.raises(ElqError, match="decision.json: concepts is 3, but must be keep or drop"):
        Decision(threshold=-1.0, concepts=3)

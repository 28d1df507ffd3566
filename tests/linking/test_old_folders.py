"""A model folder of format 4 can be opened, and gives the links that it gave with the code that made it.

tests/data/format4 was made by commit a473286: `experiment=starter` with a random encoder of width 32, names, prior, NIL and
score mode `table`, and `elq tune` on the starter's development questions. links.jsonl contains the links that the linker of
that commit returned.
"""

import json
import shutil
from pathlib import Path

import pytest

from elq import Linker
from elq.commands import run
from elq.entities.manifest import FORMAT, Manifest, manifest_values
from elq.errors import ElqError
from elq.linking.decision import Decision
from elq.linking.folder import DECISION, ENTITIES
from elq.names.dictionary import Dictionary
from elq.names.lengths import Lengths

DATA = Path(__file__).parents[1] / "data" / "format4"
MODEL = DATA / "model"


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.from_pretrained(MODEL)


@pytest.mark.parametrize("nil", [False, True])
def test_the_links_are_those_of_the_code_that_made_the_folder(linker, nil, monkeypatch):
    """But for names of more than L tokens, which are found since then."""
    monkeypatch.setattr(Dictionary, "named", lambda *given, longer, named=Dictionary.named: named(*given))
    expected = [json.loads(line) for line in (DATA / "links.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = [one for one in expected if one["nil"] == nil]
    found = linker.link([one["text"] for one in expected], threshold=expected[0]["threshold"], nil=nil)
    assert sum(map(len, found)) > 30
    for links, one in zip(found, expected, strict=True):
        links = [link for link in links if link.mention != "now"]  # a function word since then, in "snowpiercer"
        assert [[x.start, x.end, x.entity, [c.entity for c in x.candidates]] for x in links] == [
            [*row[:3], row[6]] for row in one["links"]
        ]
        scores = [number for x in links for number in (x.score, x.mention_score)]
        assert scores == pytest.approx([number for row in one["links"] for number in row[3:5]], abs=1e-5)
        assert [x.probability is None for x in links] == [row[5] is None for row in one["links"]]
        shown = [x.probability for x in links if x.probability is not None]
        assert shown == pytest.approx([row[5] for row in one["links"] if row[5] is not None], abs=1e-5)


def test_the_other_links_are_names_of_more_than_ten_tokens(linker):
    lines = [json.loads(line) for line in (DATA / "links.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = [one for one in lines if not one["nil"]]
    found = linker.link([one["text"] for one in expected], threshold=expected[0]["threshold"])
    more = []
    for links, one in zip(found, expected, strict=True):
        known = {tuple(row[:3]) for row in one["links"]}
        more += [link for link in links if (link.start, link.end, link.entity) not in known and link.mention != "now"]
    assert {"starship troopers", "the fault in our stars", "Doctor Zhivago"} <= {link.mention for link in more}
    assert all(Lengths(str(MODEL)).too_long([link.mention for link in more]))


def test_facts_and_decision_are_read_apart():
    values = manifest_values(MODEL / ENTITIES)
    assert values["format"] == 3
    manifest, decision = Manifest.load(MODEL / ENTITIES), Decision.load(MODEL)
    assert (manifest.entities, manifest.prior, manifest.format) == (1367, ["qid", "popularity"], FORMAT)
    assert decision.threshold == values["threshold"]
    assert (decision.score_mode, decision.candidates, decision.calibration) == ("table", 10, values["calibration"])
    assert decision.chosen == {"by": "elq tune", **values["tuned"]}


def test_what_is_chosen_anew_goes_into_a_decision_of_its_own(tmp_path, capsys):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    before = (folder / ENTITIES / "manifest.json").read_bytes()
    Decision(threshold=-1.0, score_mode="table").save(folder)
    assert (folder / ENTITIES / "manifest.json").read_bytes() == before
    assert Linker.from_pretrained(folder).threshold == -1.0
    assert run("info", [str(folder)]) == 0
    assert "threshold γ = -1.000" in capsys.readouterr().out


def test_entities_without_a_decision_are_no_model(tmp_path):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    Manifest.load(folder / ENTITIES).save(folder / ENTITIES)
    with pytest.raises(ElqError, match=f"has no {DECISION}: its entities were built, but no model was trained with them"):
        Linker.from_pretrained(folder)

"""The balance: a shift of NIL and a factor of the name bonus equal a network with other weights; the defaults change no bit."""

import json
import math
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.errors import ElqError
from elq.linking.balance import AS_LEARNED, Balance, shifted
from elq.linking.decision import Decision
from elq.linking.folder import DECISION
from elq.model.heads import SINGLE_SCALE
from tests.linking.test_linker import same
from tests.linking.test_old_folders import MODEL

TEXTS = ["who directed titanic?", "how old is paris", "where is georgia", "what is jazz and baseball", "who plays in chicago"]
FLOOR = -12.0


@pytest.fixture
def folder(tmp_path) -> Path:
    return shutil.copytree(MODEL, tmp_path / "model")


def opened(folder: Path, **values: object) -> Linker:
    """The linker of the folder after values of its decision were changed."""
    decision = Decision.load(folder)
    kept = {name: getattr(decision, name) for name in Decision.__slots__ if name != "format"}
    Decision(**{**kept, **values}).save(folder)
    return Linker.from_pretrained(folder)


def everything(linker: Linker, **how: object) -> list:
    return linker.score(TEXTS, threshold=FLOOR).links(FLOOR, overlaps=True, **how)


@pytest.mark.parametrize("shift", [8.0, 12.0])  # NIL of this model has little
def test_a_shift_of_nil_equals_a_network_whose_nil_has_that_score(folder, shift):
    plain = everything(Linker.from_pretrained(folder))
    linker, slow = opened(folder, nil_shift=shift), Linker.from_pretrained(MODEL)
    with torch.no_grad():
        slow.model.nil.value += shift / SINGLE_SCALE
    found, expected = everything(linker), everything(slow)
    assert sum(map(len, found)) > 50
    for links, others in zip(found, expected, strict=True):
        same(links, others)
    least, most = (max(link.nil_score for links in every for link in links) for every in (plain, found))
    assert most > least + 2


def test_the_shift_of_a_link_equals_a_new_search(folder):
    plain = {(n, x.start, x.end): x for n, links in enumerate(everything(opened(folder, nil_shift=11.5))) for x in links}
    found = {(n, x.start, x.end): x for n, links in enumerate(everything(opened(folder, nil_shift=10.0))) for x in links}
    assert len(plain.keys() & found.keys()) > 50
    for place in plain.keys() & found.keys():
        assert found[place].score == pytest.approx(shifted(plain[place].score, plain[place].nil_score, -1.5), abs=1e-4)
    assert shifted(-1.0, -0.5, 0.0) == -1.0
    assert shifted(-30.0, 1e-6, -20.0) == pytest.approx(-10.0, abs=1e-3)  # log p(NIL) that was rounded to a number above 0


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_factor_of_the_name_bonus_equals_a_network_with_that_bonus(folder, factor):
    plain = everything(Linker.from_pretrained(folder))
    found = everything(opened(folder, name_factor=factor))
    slow = Linker.from_pretrained(MODEL)
    with torch.no_grad():
        slow.model.name_bonus.weight *= factor
    for links, others in zip(found, everything(slow), strict=True):
        same(links, others)
    assert [[x.entity for x in links] for links in found] != [[x.entity for x in links] for links in plain]


def test_the_defaults_change_not_a_bit(folder):
    before = (folder / DECISION).read_bytes() if (folder / DECISION).exists() else None
    expected = everything(Linker.from_pretrained(folder))
    assert everything(opened(folder, nil_shift=0.0, name_factor=1.0)) == expected
    assert not {"nil_shift", "name_factor", "concepts"} & json.loads((folder / DECISION).read_text()).keys()
    assert before is None or (folder / DECISION).read_bytes() == before
    scores = torch.tensor([0.1, -0.3])
    assert AS_LEARNED.of_nil(scores) is scores
    assert AS_LEARNED.of_bonus(scores) is scores


def test_it_is_kept_by_a_pickle_and_a_reload_and_elq_info_says_it(folder, capsys):
    linker = opened(folder, nil_shift=-1.0, name_factor=0.8, concepts="drop")
    assert json.loads((folder / DECISION).read_text())["nil_shift"] == -1.0
    assert linker.balance == Balance(nil_shift=-1.0, name_factor=0.8)
    assert linker.further() == [("nil_shift", -1.0), ("name_factor", 0.8), ("concepts", "drop")]
    assert Decision.load(folder).further == dict(linker.further())
    assert run("info", [str(folder)]) == 0
    assert "nil_shift -1.0, name_factor 0.8, concepts drop" in " ".join(capsys.readouterr().out.split())
    again = pickle.loads(pickle.dumps(linker))
    assert (again.balance, again.concepts) == (linker.balance, "drop")
    assert everything(again) == everything(linker)
    manifest = folder / "entities" / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "source": "elsewhere"} if "source" in values else {**values, "max_tokens": 9}))
    if linker.reload():
        assert linker.balance == Balance(nil_shift=-1.0, name_factor=0.8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nil_shift", math.nan),
        ("nil_shift", "x"),
        ("nil_shift", -21),
        ("name_factor", -0.1),
        ("name_factor", True),
        ("small_shift", 21),
    ],
)
def test_a_wrong_number_is_refused(folder, name, value):
    with pytest.raises(ElqError, match=f"{name} is .*, but must be a number from"):
        Balance(**{name: value})
    Decision.load(folder).save(folder)
    values = json.loads((folder / DECISION).read_text())
    (folder / DECISION).write_text(json.dumps({**values, name: value}))
    with pytest.raises(ElqError, match=rf"decision.json: {name} is"):
        Linker.from_pretrained(folder)

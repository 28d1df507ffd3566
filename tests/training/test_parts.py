"""Batches over parts of the catalogue: nothing outside the part exists for them."""

from dataclasses import replace

import pytest
import torch

from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.entities.prior import UNKNOWN
from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.tensors import Part
from elq.training.batches import Collator
from elq.training.entity_loss import make_entity_loss
from elq.training.losses import table_loss
from elq.training.parts import PartCollator, PartDictionary, PartSettings, over_part
from elq.training.processes import Processes
from elq.training.settings import LossSettings
from elq.types import Mention, Question
from tests.conftest import QUESTIONS

ALL_PARTS = PartSettings(share=1.0, smallest=2, largest=5)
TEXTS = [
    Question(f"q{n}", text, (Mention(text.index(name), text.index(name) + len(name), entity),))
    for n, (text, name, entity) in enumerate(QUESTIONS)
]


@pytest.fixture(scope="module")
def with_prior(encoder_folder, catalogue_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior") / "entities"
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", prior=("qid", "popularity"))
    build_entities(catalogue_file, folder, settings)
    return open_entities(folder)


@pytest.fixture(scope="module")
def collator(tokenizer, with_prior):
    rows = {entity.id: row for row, entity in enumerate(with_prior.catalogue)}
    return Collator(tokenizer, rows, max_span_tokens=4, dictionary=Dictionary(with_prior.catalogue))


def parts_of(collator, entities, settings=ALL_PARTS, **choices):
    return PartCollator(collator, entities.catalogue, settings, **{"seed": 0, "epoch": 0} | choices)


def test_nothing_outside_the_part_exists(collator, with_prior):
    sizes = set()
    for epoch in range(40):
        batch = parts_of(collator, with_prior, epoch=epoch)(TEXTS)
        inside = set(batch.part.rows.tolist())
        sizes.add(len(inside))
        assert batch.part.rows.tolist() == sorted(inside)
        assert set(batch.rows.tolist()) <= inside | {-1}
        assert set(batch.name_matches.rows.flatten().tolist()) <= inside | {-1}
    assert len(sizes) > 2


@pytest.mark.parametrize("settings", [ALL_PARTS, replace(ALL_PARTS, anonymous=1.0), replace(ALL_PARTS, no_aliases=1.0)])
def test_the_names_of_a_part_are_those_of_a_dictionary_of_the_part_alone(collator, with_prior, settings):
    batch = parts_of(collator, with_prior, replace(settings, anonymous=settings.anonymous if settings.anonymous == 1 else 0.0))(
        TEXTS
    )
    records = [with_prior.catalogue[row] for row in batch.part.rows.tolist()]
    if batch.part.anonymous:
        records = [replace(entity, id=f"x{place}") for place, entity in enumerate(records)]
    bare = [replace(entity, aliases=()) for entity in records]
    grids = [PartDictionary(one, range(len(one))).named([q.text for q in TEXTS], batch.tokens, 4) for one in (records, bare)]
    assert any(torch.equal(batch.tokens.named, grid) for grid in grids[settings.no_aliases == 1 :])


def test_a_wikidata_entity_outside_becomes_nil_and_another_no_mention():
    question = Question("a", "paris and canteen", (Mention(0, 5, "Q90"), Mention(10, 17, "r7"), Mention(6, 9, None)))
    assert over_part(question, frozenset({"Q90", "r7"})) == question
    assert over_part(question, frozenset()).mentions == (Mention(0, 5, None), Mention(6, 9, None))


def test_the_parts_depend_only_on_seed_epoch_and_questions(collator, with_prior):
    def drawn(**choices):
        return [parts_of(collator, with_prior, **choices)(TEXTS[n:]).part.rows.tolist() for n in range(6)]

    assert drawn() == drawn()
    assert drawn() != drawn(epoch=1)
    assert drawn() != drawn(seed=1)


def test_a_share_of_the_batches_sees_the_whole_catalogue(collator, with_prior):
    seen = [parts_of(collator, with_prior, PartSettings(share=0.5), epoch=epoch)(TEXTS).part is None for epoch in range(60)]
    assert 15 < sum(seen) < 45
    whole, none = parts_of(collator, with_prior, PartSettings())(TEXTS), collator(TEXTS)
    assert torch.equal(whole.rows, none.rows)
    assert torch.equal(whole.tokens.named, none.tokens.named)


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_loss_is_that_of_a_table_of_the_part(collator, with_prior, anonymous):
    batch = collator(TEXTS)
    batch.part = Part(torch.tensor([0, 2, 4, 5, 6]), anonymous)
    batch.rows = torch.tensor([0, 4, 6, 2, -1, 0, -1, 5])
    batch.name_matches = None
    table = with_prior.table.tensor()[batch.part.rows]
    if anonymous:
        table[:, -4:] = torch.tensor(UNKNOWN * 2)
        assert not torch.equal(table, with_prior.table.tensor()[batch.part.rows])
    torch.manual_seed(0)
    vectors, nil = torch.randn(8, with_prior.table.width), torch.randn(8)
    loss = make_entity_loss(LossSettings(loss="sampled", hard_negatives=2))
    loss.prepare(with_prior, torch.device("cpu"), Processes())
    places = torch.tensor([0, 2, 4, 1, -1, 0, -1, 3])
    assert torch.allclose(
        torch.stack(loss(vectors, batch, None, nil)), torch.stack(table_loss(vectors, places, table, nil=nil))
    )


def test_anonymous_entities_are_equally_famous(with_prior):
    rows = [2, 3]  # both are called Titanic
    entities = [replace(with_prior.catalogue[row], id=f"x{row}") for row in rows]
    for order in ([0, 1], [1, 0]):
        found = PartDictionary([entities[n] for n in order], [rows[n] for n in order]).name_matches(["titanic", "xyz"])
        assert found.rows[0].tolist()[:2] == [rows[n] for n in order]
        assert found.rows[1].tolist() == [-1] * found.rows.shape[1]


@pytest.mark.parametrize("wrong", [{"share": 2.0}, {"kept": -0.1}, {"smallest": 0}, {"smallest": 9, "largest": 8}])
def test_bad_settings_are_one_sentence(wrong):
    with pytest.raises(ElqError, match=r"^data\.parts\.\w+ is .*: correct (it|them)$"):
        PartSettings(**wrong)

"""Further ways to candidates and scores: BM25, the joint index, trees, the noise filter and matching, trained and linked."""

import copy
import json
import shutil

import pytest
import torch

from elq.commands import run
from elq.commands.train import fit
from elq.errors import ElqError
from elq.multimodal.candidates import Finder, Nearest, by_words
from elq.multimodal.disambiguator import MultimodalDisambiguator
from elq.multimodal.examples import PicturedMention, boxed_mention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures, are_named
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.picture_features import MemoryStore, pictures_of
from elq.multimodal.presets import PRESETS
from elq.multimodal.retrieval import BM25
from elq.multimodal.unit import Sizes
from tests.multimodal.pictured import drawn

TEXT = "the queen in texas square"


def test_candidates_by_words_are_those_of_bm25_over_the_texts_of_entities(disambiguator):
    base = disambiguator.base
    examples = [PicturedMention(TEXT, 4, 9, -1), PicturedMention("xyz", 0, 3, -1)]
    texts = [f"{one.title} [unused2] {one.description}" for one in base.entities.catalogue.all_rows()]
    expected = BM25(texts).search(TEXT, 4)[0].tolist()
    found = by_words(base, examples, 4).tolist()
    assert found == [expected + [-1] * (4 - len(expected)), [-1] * 4]
    rows, _ = Finder(base, disambiguator.pictures, Nearest(text=1, picture=0, words=4)).find(
        examples, (torch.empty(2, 1, 0), None)
    )
    assert {*expected} <= {*rows[0].tolist()}


def test_candidates_of_the_joint_index_are_those_of_a_slow_loop(disambiguator):
    torch.manual_seed(0)
    sizes = Sizes(text=disambiguator.texts.width, picture=disambiguator.pictures.width)
    network = PRESETS["dxr"].network(sizes).eval()
    mention = PicturedMention(TEXT, 4, 9, -1, drawn("gold", "square"))
    shown = pictures_of([mention], MemoryStore(disambiguator.tower))
    features = MentionFeatures(disambiguator.texts.mentions([mention]), [mention.mention], shown, network.needs, [True])
    entities = EntityFeatures(disambiguator.texts, disambiguator.pictures, network.needs)
    finder = Finder(disambiguator.base, disambiguator.pictures, Nearest(text=1, picture=0, joint=3), entities, network)
    whole, _, mask = shown.at([0], patches=False)
    rows, _ = finder.find([mention], (whole, mask), features, [0])
    unit, best = network.units["dxr"], {}
    with torch.inference_mode():
        own, there = unit.rows(features.at([0]))
        for row in range(len(disambiguator.entities.catalogue)):
            others, some = unit.rows(entities.at(torch.tensor([row])))
            cosines = [float(a @ b) for a in own[0][there[0]] for b in others[0][some[0]]]
            best[row] = max(cosines)
    nearest = sorted(best, key=lambda row: -best[row])[:3]
    by_text = disambiguator.base.candidates([mention], 1).rows[0].tolist()
    assert rows[0][rows[0] >= 0].tolist() == [*by_text, *(row for row in nearest if row not in by_text)]
    with pytest.raises(ElqError, match="only the preset dxr has one"):
        Finder(disambiguator.base, disambiguator.pictures, Nearest(joint=3), entities, disambiguator.network).find(
            [mention], (whole, mask), features, [0]
        )


def test_only_words_that_are_a_name_name_a_mention(disambiguator):
    examples = [
        PicturedMention(TEXT, 4, 9, -1),
        PicturedMention("they said so", 0, 4, -1),
        boxed_mention(TEXT[4:9], None, None),
    ]
    assert TEXT[4:9] == "queen"
    assert are_named(disambiguator.base, examples) == [True, False, False]
    assert are_named(disambiguator.base, []) == []


def test_removed_entities_are_no_candidates(pictured_run, tmp_path):
    shutil.copytree(pictured_run / "model", tmp_path / "model")
    mention = PicturedMention("the queen square", 4, 9, -1, drawn("gold", "square"))

    def found() -> tuple[list[int], list[int]]:
        model = MultimodalDisambiguator.from_pretrained(tmp_path / "model")
        torch.manual_seed(0)
        network = PRESETS["dxr"].network(Sizes(text=model.texts.width, picture=model.pictures.width)).eval()
        shown = pictures_of([mention], MemoryStore(model.tower))
        features = MentionFeatures(model.texts.mentions([mention]), [mention.mention], shown, network.needs, [True])
        entities = EntityFeatures(model.texts, model.pictures, network.needs)
        finder = Finder(model.base, model.pictures, Nearest(text=1, picture=0, joint=9), entities, network)
        whole, _, mask = shown.at([0], patches=False)
        joint = finder.find([mention], (whole, mask), features, [0])[0][0].tolist()
        return by_words(model.base, [mention], 9)[0].tolist(), joint

    words, joint = found()
    row = words[0]
    assert row in joint
    model = MultimodalDisambiguator.from_pretrained(tmp_path / "model")
    assert run("remove", [str(tmp_path / "model"), model.entities.catalogue[row].id]) == 0
    for before, after in zip((words, joint), found(), strict=True):
        assert row not in after
        assert {*before} - {row, -1} <= {*after}


@pytest.mark.parametrize("name", ["twitter", "hq", "dxr", "mkb", "m3el_movie"])
def test_a_preset_with_its_own_ways_trains_and_its_folder_links_as_it_was_measured(
    name, pictured_values, pictured_folder, tmp_path
):
    values = copy.deepcopy(pictured_values)
    del values["model"]["units"]
    values["model"]["preset"] = name
    values["trainer"]["max_epochs"] = 1
    run = tmp_path / "run"
    run.mkdir()
    metrics = fit(values, run)
    written = json.loads((run / "metrics.json").read_text())
    assert ("noise" in written) == (name == "hq")
    assert (run / "model" / "pictures" / "trees.safetensors").is_file() == (name == "twitter")
    model = MultimodalDisambiguator.from_pretrained(run / "model")
    assert (model.linking.nearest.words > 0, model.linking.nearest.joint > 0) == (name == "mkb", name == "dxr")
    assert model.linking.decoding == ("matching" if name == "m3el_movie" else "rank")
    from elq.questions.annotated import read_questions

    right = 0
    for part in ("dev", "dev_boxes"):
        for question in read_questions(pictured_folder / f"{part}.jsonl"):
            spans = [(one.start, one.end) for one in question.mentions]
            [link] = model.link(question.text, spans, image=question.image, box=question.box)
            right += link.entity == (question.box_entity or question.mentions[0].entity)
    assert right / 34 == pytest.approx(metrics["accuracy"], abs=1.01 / 34)


def test_no_two_mentions_of_a_text_mean_the_same_entity_if_they_are_matched(disambiguator):
    from dataclasses import replace

    picture = drawn("red", "circle")
    text, spans = "paris and paris", [(0, 5), (10, 15)]
    first, second = disambiguator.link(text, spans, image=picture)
    assert first.entity == second.entity
    linking = replace(disambiguator.linking, decoding="matching")
    parts = (disambiguator.base, disambiguator.network, disambiguator.tower, disambiguator.pictures, linking)
    one, other = MultimodalDisambiguator(*parts).link(text, spans, image=picture)
    assert one.entity != other.entity
    assert {one.entity, other.entity} <= {candidate.entity for candidate in first.candidates}
    many = MultimodalDisambiguator(*parts).link(
        ["paris", *[text] * 40], [[(0, 5)], *[spans] * 40], image=[picture] * 41
    )  # more than one part
    assert all({link.entity for link in links} == {one.entity, other.entity} for links in many[1:])
    assert len({links[0].entity for links in many[1:]}) == 1
    assert isinstance(disambiguator.network, MultimodalNetwork)

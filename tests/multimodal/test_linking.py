"""Linking with pictures: without a picture the links are the bi-encoder's, and with one they are those of a slow count."""

import json
import logging
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from elq.commands import run
from elq.disambiguation.disambiguator import Disambiguator
from elq.errors import ElqError
from elq.evaluation.given import observe_given
from elq.multimodal.candidates import Finder, Nearest, text_scores
from elq.multimodal.combining import PictureLinking, combined, filled
from elq.multimodal.disambiguator import MultimodalDisambiguator
from elq.multimodal.examples import PicturedMention, boxed_mention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.features import UnitScores
from elq.multimodal.picture_features import MemoryStore, pictures_of
from elq.questions.annotated import read_questions
from elq.types import BoxLink, Link
from tests.multimodal.pictured import drawn

TEXTS = ["where is paris", "the queen and titanic", "ship"]
SPANS = [[(9, 14)], [(4, 9), (14, 21)], [(0, 4)]]


def test_without_a_picture_the_links_are_those_of_the_bi_encoder_bit_for_bit(disambiguator, pictured_run):
    alone = Disambiguator.from_pretrained(pictured_run / "model")
    expected = alone.link(TEXTS, SPANS)
    assert disambiguator.link(TEXTS, SPANS) == expected
    assert disambiguator.link(TEXTS, SPANS, image=[None] * 3, box=[None] * 3) == expected
    assert disambiguator.link(TEXTS[0], SPANS[0]) == alone.link(TEXTS[:1], SPANS[:1])[0]
    assert [link.to_dict() for link in disambiguator.link(TEXTS, SPANS, candidates=2)[1]] == [
        link.to_dict() for link in alone.link(TEXTS, SPANS, candidates=2)[1]
    ]


def test_a_picture_that_cannot_be_used_counts_as_none_and_is_reported(disambiguator, tmp_path, caplog):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    expected = disambiguator.link(TEXTS, SPANS)
    with caplog.at_level(logging.WARNING):
        found = disambiguator.link(TEXTS, SPANS, image=[tmp_path / "broken.png", b"", tmp_path / "missing.png"])
    assert found == expected
    assert "counts as no picture" in caplog.text


def test_a_box_in_a_picture_that_cannot_be_used_means_nothing(disambiguator, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    drawn("red", "circle").save(tmp_path / "whole.png")
    texts, images = ["who is this?"] * 3, [tmp_path / "broken.png", tmp_path / "whole.png", tmp_path / "missing.png"]
    [first], [second], [third] = disambiguator.link(texts, image=images, box=[(1, 2, 40, 41)] * 3)
    assert first == third == BoxLink(0, 0, "", "NIL", "", "", 0.0, box=(1, 2, 40, 41))
    assert second.entity != "NIL"
    outside = disambiguator.link("who is this?", image=tmp_path / "whole.png", box=(90, 90, 99, 99))
    assert [link.entity for link in outside] == ["NIL"]


def test_a_measure_counts_a_box_whose_picture_does_not_exist_as_not_found(disambiguator, pictured_folder, tmp_path, caplog):
    records = [json.loads(line) for line in (pictured_folder / "dev_boxes.jsonl").read_text().splitlines()][:4]
    for record in records:
        record["image"] = str(pictured_folder / record["image"])
    whole = tmp_path / "whole.jsonl"
    whole.write_text("".join(json.dumps(record) + "\n" for record in records))
    records[1]["image"] = str(tmp_path / "lost.png")
    lost = tmp_path / "lost.jsonl"
    lost.write_text("".join(json.dumps(record) + "\n" for record in records))
    first, second = (observe_given(disambiguator, read_questions(file)).ranks for file in (whole, lost))
    assert second[1] == [-1] != first[1]
    assert [second[place] for place in (0, 2, 3)] == [first[place] for place in (0, 2, 3)]
    assert "1 of 4 pictures do not exist" in caplog.text


def slow_scores(disambiguator: MultimodalDisambiguator, mention: PicturedMention) -> dict[int, float]:
    """Row → score of every candidate of one mention with a picture, one candidate at a time."""
    base, linking = disambiguator.base, disambiguator.linking
    shown = pictures_of([mention], MemoryStore(disambiguator.tower), prompt=linking.prompt)
    by_text = base.candidates([mention], linking.nearest.text)
    rows = [row for row in by_text.rows[0].tolist() if row >= 0]
    query = shown.at([0])[0][0, -1]
    cosines = {}
    for picture, row in enumerate(disambiguator.pictures.rows.tolist()):
        vector = torch.from_numpy(disambiguator.pictures.whole[picture].astype("float32"))
        cosines[row] = max(cosines.get(row, -2.0), float(torch.nn.functional.cosine_similarity(query, vector, dim=0)))
    rows += [row for row in sorted(cosines, key=lambda row: -cosines[row])[: linking.nearest.picture] if row not in rows]
    texts = {
        row: float(base.ranking.queries(base.vectors([mention]))[0] @ base.entities.table.gather(torch.tensor(row)))
        for row in rows
    }
    matches = base.dictionary.name_matches([mention.mention])
    kinds = dict(zip(matches.rows[0].tolist(), matches.kinds[0].tolist(), strict=True))
    texts = {row: value + ((0.0, *base.ranking.names)[kinds.get(row, -1) + 1]) for row, value in texts.items()}
    log_sum = torch.tensor([*texts.values()]).logsumexp(0).item()
    features = MentionFeatures(
        disambiguator.texts.mentions([mention]),
        [mention.mention if mention.named else ""],
        shown,
        disambiguator.network.needs,
        [mention.named and bool((matches.rows >= 0).any())],
    )
    entities = EntityFeatures(disambiguator.texts, disambiguator.pictures, disambiguator.network.needs)
    said = {}
    for row in rows:
        with torch.inference_mode():
            said[row] = disambiguator.network(features.at([0]), entities.at(torch.tensor([row])), torch.tensor([[0]]))
    valid = [float(one.scores) for one in said.values() if bool(one.valid)]
    known = bool((matches.rows >= 0).any())
    first, second = (linking.named if known else linking.unnamed) if mention.named else linking.boxed
    values = {row: float(one.scores) if bool(one.valid) else sum(valid) / len(valid) for row, one in said.items()}
    return {row: first * (texts[row] - log_sum) + second * values[row] for row in rows}


@pytest.mark.parametrize(
    "mention",
    [
        PicturedMention("where is paris", 9, 14, -1, drawn("red", "circle", background="ivory")),
        PicturedMention("the texas ship", 4, 9, -1, drawn("gold", "square"), (4, 4, 40, 40)),
        boxed_mention("which one", drawn("green", "circle"), (0, 0, 48, 48)),
    ],
    ids=["named", "box and words", "box"],
)
def test_a_link_with_a_picture_is_that_of_a_slow_count(mention, disambiguator):
    expected = slow_scores(disambiguator, mention)
    spans = [(mention.start, mention.end)] if mention.named else []
    [link] = disambiguator.link(mention.text, spans, image=mention.image, box=mention.box, candidates=99)
    ids = {row: disambiguator.entities.catalogue[row].id for row in expected}
    scores = torch.tensor([*expected.values()])
    log_probs = dict(zip(ids.values(), scores.log_softmax(-1).tolist(), strict=True))
    found = {candidate.entity: candidate.score for candidate in link.candidates}
    assert found.keys() == log_probs.keys()
    assert found == pytest.approx(log_probs, abs=2e-3)
    assert link.entity == max(log_probs, key=lambda identity: log_probs[identity])


def test_the_scores_by_the_text_are_those_of_the_bi_encoder(disambiguator):
    examples = [PicturedMention(text, *span, -1) for text, own in zip(TEXTS, SPANS, strict=True) for span in own]
    found = disambiguator.base.candidates(examples, 6)
    torch.testing.assert_close(text_scores(disambiguator.base, examples, found.rows), found.scores)
    shown = (torch.randn(4, 1, disambiguator.pictures.width), torch.tensor([[True], [False], [True], [True]]))
    rows, scores = Finder(disambiguator.base, disambiguator.pictures, Nearest(text=3, picture=5)).find(examples, shown)
    for of_mention, values in zip(rows.tolist(), scores.tolist(), strict=True):
        there = [row for row in of_mention if row >= 0]
        assert len(there) == len({*there})
        assert [value == -torch.inf for value in values] == [row < 0 for row in of_mention]
    assert (rows[1] >= 0).sum() == 3  # no picture, no candidates by it


def test_several_mentions_are_linked_as_each_alone(disambiguator):
    pictures = [drawn("red", "square", margin=3), None, drawn("green", "circle", margin=9)]
    together = disambiguator.link(TEXTS, SPANS, image=pictures)
    for place, (text, spans, picture) in enumerate(zip(TEXTS, SPANS, pictures, strict=True)):
        alone = disambiguator.link(text, spans, image=picture)
        for one, other in zip(together[place], alone, strict=True):
            assert (one.entity, one.start, one.end) == (other.entity, other.start, other.end)
            assert one.score == pytest.approx(other.score, abs=1e-3)


def test_a_box_without_words_is_a_link_whose_mention_is_the_box(disambiguator):
    wide = Image.new("RGB", (96, 48), "white")
    wide.paste(drawn("blue", "square", background="ivory"), (48, 0))
    wide.paste(drawn("red", "circle", background="ivory"), (0, 0))
    [right] = disambiguator.link("what is in the picture", image=wide, box=(48, 0, 96, 48))
    [left] = disambiguator.link("what is in the picture", image=wide, box=(0, 0, 48, 48))
    assert isinstance(right, BoxLink)
    assert (right.box, right.mention, right.start, right.end) == ((48.0, 0.0, 96.0, 48.0), "", 0, 0)
    assert right.entity != left.entity
    assert json.loads(json.dumps(right.to_dict()))["box"] == [48.0, 0.0, 96.0, 48.0]
    [cut] = disambiguator.link("what is in the picture", image=wide.crop((48, 0, 96, 48)), box=(0, 0, 48, 48))
    assert cut.score == pytest.approx(right.score, abs=1e-3)
    assert repr(right).startswith("BoxLink(Q")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"texts": "paris"}, "neither mentions nor a box"),
        ({"texts": "paris", "box": (0, 0, 9, 9)}, "but no picture"),
        ({"texts": "paris", "image": b"x", "box": (9, 0, 0, 9)}, "box is"),
        ({"texts": ["paris"], "mentions": [[(0, 5)]], "image": b"x"}, "image is"),
        ({"texts": ["paris"], "mentions": [[(0, 5)]], "image": [None, None]}, "image is"),
        ({"texts": "paris", "mentions": [(0, 9)]}, "must lie in its 5 characters"),
        ({"texts": [1], "mentions": [[]]}, "a text is no string"),
        ({"texts": "paris", "mentions": [(0, 5)], "candidates": -1, "image": drawn("red", "circle")}, "candidates is -1"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, said, disambiguator):
    with pytest.raises(ElqError, match=said):
        disambiguator.link(arguments.pop("texts"), **arguments)


def test_both_scores_together_are_those_of_a_slow_loop():
    torch.manual_seed(0)
    text, network = torch.randn(3, 4), torch.randn(3, 4)
    text[1, 2], text[2, 0] = -torch.inf, -torch.inf
    weights = torch.tensor([[1.0, 0.5], [0.0, 2.0], [0.7, 0.0]])
    found = combined(text, network, weights)
    for m in range(3):
        sum_of = sum(float(value.exp()) for value in text[m])
        for k in range(4):
            if text[m, k] == -torch.inf:
                assert found[m, k] == -torch.inf
                continue
            log_p = float(text[m, k]) - float(torch.tensor(sum_of).log())
            assert float(found[m, k]) == pytest.approx(
                float(weights[m, 0]) * log_p + float(weights[m, 1] * network[m, k]), abs=1e-5
            )


def test_a_candidate_without_a_score_of_the_network_gets_the_mean_and_nan_is_not_read():
    scores = torch.tensor([[2.0, float("nan"), 4.0], [float("nan")] * 3])
    valid = torch.tensor([[True, False, True], [False] * 3])
    found = filled(UnitScores(scores, valid), torch.tensor([[True, True, True], [True, True, False]]))
    assert found.tolist() == [[2.0, 3.0, 4.0], [0.0, 0.0, -torch.inf]]


def test_the_settings_of_linking_are_saved_and_checked(tmp_path):
    linking = PictureLinking(tower="x", named=(0.5, 2.0), nearest=Nearest(text=3, picture=0), preset="mimic", prompt="drawn")
    linking.save(tmp_path)
    assert PictureLinking.load(tmp_path) == linking
    assert linking.weights.tolist() == [[0.5, 2.0], [0.5, 2.0], [0.0, 1.0]]  # as of a folder without weights of other words
    assert replace(linking, unnamed=(0.25, 1.5)).weights.tolist() == [[0.5, 2.0], [0.25, 1.5], [0.0, 1.0]]
    for change, said in (
        ({"unnamed": [1, 2, 3]}, "unnamed in linking.json"),
        ({"fitted": [1]}, "fitted in linking.json is .1., but must be 2 or 3 numbers"),
        ({"format": 9}, "not of format 1"),
        ({"more": 1}, "not of format 1"),
        ({"named": [1]}, "named in linking.json"),
        ({"named": 5}, "named in linking.json"),
        ({"prompt": "x"}, "prompt is 'x'"),
        ({"decoding": "x"}, "decoding is 'x'"),
        ({"nearest": {"text": 0}}, "candidates by text are 0"),
        ({"nearest": {"x": 0}}, "nearest in"),
    ):
        values = json.loads((tmp_path / "linking.json").read_text())
        (tmp_path / "wrong").mkdir(exist_ok=True)
        (tmp_path / "wrong" / "linking.json").write_text(json.dumps({**values, **change}))
        with pytest.raises(ElqError, match=said):
            PictureLinking.load(tmp_path / "wrong")
    with pytest.raises(ElqError, match="cannot be read"):
        PictureLinking.load(tmp_path / "nothing")


def test_a_folder_of_something_else_is_refused_with_what_it_must_have(pictured_run, tmp_path):
    shutil.copytree(pictured_run / "model", tmp_path / "plain", ignore=shutil.ignore_patterns("pictures"))
    for folder in (tmp_path / "plain", tmp_path / "nowhere"):
        with pytest.raises(
            ElqError, match=r"has no file pictures/linking.json: give the model folder of a run of `elq train exp"
        ):
            MultimodalDisambiguator.from_pretrained(folder)


def test_another_image_tower_is_refused(disambiguator):
    from dataclasses import replace

    other = replace(disambiguator.linking, tower_identity="another")
    with pytest.raises(ElqError, match="has other weights than the one with which this model was trained"):
        MultimodalDisambiguator(disambiguator.base, disambiguator.network, disambiguator.tower, disambiguator.pictures, other)


def test_pictures_make_ambiguous_questions_right(disambiguator, pictured_folder):
    questions = read_questions(pictured_folder / "dev.jsonl")
    spans = [[(m.start, m.end) for m in question.mentions] for question in questions]
    with_pictures = disambiguator.link([q.text for q in questions], spans, image=[q.image for q in questions])
    without = disambiguator.link([q.text for q in questions], spans)

    def right(found: list[list[Link]]) -> float:
        return sum(link.entity == q.mentions[0].entity for q, [link] in zip(questions, found, strict=True)) / len(questions)

    assert right(with_pictures) > right(without) + 0.2


def test_the_measure_of_given_mentions_reads_pictures_and_boxes(disambiguator, pictured_folder):
    questions = read_questions(pictured_folder / "dev.jsonl") + read_questions(pictured_folder / "dev_boxes.jsonl")
    choices = observe_given(disambiguator, questions, candidates=5)
    for question, ranks in zip(questions, choices.ranks, strict=True):
        spans = [(m.start, m.end) for m in question.mentions]
        links = disambiguator.link(question.text, spans, image=question.image, box=question.box, candidates=5)
        golds = [m.entity for m in question.mentions] or [question.box_entity]
        for link, gold, rank in zip(links, golds, ranks, strict=True):
            ids = [candidate.entity for candidate in link.candidates]
            assert rank == (ids.index(gold) if gold in ids else -1)
    assert choices.values()["given_mentions"] == len(questions)


def test_the_command_measures_a_folder_with_pictures(pictured_run, pictured_folder, disambiguator, tmp_path, capsys):
    questions = pictured_folder / "dev_boxes.jsonl"
    arguments = ["--given", "--questions", str(questions), "--model", str(pictured_run / "model"), "--candidates", "5"]
    assert run("evaluate", [*arguments, "--output", str(tmp_path / "m.json")]) == 0
    written = json.loads((tmp_path / "m.json").read_text())["model"]
    assert written == pytest.approx(
        observe_given(disambiguator, read_questions(questions), candidates=5).values()
        | {"given_ms_per_mention": written["given_ms_per_mention"]}
    )
    assert written["given_mentions"] == 10
    assert "mean reciprocal rank" in capsys.readouterr().out
    for wrong in ("--document", "--rerank=x"):
        assert run("evaluate", [*arguments, wrong]) == 2
        assert "has pictures, with which it does not work" in capsys.readouterr().err
    assert run("evaluate", [*arguments, "--scoring", "table"]) == 2

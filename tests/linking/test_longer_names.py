"""A name of more than L tokens is found too, if the model was made with names, whatever else is in its batch."""

import pytest
import torch

from elq import Linker
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.model.network import ELQ
from elq.training.batches import QuestionCollator
from elq.types import Question
from tests.conftest import RECORDS, write_lines

LONG = "the queen of the city of the river titanic"
TEXTS = [
    f"who is {LONG}?",
    "who is paris",
    f"{LONG} and paris, texas",
    "paris titanic " * 3,
    f"is it {LONG.replace('of', 'o')}",
]


@pytest.fixture(scope="module")
def entities(encoder_folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("long")
    records = [*RECORDS, {"id": "LONG", "title": LONG}, {"id": "INSIDE", "title": "city of the river"}]
    source = write_lines(place / "c.jsonl", records)
    build_entities(source, place / "e", BuildSettings(encoder=str(encoder_folder), precision="fp32"))
    return open_entities(place / "e")


def linker_of(encoder_folder, tokenizer, entities, **settings) -> Linker:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, **settings).eval()
    with torch.no_grad():
        model.scorer.linear.weight.mul_(0.1)
        model.scorer.linear.bias.copy_(torch.tensor([-3.0, 0.0, 0.2]))  # so that only names are found
    return Linker(model, tokenizer, entities, threshold=-1.0, candidates=3)


@pytest.mark.parametrize("settings", [{"names": True}, {"names": True, "fine_names": True}, {"names": True, "nil": True}])
@pytest.mark.parametrize("mode", ["candidates", "table"])
def test_a_long_name_is_linked_alone_and_in_a_batch(encoder_folder, tokenizer, entities, settings, mode):
    linker = linker_of(encoder_folder, tokenizer, entities, **settings)
    linker.scorer.score_mode = mode
    together, alone = linker.link(TEXTS), [linker.link(text) for text in TEXTS]
    assert [[(x.start, x.end, x.entity) for x in links] for links in together] == [
        [(x.start, x.end, x.entity) for x in links] for links in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert [x.score for x in one] == pytest.approx([x.score for x in other], abs=1e-4)
    found = [[(text[x.start : x.end], x.entity) for x in links] for text, links in zip(TEXTS, together, strict=True)]
    assert (LONG, "LONG") in found[0]
    assert (LONG, "LONG") in found[2]
    others = [x.mention for links in (together[1], together[3], together[4]) for x in links]
    assert "paris" in others
    assert max(len(mention.split()) for mention in others) <= 4


@pytest.mark.parametrize("mode", ["candidates", "table"])
def test_with_fine_names_nothing_inside_a_long_name_is_a_mention(encoder_folder, tokenizer, entities, mode):
    linker = linker_of(encoder_folder, tokenizer, entities, names=True, fine_names=True, nil=True)
    linker.scorer.score_mode = mode
    with torch.no_grad():
        linker.model.scorer.linear.bias.copy_(torch.tensor([1.0, 1.0, -3.0]))  # long mentions are not likely
        linker.model.nil.value.fill_(0.3)  # NIL is
    found = linker.link(["who is in the city of the river", *TEXTS[:3:2]], threshold=-9.0, nil=True)
    assert "city of the river" in {x.mention for x in found[0]}
    for links in found[1:]:
        [long] = [x for x in links if x.mention == LONG]
        assert long.entity == "LONG"
        assert long.mention_score > -0.02
        assert long.nil_score < -5
        assert all(x.end <= long.start or long.end <= x.start for x in links if x is not long)
    assert min(x.nil_score for x in found[0]) > -3


def test_a_model_without_names_finds_no_long_mention(encoder_folder, tokenizer, entities):
    linker = linker_of(encoder_folder, tokenizer, entities)
    linker.threshold = -20.0
    links = linker.link(TEXTS[0])
    assert links
    assert all(len(x.mention.split()) <= 4 for x in links)


def test_the_questions_of_a_training_are_read_as_the_linker_reads_them(encoder_folder, tokenizer, entities):
    scorer = linker_of(encoder_folder, tokenizer, entities, names=True).scorer
    collator = QuestionCollator(tokenizer, max_span_tokens=4, dictionary=scorer.retriever.dictionary)
    made = collator([Question(str(n), text, ()) for n, text in enumerate(TEXTS[:3])]).tokens
    expected = scorer.tokens(TEXTS[:3])
    assert torch.equal(made.named, expected.named)
    assert made.named.shape[-1] == 9

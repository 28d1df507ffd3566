"""Generic nouns of partially annotated questions: found as a slow search finds them, and full negatives with the setting."""

import copy

import pytest
import torch

from elq.linking.concepts import is_concept, is_lower
from elq.names.words import folded
from elq.questions.silver import dictionary_of
from elq.training.nouns import GenericNouns
from elq.training.parser import ELQCLI
from elq.types import Entity
from tests.conftest import write_lines

RECORDS = [
    Entity("Q1", "Paris", "Paris", "city"),
    Entity("Q2", "Queen", "queen", "title"),
    Entity("Q3", "Queen (band)", "Queen", "band"),
    Entity("Q4", "River", "river"),
    Entity("Q5", "Song (film)", "Song", "film"),
    Entity("Q6", "Song", "song"),
    Entity("Q7", "Ship film", "the ship film", "film about a ship", types=("film genre",)),
    Entity("Q8", "Capital", "Capital City", aliases=("capital",)),
]
TEXTS = ["which River is in paris queen", "Song of the ship film queen", "capital river river", "who is Queen", "Queen of song"]


def slow_spans(text: str) -> list[tuple[int, int]]:
    """Whole words that are a name whose first entity is a concept, without a capital except at the beginning."""
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
    ends = [*(place for place, letter in enumerate(text) if letter == " "), len(text)]
    found = []
    for start in starts:
        for end in (end for end in ends if end > start):
            words = text[start:end]
            owners = [r for r in RECORDS if folded(words) in [folded(n) for n in (r.title, r.label, *r.aliases)]]
            plain = words[0].lower() + words[1:] if start == 0 else words
            if owners and is_concept(owners[0]) and is_lower(plain):
                found.append((start, end))
    return found


def test_generic_nouns_are_found_as_by_a_slow_search():
    with dictionary_of(RECORDS) as dictionary:
        nouns = GenericNouns(dictionary.catalogue, dictionary)
        for text in TEXTS:
            assert sorted(nouns.spans(text)) == sorted(slow_spans(text)), text
        assert nouns.cased
    assert [slow_spans(text) for text in TEXTS[2:4]] == [[(8, 13), (14, 19)], []]


def test_they_are_no_unsure_spans(tokenizer):
    with dictionary_of(RECORDS) as dictionary:
        nouns, tokens = GenericNouns(dictionary.catalogue, dictionary), tokenizer(TEXTS)
        unsure = torch.ones(*tokens.text_mask.shape, 2, dtype=torch.bool)
        unsure[2] = False
        kept = nouns.without(unsure, TEXTS, tokens)
    for b, text in enumerate(TEXTS):
        spans, inside = slow_spans(text), tokens.text_mask[b].nonzero().flatten().tolist()
        gone = {
            (t, n)
            for t in inside
            for n in range(2)
            if t + n in inside and (tokens.offsets[b][t][0], tokens.offsets[b][t + n][1]) in spans
        }
        slow = [[bool(unsure[b, t, n]) and (t, n) not in gone for n in range(2)] for t in range(kept.shape[1])]
        assert kept[b].tolist() == slow, text
    assert unsure[0].all()  # the argument stays as it was
    assert not kept[0].all()


@pytest.mark.parametrize("sure", [False, True])
def test_the_setting_reaches_the_batches(sure, values, tmp_path):
    """In the test catalogue, the first entity named "queen" is a band; "song" is a noun of another catalogue."""
    records = [
        {"id": record.id, "title": record.title, "label": record.label, "types": list(record.types)} for record in RECORDS
    ]
    catalogue = write_lines(tmp_path / "c.jsonl", records)
    question = {"text": "is the queen song in paris", "mentions": [{"start": 21, "end": 26, "entity": "Q1"}]}
    changed = copy.deepcopy(values)
    changed["model"] |= {"sure_nouns": sure}
    file = str(write_lines(tmp_path / "q.jsonl", [question]))
    changed["data"] |= {"catalogue": str(catalogue), "entities": str(tmp_path / "entities"), "dev": file}
    changed["data"]["train"] = [{"epochs": 1, "sources": [{"file": file, "partial": True}]}]
    data = ELQCLI(changed, run=False).datamodule
    data.prepare_data()
    data.setup("fit")
    [batch] = [*data.train_dataloader()]
    assert batch.unsure.sum() == (1 if sure else 2)  # the film "Song" comes first, and "queen" is a title

"""Context: the turns before a question are read, never linked."""

from dataclasses import replace

import pytest

from elq import ElqError, Linker
from elq.encoding.capitals import CAPITAL
from elq.linking.context import checked_context, hide_context, with_context
from elq.model.network import ELQ
from tests.linking.test_given import random_model

QUESTION = "what about titanic?"


@pytest.fixture(scope="module")
def linker():
    return Linker.from_catalogue()


def test_no_turns_are_no_context(linker):
    for context in ([], [""], [" \n"]):
        assert linker.link(QUESTION, context=context) == linker.link(QUESTION)
    texts = ["who directed titanic?", QUESTION, "how big is paris"]
    assert linker.link(texts, context=[[], [], []]) == linker.link(texts)


@pytest.mark.parametrize(
    ("turns", "question", "title"),
    [
        ([], QUESTION, "Titanic"),
        (["i watch films"], QUESTION, "Titanic (1997 film)"),
        (["what ship sank in 1912"], QUESTION, "Titanic"),
        (["i watch films", "who directed avatar?"], QUESTION, "Titanic (1997 film)"),
        (["i am interested in monarchs"], "tell me about queen", "Monarch"),
        (["i love music"], "tell me about queen", "Queen (band)"),
    ],
)
def test_the_turns_decide_what_a_name_means(linker, turns, question, title):
    [link] = linker.link(question, context=turns)
    assert link.title == title
    assert question[link.start : link.end] == link.mention == question.split()[-1].rstrip("?")


def test_nothing_in_the_context_is_linked_even_where_it_would_win(linker):
    for threshold in (None, -20.0):
        links = linker.link("was it good?", context=["who directed titanic?", "james cameron 👩‍🚀"], threshold=threshold)
        assert all(0 <= link.start < link.end <= len("was it good?") for link in links)
    joined = linker.link("paris texas", context=["paris,"], threshold=-8.0)
    assert all("paris texas"[link.start : link.end] == link.mention for link in joined)
    assert joined


def test_the_context_is_hidden_before_overlaps_are_removed(linker):
    """A span over the edge would win over the span in the question, which then would be missing."""
    texts, starts = with_context(linker.scorer, ["man and the incredible hulk"], [["spider,"]])
    tokens = linker.scorer.tokens(texts)
    hidden = hide_context(tokens, starts)
    assert [offset[0] >= starts[0] for offset in tokens.offsets[0]][1:-1] == hidden.text_mask[0].tolist()[1:-1]
    assert int(hidden.text_mask.sum()) < int(tokens.text_mask.sum())


def test_offsets_are_those_of_the_question(linker):
    for turn in ("café 👩‍🚀 𝔘𝔫𝔦", "日本", "\tTab\u200b"):
        [link] = linker.link("👩‍🚀 who directed titanic?", context=[turn])
        assert (link.mention, link.start) == ("titanic", "👩‍🚀 who directed titanic?".index("titanic"))


def test_given_mentions_are_read_in_their_context(linker):
    alone, after = (linker.link(QUESTION, mentions=[(11, 18), (0, 4)], context=turns) for turns in ([], ["i watch films"]))
    assert [(link.start, link.end, link.mention) for link in after] == [(11, 18, "titanic"), (0, 4, "what")]
    assert (alone[0].title, after[0].title) == ("Titanic", "Titanic (1997 film)")


def test_several_questions_have_the_links_of_each_alone(linker):
    turns = [["i watch films"], [], ["a", "what ship sank in 1912"]]
    together = linker.link([QUESTION] * 3, context=turns)
    for links, before in zip(together, turns, strict=True):
        alone = linker.link(QUESTION, context=before)
        assert [(link.start, link.entity) for link in links] == [(link.start, link.entity) for link in alone]
        assert links[0].score == pytest.approx(alone[0].score, abs=1e-4)


def test_the_oldest_turns_are_left_out_when_the_window_is_full(linker):
    limit = linker.model.encoder.max_tokens
    turns = ["i like ships and the ocean very much"] * 200 + ["i watch films"]
    [text], [start] = with_context(linker.scorer, [QUESTION], [turns])
    assert text.endswith(f"i watch films. {QUESTION}")
    assert text[start:] == QUESTION
    length = int(linker.scorer.tokens([text]).attention.sum())
    assert limit - 12 < length <= limit
    long = "and so on " * 600 + QUESTION
    assert with_context(linker.scorer, [long], [["i watch films"]]) == ([long], [0])
    assert linker.link(long, context=["i watch films"]) == linker.link(long)


@pytest.mark.parametrize("context", ["i watch films", 3, [3], [None], {"a": 1}])
def test_a_wrong_context_is_one_sentence(linker, context):
    with pytest.raises(ElqError, match="context"):
        linker.link(QUESTION, context=context)
    with pytest.raises(ElqError, match="there are 2 texts"):
        checked_context(["a", "b"], [["a"]])


def test_links_stay_the_same_records_but_for_their_place(linker):
    [link], [plain] = linker.link("who directed titanic?", context=["hello"]), linker.link("who directed titanic?")
    own = {"score": 0, "mention_score": 0, "probability": 0, "candidates": (), "nil_score": 0}
    assert replace(link, **own) == replace(plain, **own)


def test_capitals_of_the_turns_say_nothing_about_the_question(encoder_folder, tokenizer, entities, monkeypatch):
    small = Linker(random_model(encoder_folder, True), tokenizer, entities, threshold=-9.0)
    seen, compute = [], ELQ.mention_logits

    def mention_logits(self, hidden, tokens):
        seen.append(tokens.capitals)
        return compute(self, hidden, tokens)

    monkeypatch.setattr(ELQ, "mention_logits", mention_logits)
    small.link("who is queen", context=["was it Paris or Texas"])
    assert seen == [None]
    small.link("was it Paris or the titanic", context=["was it paris"])
    assert (seen[1] == CAPITAL).any()

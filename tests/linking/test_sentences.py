"""Long texts are read in windows of sentences; names are never cut, and short texts stay as they were."""

import json
from dataclasses import replace

import pytest
import torch

from elq import Linker, Mention, Question
from elq.evaluation.evaluate import observe
from elq.linking.sentences import LONG, sentence_ends, windows


def sentences(text: str) -> list[str]:
    ends = sentence_ends(text)
    return [part for start, end in zip([0, *ends], ends, strict=False) if (part := text[start:end].strip())]


@pytest.mark.parametrize(
    "parts",
    [
        ["J. R. R. Tolkien wrote it.", "He lived in St. Louis with Dr. No.", "Mr. and Mrs. Smith of Jefferson Co. went."],
        ["Who was it?", '"Why me?" he asked Martin Luther King Jr. of the U.S. Army.', "J.-P. Serre, Ph.D. left."],
        [
            "He came on Jan. 5 with No. 7.",
            "She said no.",
            "Then (in fig. 3) all ended (at last).",
            "Yes!",
            "Yahoo! answers it.",
        ],
        ["who is obama?", "where is st. louis?", "i like j. k. rowling.", "what is a. i.? the u.s. team", "it ends"],
        ["谁是李白？", "他在北京。", "“好！”", "她走了"],
        ["Version 2.0 costs 3.50 dollars.", "Elq.org has it...", "A line\nbreak in New\nYork stays.", "A blank line"],
        ["no end at all"],
    ],
)
def test_sentences_end_where_a_reader_ends_them(parts):
    glue = "" if "谁" in parts[0] else " "
    if "i like j. k. rowling." in parts:
        parts = [*parts[:3], "what is a. i.?", "the u.s. team it ends"]
    assert sentences(glue.join(parts)) == parts
    assert sentences("\n\n".join(parts)) == parts


def test_windows_hold_all_but_blanks_and_short_texts_are_whole():
    text = "  one two.  Three four?\n\nfive " + "Six seven. " * 30
    found = windows(text)
    assert "".join(text[start:end] for start, end in found).replace(" ", "") == "".join(text.split())
    assert all(text[start:end] == text[start:end].strip() for start, end in found)
    assert windows(text[:LONG]) == [(0, LONG)]
    assert windows("x" * 1000) == [(0, 1000)]
    assert windows(" " * 1000) == [(0, 1000)]


@pytest.fixture(scope="module")
def linker(run_folder) -> Linker:
    return Linker.from_pretrained(run_folder / "model")


SENTENCES = ["who directed titanic?", "what is the capital city paris?", "who lives in paris texas?", "the queen sang."]
TEXT = " \n".join(SENTENCES * 4)


def test_a_long_text_is_linked_like_its_sentences(linker):
    alone, at, expected = linker.link(SENTENCES * 4), 0, []
    for sentence, links in zip(SENTENCES * 4, alone, strict=True):
        at = TEXT.index(sentence, at)
        expected += [replace(link, start=link.start + at, end=link.end + at) for link in links]
        at += len(sentence)
    assert len(expected) > 8
    for found in (linker.link(TEXT), linker.link(["paris", TEXT, "titanic"])[1], linker.links(linker.score([TEXT]))[0]):
        assert [(one.start, one.end, one.entity) for one in found] == [(one.start, one.end, one.entity) for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
        assert all(TEXT[one.start : one.end] == one.mention for one in found)


def test_short_texts_stay_bit_for_bit_as_they_were_beside_a_long_one(linker):
    beside = linker.link([*SENTENCES, TEXT])
    assert beside[:4] == linker.link(SENTENCES)
    assert linker.link([TEXT, *SENTENCES])[1:] == linker.link(SENTENCES)


def test_many_long_texts_in_groups_are_those_alone(linker, monkeypatch):
    texts = [TEXT, TEXT[:300], "paris", TEXT * 2, TEXT[30:]]
    before = linker.link(texts)
    monkeypatch.setattr("elq.linking.windowed.GROUP", 1)
    assert [[(x.start, x.end, x.entity) for x in one] for one in linker.link(texts)] == [
        [(x.start, x.end, x.entity) for x in one] for one in before
    ]


def test_gold_mentions_of_a_long_text_are_found_in_their_windows(linker):
    titanic, paris = TEXT.index("titanic", 100), TEXT.index("paris texas", 100)
    mentions = (Mention(titanic, titanic + 7, "Q44578"), Mention(paris, paris + 11, "Q830149"), Mention(15, 30, "Q90"))
    observed = observe(linker, [Question("1", TEXT, mentions), Question("2", "paris", (Mention(0, 5, "Q90"),))], threshold=-4.0)
    alone = observe(
        linker,
        [
            Question("1", SENTENCES[0], (Mention(13, 20, "Q44578"),)),
            Question("2", SENTENCES[2], (Mention(13, 24, "Q830149"),)),
            Question("3", "paris", (Mention(0, 5, "Q90"),)),
        ],
        threshold=-4.0,
    )
    assert observed.ranks == [[alone.ranks[0][0], alone.ranks[1][0], -1], alone.ranks[2]]  # the third is in no window
    assert [*observed.links[0]] == linker.link(TEXT, threshold=-4.0)


def test_given_mentions_of_a_long_text_are_read_in_their_sentences(linker):
    starts = [TEXT.index("titanic", 100), TEXT.index("paris texas"), TEXT.index("titanic")]
    spans = [(starts[0], starts[0] + 7), (starts[1], starts[1] + 11), (starts[2], starts[2] + 7)]
    found = linker.link(TEXT, mentions=spans)
    assert [(one.start, one.end) for one in found] == spans
    titanic, texas = linker.link(SENTENCES[0], mentions=[(13, 20)])[0], linker.link(SENTENCES[2], mentions=[(13, 24)])[0]
    for one, alone in zip(found, (titanic, texas, titanic), strict=True):
        assert [c.entity for c in one.candidates] == [c.entity for c in alone.candidates]
        assert one.score == pytest.approx(alone.score, abs=1e-4)
    [over] = linker.link(TEXT, mentions=[(13, 30)])  # over two sentences
    [alone] = linker.link(TEXT[: TEXT.index("paris?") + 6], mentions=[(13, 30)])
    assert over.score == pytest.approx(alone.score, abs=1e-4)
    beside = linker.link([TEXT, "paris", TEXT], mentions=[spans, [(0, 5)], []])
    assert [[(one.start, one.end) for one in of_text] for of_text in beside] == [spans, [(0, 5)], []]


def test_the_released_elq_and_a_conversation_read_the_text_as_before(linker, monkeypatch):
    whole = linker.link(TEXT, context=["i watch films"])
    monkeypatch.setattr("elq.linking.sentences.LONG", 10**6)
    assert linker.link(TEXT, context=["i watch films"]) == whole
    assert linker.link([TEXT, "paris"]) != []
    assert torch.is_inference_mode_enabled() is False


def test_every_name_of_a_long_list_is_linked():
    from elq.linking.general import STARTER

    records = [json.loads(line) for line in STARTER.read_text(encoding="utf-8").splitlines()]
    cities = dict.fromkeys(one["label"] for one in records if "city" in str(one.get("types")).lower())
    text = ", ".join(cities)
    links = Linker.from_pretrained("elq/general").link(text)
    starts = {link.start for link in links}
    places = [len(", ".join([*cities][:number])) + 2 * (number > 0) for number in range(len(cities))]
    assert len(cities) > 100
    assert sum(place in starts for place in places) == len(cities)


@pytest.mark.parametrize("text", ["one, two and three. " * 20, "a part of a sentence, which has few commas, and ends " * 12])
def test_a_text_that_is_no_list_is_not_cut_at_commas(text):
    assert [text[start:end] for start, end in windows(text)] == sentences(text)

"""The lists of links: they stay lists, and become JSON, tables and HTML."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from elq import Candidate, LinkedQuestions, Linker, Links
from elq.types import Link
from tests.conftest import QUESTIONS
from tests.linking.test_records import LINK

TEXTS = [text for text, _, _ in QUESTIONS]
TEXT = "who directed titanic?"


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-9.0, candidates=3)


class Page(HTMLParser):
    """The text of HTML, its marked texts, and its tags; a tag that is not closed is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.marked, self.tags, self.open = "", [], set(), []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)
        self.marked += [""] if tag == "mark" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "mark" in self.open:
            self.marked[-1] += data


def test_the_links_of_a_linker_are_lists_that_know_their_text(linker):
    links, several, none = linker.link(TEXTS[0]), linker.link(iter(TEXTS)), linker.link([])
    assert isinstance(links, list)
    assert type(links) is Links
    assert type(several) is type(none) is LinkedQuestions
    assert links.text == TEXTS[0]
    assert [one.text for one in several] == TEXTS
    assert [type(one) for one in several] == [Links] * len(TEXTS)
    assert links == list(links)
    assert [link.entity for link in links] == [link.entity for link in several[0]] != []
    assert not linker.link("")
    given = linker.link(TEXTS[:2], mentions=[[(0, 3), (4, 12)], []])
    assert [one.text for one in given] == TEXTS[:2]
    assert [len(one) for one in given] == [2, 0]
    assert linker.link(TEXT, mentions=[(0, 3)]).text == TEXT
    scored = linker.score(TEXTS, threshold=-9.0)
    for decoded in (linker.links(scored), scored.links(-9.0)):
        assert [one.text for one in decoded] == TEXTS
        assert decoded == several


def test_links_are_equal_to_a_list_and_can_be_copied_and_pickled():
    links = Links([LINK], TEXT)
    assert links == [LINK] == Links([LINK], "another text")
    assert repr(links) == repr([LINK])
    assert type(links + links) is type(links[:1]) is list
    several = LinkedQuestions([links, Links()])
    for one in (links, several):
        for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert type(made) is type(one)
            assert made == one
    assert pickle.loads(pickle.dumps(several))[0].text == TEXT


def test_links_become_json_and_are_read_again(linker):
    for links in linker.link(TEXTS):
        value = json.loads(json.dumps(links.to_dict()))
        assert value["text"] == links.text
        assert [Link.from_dict(one) for one in value["links"]] == links
    assert LINK.candidates[0].to_dict() == {"entity": "Q44578", "title": "T", "score": -0.1}
    assert Candidate(**LINK.candidates[0].to_dict()) == LINK.candidates[0]


def test_links_become_a_table():
    pytest.importorskip("pandas")
    later = replace(LINK, start=0, end=3, mention="who", probability=None)
    table = LinkedQuestions([Links([LINK, later], TEXT), Links([], "none"), Links([LINK], TEXT)]).to_pandas()
    columns = ["question", "text", "start", "end", "mention", "entity", "title", "probability", "score"]
    assert [*table] == columns
    assert table["question"].tolist() == [0, 0, 2]
    assert table["text"].tolist() == [TEXT] * 3
    assert table["mention"].tolist() == ["titanic", "who", "titanic"]
    assert table["probability"].isna().tolist() == [False, True, False]
    row = Links([LINK], TEXT).to_pandas().to_dict("records")
    assert row == [dict(zip(columns, (0, TEXT, 13, 20, "titanic", "Q44578", LINK.title, 0.958, -0.04), strict=True))]
    for empty in (Links([], TEXT).to_pandas(), LinkedQuestions().to_pandas()):
        assert [*empty] == columns
        assert len(empty) == 0
        assert [str(empty[name].dtype) for name in ("question", "start", "probability")] == ["int64", "int64", "float64"]


def test_a_table_without_pandas_says_what_to_install():
    code = """
import sys
sys.modules["pandas"] = None
from elq import ElqError, Links
try:
    Links().to_pandas()
except ElqError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "a table needs pandas, which is not installed: pip install 'elq[pandas]'\n"


def test_a_notebook_shows_the_question_with_marked_mentions():
    page = Page(Links([LINK], TEXT)._repr_html_())
    assert page.text.startswith(TEXT)
    assert page.marked == ["titanic", "titanic"]  # in the question, and in the line of the link
    assert "Titanic (1997 film)" in page.text
    assert "Q44578" in page.text
    assert "p .96" in page.text
    assert Page(LINK._repr_html_()).marked == ["titanic"]
    assert "score -0.04" in Page(replace(LINK, probability=None)._repr_html_()).text
    empty = Page(Links([], "what is  this\n?")._repr_html_())
    assert empty.text == "what is  this\n?no link"
    several = Page(LinkedQuestions([Links([LINK], TEXT), Links([], "second")])._repr_html_())
    assert several.text.index("titanic") < several.text.index("second")


def test_overlapping_and_unordered_mentions_are_marked_once_in_the_question():
    two = [replace(LINK, start=4, end=12, mention="directed"), replace(LINK, start=0, end=8, mention="who dire"), LINK]
    page = Page(Links(two, TEXT)._repr_html_())
    assert page.text.startswith(TEXT)
    assert page.marked == ["who dire", "titanic", "directed", "who dire", "titanic"]


def test_html_of_users_is_text_and_half_characters_can_be_written():
    evil = '<img src=x onerror="alert(1)">&\ud800'
    link = Link(0, len(evil), evil, evil, evil, evil, -0.1)
    for html in (Links([link], evil)._repr_html_(), LinkedQuestions([Links([link], evil)])._repr_html_(), link._repr_html_()):
        html.encode()
        page = Page(html)
        assert page.tags <= {"div", "p", "mark", "small"}
        assert '<img src=x onerror="alert(1)">&?' in page.text

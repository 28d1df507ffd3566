"""The web page in a real browser, and the routes behind it: what it shows is what the server answers."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from elq.questions.annotated import read_questions
from tests.serving.page_server import ODD, SCRIPT, PageServer, page_server, with_token

CHROMIUM = Path("/usr/bin/chromium")
LINKED = "who was the director of titanic and where is georgia"
EMOJI = "😀👩‍🚀 who played in alien 😀 or titanic?"
TEXTS = (LINKED, "is paris in texas bigger than paris in france", "who was queen of england in 1900", EMOJI)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[PageServer]:
    with page_server(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is absent")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def opened(server, browser) -> Callable[..., Any]:
    """Opens the page of a server, with a catalogue, and lets nothing pass that a page must not do."""

    @contextmanager
    def open_page(catalogue: str = "starter", url: str = server.url, **options: Any) -> Iterator[Page]:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
        page, wrong, asked = context.new_page(), [], []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        if url == server.url:
            expect(page.locator("#size")).to_contain_text("in the catalogue")
        if catalogue != "starter":
            with page.expect_response(f"**/{catalogue}/page"):
                page.get_by_label("Catalogue", exact=True).select_option(catalogue)
        yield page
        assert wrong == []
        assert page.evaluate("window.hacked") is None
        assert {one for one in asked if not one.startswith(url)} == set()
        context.close()

    return open_page


@pytest.fixture
def page(opened) -> Iterator[Page]:
    with opened() as made:
        yield made


def ask(page: Page, text: str) -> None:
    with page.expect_response("**/link"):
        page.locator("#question").fill(text)
        page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_visible()
    read = "text => [...document.querySelectorAll('#text .piece, #text .words')].map(one => one.textContent).join('') === text"
    page.wait_for_function(read, arg=text)


def shown(page: Page) -> list[tuple[str, str]]:
    """The words and the label of each mention on the page."""
    read = "all => all.map(one => [one.querySelector('.words').textContent, one.querySelector('.label').textContent])"
    return [(words, label) for words, label in page.locator(".mention").evaluate_all(read)]


def as_shown(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What the page should show of an answer."""
    found = []
    for link in answer["results"][0]["links"]:
        probability = link["probability"]
        said = f"score {link['score']:.2f}" if probability is None else f"{round(100 * probability)}%"
        found.append((link["mention"], f"{link['title']} · {link['entity']} · {said if said != '0%' else '<1%'}"))
    return found


def copied(page: Page) -> Any:
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.locator("#copied")).to_contain_text("was copied")
    return json.loads(page.evaluate("navigator.clipboard.readText()"))


def same(one: Any, other: Any) -> bool:
    """Whether two answers are equal. Scores may differ in the last digits: the model scores other spans beside them."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return one == pytest.approx(other, rel=1e-4) if isinstance(one, float) else bool(one == other)


def move(page: Page, value: float) -> None:
    page.locator("#threshold").evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')) }", value
    )


# --- links and thresholds


def test_a_question_is_linked(server, page):
    ask(page, "who directed titanic?")
    [link] = server.link("starter", "who directed titanic?")["results"][0]["links"]
    assert shown(page) == [("titanic", f"{link['title']} · {link['entity']} · {round(100 * link['probability'])}%")]
    expect(page.locator("#count")).to_contain_text("1 link.")
    ask(page, "how deep does the titanic lie")
    assert "Q25173" in shown(page)[0][1]
    ask(page, "how do i boil an egg")
    expect(page.locator("#count")).to_contain_text("Nothing in this text is linked.")


def test_typing_alone_links_too(page):
    page.locator("#question").press_sequentially("who directed titanic?")
    expect(page.locator(".mention")).to_have_count(1)


@pytest.mark.parametrize("catalogue", ["starter", "plain", "strict"])
def test_the_page_shows_what_the_server_answers_at_each_threshold(server, opened, catalogue):
    probabilities, thresholds = (0, 0.3, 0.52, 0.75), (-8, -3, -1.75, -0.5)
    rule, values = ("threshold", thresholds) if catalogue == "plain" else ("min_probability", probabilities)
    numbers = set()
    with opened(catalogue) as page:
        for text in TEXTS:
            ask(page, text)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            for value in values:
                move(page, value if rule == "threshold" else round(100 * value))
                found = shown(page)
                assert found == as_shown(server.link(catalogue, text, **{rule: value}))
                numbers.add(len(found))
            page.get_by_role("button", name="model’s own threshold").click()
            assert shown(page) == as_shown(server.link(catalogue, text))
            assert asked == []
    assert len(numbers) >= 4


def test_the_copied_answer_is_that_of_the_server(server, page):
    ask(page, LINKED)
    assert same(copied(page), server.link("starter", LINKED))
    move(page, 10)
    assert same(copied(page), server.link("starter", LINKED, min_probability=0.1))


def test_the_slider_moves_with_the_keyboard(page):
    ask(page, LINKED)
    slider = page.get_by_label("Lowest probability")
    slider.press("End")
    expect(page.locator(".mention")).to_have_count(0)
    expect(page.locator("#count")).to_contain_text("No link is above the threshold")
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "<1%"
    assert len(shown(page)) >= 2


def test_only_entities_of_a_type(server, page):
    ask(page, "how deep does the titanic lie")
    with page.expect_response("**/link"):
        page.get_by_label("Type", exact=True).select_option("film")
    answer = server.link("starter", "how deep does the titanic lie", types=["film"])
    expect(page.locator(".mention")).to_have_count(len(answer["results"][0]["links"]))
    move(page, 0)
    answer = copied(page)
    assert same(answer, server.link("starter", "how deep does the titanic lie", types=["film"], min_probability=0))
    assert "Q44578" in {link["entity"] for link in answer["results"][0]["links"]}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is absent")
def test_the_copied_command_gives_the_copied_answer(server, page):
    ask(page, "who wrote titanic's \"script\" in '97 €😀")
    move(page, 10)
    answer = copied(page)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.locator("#copied")).to_contain_text("command was copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert "Authorization" not in command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert same(json.loads(done.stdout), answer)


# --- details


def test_the_details_of_a_link(server, page):
    ask(page, "who directed titanic?")
    page.locator(".mention").click()
    [link] = server.link("starter", "who directed titanic?", with_candidates=True)["results"][0]["links"]
    details = page.locator("#details")
    expect(details).to_contain_text(link["description"])
    expect(details).to_contain_text(f"{round(100 * link['probability'])}%: of 100 links with this probability")
    said = details.text_content().replace("\u00a0", " ")
    assert f"log p(mention) = {link['mention_score']:.2f}".replace("-", "−") in said
    assert f"log p(entity | mention) = {link['score'] - link['mention_score']:.2f}".replace("-", "−") in said
    listed = [text.split("\u2069")[0] for text in details.locator("li .name").all_text_contents()]
    assert listed == [one["title"] for one in link["candidates"]]
    for one in link["candidates"]:
        assert one["description"] in said


def shares(page: Page) -> list[float]:
    """The widths of the bars of all candidates, of NIL and of the other entities."""
    read = "bars => bars.map(bar => parseFloat(bar.style.getPropertyValue('--share')))"
    return page.locator("#details .bar").evaluate_all(read)


def test_the_shares_add_up_to_100_percent(server, page):
    ask(page, "who directed titanic?")
    page.locator(".mention").click()
    [link] = server.link("starter", "who directed titanic?", with_candidates=True)["results"][0]["links"]
    rest = page.locator("#others")
    expect(rest).to_contain_text("Not in the catalogue")
    assert len(shares(page)) == len(link["candidates"]) + 1
    assert shares(page)[-1] == pytest.approx(100 * math.exp(link["nil_score"]), rel=1e-3)
    assert sum(shares(page)) == pytest.approx(100, abs=0.1)
    with page.expect_response("**/link"):
        page.get_by_label("Type", exact=True).select_option("ship")  # what other types have is a share too
    move(page, 0)
    page.locator(".mention").first.click()
    expect(rest).to_contain_text("Other entities")
    assert sum(shares(page)) == pytest.approx(100, abs=0.1)


def test_the_keyboard_is_enough(page):
    ask(page, LINKED)
    mentions = page.locator(".mention")
    assert mentions.count() == 2
    mentions.first.focus()
    page.keyboard.press("ArrowRight")
    expect(mentions.nth(1)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_be_visible()
    expect(mentions.first).to_be_focused()
    outline = mentions.first.evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"
    for _ in range(3):
        page.keyboard.press("Tab")  # the other mention, the button that closes, the first verdict
    expect(page.locator("#verdict-right")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    expect(mentions.first).to_be_focused()


# --- texts of other people, other writing


def test_nothing_of_the_server_is_read_as_html(server, opened):
    with opened("odd") as page:
        ask(page, "what is scripty?")
        move(page, 0)
        assert SCRIPT in shown(page)[0][1]
        page.locator(".mention").first.click()
        details = page.locator("#details")
        expect(details).to_contain_text(ODD[0]["description"])
        assert details.locator("script, img").count() == 0
        assert [link.get_attribute("href") for link in details.locator("a").all()] == [ODD[0]["site"]]
        page.get_by_role("button", name="Should be…").click()
        page.keyboard.type("scri")
        expect(page.locator("[role=option]").first).to_contain_text(SCRIPT)
        ask(page, SCRIPT)


def test_the_page_allows_no_foreign_code(server):
    for path in ("", "page/page.js", "page/page.css"):
        answer = server.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert server.client.get("page/../settings.py").status_code == 404
    assert server.client.get("page/%2e%2e%2fsettings.py").status_code == 404
    sources = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "elq/serving/page").iterdir()]
    assert not [
        text for text in sources if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|style=|onclick=\"", text)
    ]


def test_characters_before_a_mention_that_need_two_units(server, page):
    text = EMOJI
    ask(page, text)
    links = server.link("starter", text)["results"][0]["links"]
    assert links[-1]["mention"] == "titanic"
    assert [words for words, _ in shown(page)] == [link["mention"] for link in links]
    said = page.locator("#text").evaluate(
        "text => [...text.querySelectorAll('.piece, .words')].map(one => one.textContent).join('')"
    )
    assert said == text


def test_a_text_from_right_to_left(server, opened):
    with opened("odd") as page:
        ask(page, "القاهرة القاهرة")
        move(page, 0)
        assert [words for words, _ in shown(page)] == ["القاهرة", "القاهرة"]
        assert page.locator("#text").evaluate("text => getComputedStyle(text).direction") == "rtl"
        page.locator(".mention").first.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".mention").nth(1)).to_be_focused()


def test_examples_are_of_the_catalogue(server, opened):
    starter = server.client.get("v1/starter/page").json()["examples"]
    assert starter[:2] == ["who directed titanic?", "how deep does the titanic lie"]
    for text in starter:
        assert server.link("starter", text)["results"][0]["links"], text
    odd = server.client.get("v1/odd/page").json()["examples"]
    assert "what is scripty?" in odd
    assert "القاهرة" in odd
    with opened("odd") as page:
        with page.expect_response("**/link"):
            page.get_by_role("button", name="القاهرة").click()
        expect(page.locator("#question")).to_have_value("القاهرة")


# --- feedback


def mentions_of(server: PageServer, catalogue: str, text: str) -> list[tuple[str, str | None]]:
    found = next(one for one in read_questions(server.folder / f"feedback.{catalogue}.jsonl") if one.text == text)
    return [(text[one.start : one.end], one.entity) for one in found.mentions]


def saved(page: Page) -> None:
    expect(page.locator("#verdict-status")).to_contain_text("Saved in feedback.")


def test_right_wrong_and_should_be(server, page):
    text = "who directed titanic?"
    ask(page, text)
    page.locator(".mention").click()
    page.get_by_role("button", name="Right", exact=True).click()
    saved(page)
    assert mentions_of(server, "starter", text) == [("titanic", "Q44578")]
    expect(page.locator("#verdict-right")).to_be_focused()
    expect(page.locator("#verdict-right")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Wrong", exact=True).click()
    expect(page.locator("#verdict-status")).to_contain_text("It replaces your earlier verdict.")
    assert mentions_of(server, "starter", text) == []
    page.get_by_role("button", name="Should be…").click()
    expect(page.locator("[role=option]").first).to_contain_text("Q25173")  # the next candidate
    page.keyboard.type("the godf")
    expect(page.locator("[role=option]").first).to_contain_text("Q47703")
    page.keyboard.press("ArrowUp")
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text("Not in the catalogue")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#gold")).to_contain_text("titanic means The Godfather")
    saved(page)
    [(_, entity)] = mentions_of(server, "starter", text)
    assert entity == "Q47703"
    assert len([one for one in server.saved("starter") if one["text"] == text]) == 1
    page.get_by_role("button", name="Should be…").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(page.locator("#verdict-other")).to_be_focused()
    expect(page.locator("#details")).to_be_visible()


def test_a_question_is_saved_when_each_link_has_a_verdict(server, page):
    ask(page, LINKED)
    page.locator(".mention").first.click()
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.locator("#verdict-status")).to_contain_text("1 link has no verdict yet")
    assert LINKED not in [one["text"] for one in server.saved("starter")]
    page.get_by_role("button", name="All links are right").click()
    saved(page)
    assert [words for words, _ in mentions_of(server, "starter", LINKED)] == ["titanic", "georgia"]
    ask(page, "how do i boil an egg")
    page.get_by_role("button", name="Right: nothing to link").click()
    saved(page)
    assert mentions_of(server, "starter", "how do i boil an egg") == []


def test_a_missed_mention_is_marked(server, page):
    text = "😀 what is zzyzx, and who directed titanic?"
    ask(page, text)
    page.get_by_role("button", name="A mention was missed…").click()
    expect(page.locator("#verdict-status")).to_contain_text("First select the missed words")
    page.get_by_role("button", name="The link is right").click()
    saved(page)
    place = len("😀 what is ".encode("utf-16-le")) // 2
    page.locator("#question").evaluate("(field, from) => { field.focus(); field.setSelectionRange(from, from + 6) }", place - 1)
    page.get_by_role("button", name="A mention was missed…").click()
    expect(page.get_by_label("Which entity does “zzyzx” mean?")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#gold")).to_contain_text("zzyzx means Not in the catalogue")
    saved(page)
    assert mentions_of(server, "starter", text) == [("zzyzx", None), ("titanic", "Q44578")]
    page.get_by_role("button", name="Remove zzyzx").click()
    saved(page)
    assert mentions_of(server, "starter", text) == [("titanic", "Q44578")]


def test_words_are_selected_in_the_shown_text(server, page):
    text = "😀 is zzyzx on earth near titanic?"
    ask(page, text)
    page.evaluate(
        """() => {
            const piece = document.querySelector('#text .piece').firstChild, range = document.createRange();
            const at = piece.data.indexOf('zzyzx ');
            range.setStart(piece, at);
            range.setEnd(piece, at + 6);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    page.get_by_role("button", name="A mention was missed…").click()
    page.get_by_label("Which entity does “zzyzx” mean?").fill("blue pl")
    expect(page.locator("[role=option]").first).to_contain_text("Earth")
    page.locator("[role=option]").first.click()
    page.locator("#all-right").click()
    saved(page)
    assert ("zzyzx", "Q2") in mentions_of(server, "starter", text)


def test_verdicts_are_about_the_question_alone(page):
    ask(page, "how deep does the titanic lie")
    with page.expect_response("**/link"):
        page.get_by_label("Type", exact=True).select_option("ship")
    page.locator("#all-right").click()
    expect(page.locator("#verdict-status")).to_contain_text("choose all types")


def test_without_a_feedback_file_the_buttons_say_how_to_have_one(server, opened):
    files = server.app.state.feedback
    server.app.state.feedback = {}  # as without --feedback
    try:
        with opened() as page:
            ask(page, "who directed titanic?")
            page.locator(".mention").click()
            page.get_by_role("button", name="Wrong", exact=True).click()
            expect(page.locator("#verdict-status")).to_contain_text("elq serve --feedback feedback.jsonl")
        answer = server.client.post("v1/starter/feedback", json={"text": "a", "mentions": []})
        assert answer.status_code == 404
        assert "--feedback" in answer.json()["error"]
    finally:
        server.app.state.feedback = files


TITANIC = "who directed titanic?"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"text": " ", "mentions": []}, "but a question has letters"),
        ({"text": "a" * 20_001, "mentions": []}, "may have 20000"),
        ({"text": TITANIC}, "mentions"),
        ({"text": TITANIC, "mentions": [], "more": 1}, "'more' is unknown"),
        ({"text": TITANIC, "mentions": [{"start": 13, "end": 22, "entity": None}]}, "must lie in the 21 characters"),
        ({"text": TITANIC, "mentions": [{"start": 13, "end": 13, "entity": None}]}, "not be empty"),
        ({"text": TITANIC, "mentions": [{"start": -1, "end": 3, "entity": None}]}, "-1"),
        ({"text": TITANIC, "mentions": [{"start": 1.5, "end": 3, "entity": None}]}, "1.5"),
        ({"text": TITANIC, "mentions": [{"start": 0, "end": 3, "entity": "Q0"}]}, "no entity with the id 'Q0'"),
        ({"text": TITANIC, "mentions": [{"start": 0, "end": 3, "entity": 5}]}, "5"),
        (
            {"text": TITANIC, "mentions": [{"start": 2, "end": 5, "entity": None}, {"start": 0, "end": 3, "entity": None}]},
            "a mention starts at 2 inside another one, which ends at 3",
        ),
        ({"text": TITANIC}, "the field 'mentions' is missing: give it"),
        ('{"text": "a \\ud800", "mentions": []}', "is not JSON"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_verdict_is_refused_in_one_sentence(server, body, sentence):
    before = server.saved("starter")
    content = body if isinstance(body, str) else json.dumps(body)
    answer = server.client.post("v1/starter/feedback", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413)
    assert sentence in answer.json()["error"]
    assert server.saved("starter") == before


def test_entities_are_found_by_the_beginning_of_a_name_or_by_id(server):
    def found(catalogue: str, **query: Any) -> list[str]:
        answer = server.client.get(f"v1/{catalogue}/entities", params=query)
        assert answer.status_code == 200, answer.text
        return [one["entity"] for one in answer.json()["entities"]]

    assert found("starter", q="titan")[:2] == ["Q25173", "Q44578"]
    assert found("starter", q="Q44578") == ["Q44578"]
    assert len(found("starter", q="a", limit=3)) == 3
    assert found("odd", q="القا") == ["cairo"]
    assert found("odd", q="x'1") == ["x'1"]
    assert found("odd", q="?") == []
    for query in ("", "?q=a&limit=0", "?q=a&limit=51", "?q=a&limit=x", f"?q={'a' * 201}"):
        answer = server.client.get(f"v1/starter/entities{query}")
        assert answer.status_code == 400
        assert answer.json()["error"]


# --- errors


def test_an_error_of_the_server_is_shown_as_its_sentence(page):
    ask(page, "who directed titanic?")
    with page.expect_response("**/link"):
        page.locator("#question").fill("a" * 20_001)
    expect(page.get_by_role("alert")).to_contain_text("The server says: a text has 20001 characters, but may have 20000")
    expect(page.locator("#answer")).to_be_hidden()
    ask(page, "who directed titanic?")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_broken_connection_is_said(page):
    page.context.set_offline(True)
    page.locator("#question").fill("who directed titanic?")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.context.set_offline(False)


def test_the_page_asks_for_the_token(server, opened):
    with with_token(server, "secret") as url, opened(url=url) as page:
        field = page.get_by_label("Token", exact=True)
        expect(field).to_be_focused()
        assert Axe().run(page).violations_count == 0
        field.fill("guess")
        page.keyboard.press("Enter")
        expect(page.locator("#token-why")).to_contain_text("The server does not accept this token.")
        field.fill("secret")
        page.get_by_role("button", name="Use the token").click()
        expect(field).to_be_hidden()
        ask(page, "who directed titanic?")
        page.locator("#all-right").click()
        saved(page)
        page.get_by_role("button", name="Copy as curl").click()
        command = page.evaluate("navigator.clipboard.readText()")
        assert "Bearer $ELQ_TOKEN" in command
        assert "secret" not in command
        page.reload()
        expect(page.locator("#size")).to_contain_text("in the catalogue")
        refused = server.client.post(f"{url}v1/starter/feedback", json={"text": "a", "mentions": []})
        assert refused.status_code == 401


def test_earlier_turns_are_sent(page):
    page.locator("#turns-box summary").click()
    page.locator("#turns").fill("i watch films\n\nwhich ones?")
    page.locator("#question").fill("who directed titanic")
    with page.expect_request("**/link") as sent:
        page.keyboard.press("Enter")
    assert sent.value.post_data_json["context"] == ["i watch films", "which ones?"]


# --- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_found_by_axe(opened, scheme, width):
    with opened(viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        violations = [Axe().run(page)]
        ask(page, LINKED)
        page.locator(".mention").first.click()
        page.locator("#turns-box summary").click()
        page.locator("#details summary").click()
        page.get_by_role("button", name="Right", exact=True).click()
        violations.append(Axe().run(page))
        page.get_by_role("button", name="Should be…").click()
        page.keyboard.press("ArrowDown")
        violations.append(Axe().run(page))
        assert [found.generate_report() for found in violations if found.violations_count] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width

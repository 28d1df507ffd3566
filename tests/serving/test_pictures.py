"""The routes and the page for pictures: they answer what the model itself answers."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image

from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.serving.app import make_state
from elq.serving.pictures import SIDE, WAITING, PicturesRequest
from elq.serving.settings import Settings
from tests.multimodal.conftest import pictured_folder, pictured_run, pictured_values, tower_folder
from tests.multimodal.pictured import drawn, entities
from tests.serving.servers import SECONDS, Running, running

__all__ = ["pictured_folder", "pictured_run", "pictured_values", "tower_folder"]  # fixtures
TEXT = "where is paris"
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def served(pictured_run, pictured_folder) -> Iterator[Running]:
    folders = {"pictures": str(pictured_run / "model"), "picture_files": str(pictured_folder)}
    with running(model=(GENERAL,), **folders, reload_seconds=0, max_picture=100_000) as found:
        yield found


def png(colour: str = "red", shape: str = "circle") -> bytes:
    stream = io.BytesIO()
    drawn(colour, shape, background="ivory").save(stream, "PNG")
    return stream.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ask(served: Running, status: int = 200, **body) -> dict:
    return served.link(status=status, path="/pictures/link", **body)


def test_the_answer_is_that_of_the_model(served):
    image = png()
    answer = ask(served, text=TEXT, mentions=[[9, 14]], image=in_base64(image))
    own = served.state.pictures.opened().link(TEXT, [(9, 14)], image=image)
    [link], [expected] = answer["links"], own
    assert (link["entity"], link["start"], link["end"], link["mention"]) == (expected.entity, 9, 14, "paris")
    assert [(one["entity"], one["score"]) for one in link["candidates"]] == [
        (one.entity, pytest.approx(one.score, rel=1e-5)) for one in expected.candidates
    ]
    without = ask(served, text=TEXT, mentions=[[9, 14]])["links"][0]
    assert [one["score"] for one in without["candidates"]] != [one["score"] for one in link["candidates"]]


def test_a_data_url_is_the_same_picture(served):
    answers = [
        ask(served, text=TEXT, mentions=[[9, 14]], image=head + in_base64(png())) for head in ("", "data:image/png;base64,")
    ]
    assert answers[0] == answers[1]


def test_a_box_without_words_is_linked(served):
    image = png()
    answer = ask(served, text="what is in the picture", image=in_base64(image), box=[4, 4, 40, 40], candidates=3)
    [link] = answer["links"]
    [expected] = served.state.pictures.opened().link("what is in the picture", image=image, box=(4, 4, 40, 40), candidates=3)
    assert (link["box"], link["mention"], link["entity"]) == ([4, 4, 40, 40], "", expected.entity)
    assert len(link["candidates"]) == 3


def test_the_pictures_of_entities_are_counted_and_shown(served, pictured_folder):
    answer = ask(served, text=TEXT, mentions=[[9, 14]], image=in_base64(png()))
    shapes = {identity: shape for identity, _, _, shape in entities()}
    expected = {identity: 2 if shapes.get(identity) == "circle" else int(identity in shapes) for identity in answer["pictures"]}
    assert answer["pictures"] == expected
    found = httpx.get(f"{served.url}/pictures/entities/1/Q10")
    assert (found.status_code, found.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(found.content)) as shown, Image.open(pictured_folder / "Q10_2.png") as own:
        assert max(shown.size) <= SIDE
        assert shown.convert("RGB").tobytes() == own.convert("RGB").tobytes()  # it is smaller than SIDE, so it stays as it is


def test_only_files_in_the_folder_of_the_pictures_are_shown(served, pictured_folder, monkeypatch):
    outside = pictured_folder.parent / "secret.png"
    drawn("red", "circle").save(outside)
    monkeypatch.setattr(
        "elq.entities.image_build.paths_of", lambda entity: ("../secret.png", str(outside), "\0", "a" * 300, "Q10.png")
    )
    assert served.state.pictures.paths("Q10") == [(pictured_folder / "Q10.png").resolve()]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"text": TEXT, "mentions": [[9, 14]], "image": "###"}, 400, "image is not base64"),
        ({"text": TEXT, "mentions": [[9, 14]], "image": "é"}, 400, "image is not base64"),
        ({"text": TEXT, "mentions": [[9, 14]], "image": in_base64(bytes(100_001))}, 413, "--max-picture"),
        ({"text": TEXT, "mentions": [[9, 14]], "image": in_base64(b"no picture")}, 400, "in none of the formats"),
        ({"text": TEXT, "mentions": [[9, 14]], "image": in_base64(png()[:90])}, 400, "is damaged"),
        ({"text": TEXT}, 400, "neither mentions nor a box"),
        ({"text": TEXT, "box": [1, 1, 2, 2]}, 400, "but no picture"),
        ({"text": TEXT, "box": [5, 1, 2, 2], "image": in_base64(png())}, 400, "left must be less than right"),
        ({"text": TEXT, "mentions": [[9, 99]]}, 400, "mention"),
        ({"text": TEXT, "picture": "x"}, 400, "the field 'picture' is unknown"),
        ({"text": TEXT, "mentions": [[9, 14]], "image": "A" * 2_000_000}, 413, "--max-picture"),
    ],
)
def test_a_wrong_request_is_one_sentence(served, body, status, words):
    said = ask(served, status=status, **body)["error"]
    assert words in said


def test_a_picture_is_opened_when_its_turn_comes(served):
    pictures = served.state.pictures
    damaged = {"text": TEXT, "mentions": [[9, 14]], "image": in_base64(b"no picture")}
    for _ in range(WAITING):
        assert pictures._places.acquire(blocking=False)
    try:
        assert "wait already" in ask(served, status=429, **damaged)["error"]  # it was not opened
    finally:
        for _ in range(WAITING):
            pictures._places.release()
    assert "in none of the formats" in ask(served, status=400, **damaged)["error"]


def test_an_answer_that_takes_longer_than_the_timeout_is_504(served, monkeypatch):
    pictures, settings = served.state.pictures, served.state.settings
    asked = {"text": TEXT, "mentions": [[9, 14]]}
    monkeypatch.setattr(served.state, "settings", replace(settings, timeout=0.2))
    with pictures._lock:  # the model is not free
        begun = time.monotonic()
        assert "0.2 seconds (--timeout)" in ask(served, status=504, **asked)["error"]
        assert time.monotonic() - begun < 10
    may_end, ended = threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        may_end.wait(10)
        ended.set()
        return []

    with monkeypatch.context() as changed:
        changed.setattr(pictures.opened(), "link", slow)
        assert "0.2 seconds (--timeout)" in ask(served, status=504, **asked)["error"]
        assert not ended.is_set()
        may_end.set()
        assert ended.wait(SECONDS)
    monkeypatch.setattr(served.state, "settings", settings)
    assert ask(served, **asked)["links"]  # neither the model nor a place is lost
    places = [pictures._places.acquire(timeout=SECONDS) for _ in range(WAITING)]
    for _ in filter(None, places):
        pictures._places.release()
    assert all(places)


def test_a_request_that_was_too_late_does_not_take_the_model_afterwards(served):
    pictures, asked = served.state.pictures, PicturesRequest(text=TEXT, mentions=[[9, 14]])
    begun = time.monotonic()
    with pictures._lock:
        assert pictures.link(asked, begun + 0.1) is None
        assert pictures.link(asked, begun - 1.0) is None
    assert time.monotonic() - begun < 20
    assert pictures.link(asked, time.monotonic() + SECONDS)


def test_a_picture_that_is_not_there_is_404(served):
    for path in ("9/Q10", "0/Q99", "0/nobody", "-1/Q10"):
        assert httpx.get(f"{served.url}/pictures/entities/{path}").status_code == 404


def test_a_server_without_such_a_model_says_so(server):
    answer = httpx.get(f"{server.url}/pictures")
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        "this server has no model for pictures: start it with --pictures DIR",
    )
    with pytest.raises(ElqError, match="--pictures is not"):
        make_state(Settings(picture_files="x"))


def test_the_page_links_a_picture_with_a_drawn_box(served, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is absent")
    file = tmp_path / "shown.png"
    file.write_bytes(png())
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, wrong = browser.new_page(), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.goto(f"{served.url}/pictures")
        page.fill("#text-in", TEXT)
        page.click("button.main")
        sync_api.expect(page.locator("#problem")).to_contain_text("Say what is meant")
        page.fill("#words", "paris")
        page.set_input_files("#file", str(file))
        page.wait_for_function("document.getElementById('shown').naturalWidth > 0")
        with page.expect_response("**/pictures/link") as answered:
            page.click("button.main")
        body = answered.value.json()
        names = page.locator(".pictured .name").all_text_contents()
        assert names == [one["title"] for one in body["links"][0]["candidates"]]
        sync_api.expect(page.locator(".pictured img").first).to_be_visible()
        page.fill("#words", "")
        area = page.locator("#shown").bounding_box()
        page.mouse.move(area["x"] + 4, area["y"] + 6)
        page.mouse.down()
        page.mouse.move(area["x"] + 40, area["y"] + 42, steps=3)
        page.mouse.up()
        assert [page.input_value(f"#{side}") for side in ("left", "top", "right", "bottom")] == ["4", "6", "40", "42"]
        with page.expect_response("**/pictures/link") as answered:
            page.click("button.main")
        assert answered.value.json()["links"][0]["box"] == [4, 6, 40, 42]
        sync_api.expect(page.locator("h3")).to_have_text("What is in the box")
        assert wrong == []
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        assert axe.run(page).violations_count == 0
        browser.close()

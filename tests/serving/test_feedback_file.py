"""The feedback file is a file of annotated questions at every moment: after concurrent writers, kill -9 and a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elq.errors import ElqError
from elq.questions.annotated import read_questions
from elq.serving.feedback_file import FeedbackFile, Saved
from elq.types import Mention

LOOP = """
import sys
from itertools import count
from elq.serving.feedback_file import FeedbackFile
file = FeedbackFile(sys.argv[1])
print("ready", flush=True)
for number in count() if sys.argv[3] == "0" else range(int(sys.argv[3])):
    file.save({"text": f"{sys.argv[2]} {number % 7 if sys.argv[3] == '0' else number}", "mentions": [], "long": "x" * 3000})
"""


def record(text: str, *mentions: tuple[int, int, str | None]) -> dict:
    return {"text": text, "mentions": [{"start": start, "end": end, "entity": entity} for start, end, entity in mentions]}


def writer(path: Path, name: str, number: int) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", LOOP, path, name, str(number)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def texts(path: Path) -> list[str]:
    return [question.text for question in read_questions(path)]


def test_what_is_saved_is_an_annotated_question(tmp_path):
    file = FeedbackFile(tmp_path / "feedback.jsonl")
    assert file.save(record("😀 who directed titanic?", (15, 22, "Q44578"))) == Saved(1, False)
    assert file.save(record("who is xyz?", (7, 10, None))) == Saved(2, False)
    first, second = read_questions(file.path)
    assert (first.text, first.mentions) == ("😀 who directed titanic?", (Mention(15, 22, "Q44578"),))
    assert second.mentions == (Mention(7, 10, None),)


def test_the_last_verdict_about_a_text_counts(tmp_path):
    file = FeedbackFile(tmp_path / "feedback.jsonl")
    file.save(record("a", (0, 1, "x")))
    file.save(record("b"))
    assert file.save(record("a", (0, 1, "y"))) == Saved(2, True)
    assert FeedbackFile(file.path).save(record("b", (0, 1, "z"))) == Saved(2, True)
    assert [(q.text, q.mentions[0].entity) for q in read_questions(file.path)] == [("a", "y"), ("b", "z")]


def test_a_line_that_was_cut_goes_and_a_whole_one_stays(tmp_path):
    path, whole = tmp_path / "feedback.jsonl", json.dumps(record("a"))
    path.write_text(f"{whole}\n{whole.replace('a', 'b')[:-5]}")
    file = FeedbackFile(path)
    assert file.save(record("c")) == Saved(2, False)
    assert texts(path) == ["a", "c"]
    path.write_text(json.dumps(record("d")))  # as an editor may leave it
    assert file.save(record("e")) == Saved(2, False)
    assert texts(path) == ["d", "e"]
    path.write_text(json.dumps(record("d")))
    assert file.save(record("d", (0, 1, "x"))) == Saved(1, True)
    assert [question.mentions for question in read_questions(path)] == [(Mention(0, 1, "x"),)]


def test_threads_and_processes_write_together(tmp_path):
    path = tmp_path / "feedback.jsonl"
    other = writer(path, "other", 25)
    file = FeedbackFile(path)
    with ThreadPoolExecutor(4) as threads:
        saved = list(threads.map(file.save, [record(f"own {number % 20}", (0, 3, str(number))) for number in range(40)]))
    assert other.wait() == 0
    assert sorted(texts(path)) == sorted([*(f"own {n}" for n in range(20)), *(f"other {n}" for n in range(25))])
    assert sum(one.replaced for one in saved) == 20


def test_a_writer_that_is_killed_leaves_whole_questions(tmp_path):
    path = tmp_path / "feedback.jsonl"
    for kill in range(4):
        process = writer(path, f"run {kill}", 0)
        time.sleep(0.03 * kill + 0.05)
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait()
        file = FeedbackFile(path)
        file.save(record(f"after {kill}"))
        found = texts(path)
        assert len(set(found)) == len(found)
        assert [text for text in found if text.startswith("after")] == [f"after {n}" for n in range(kill + 1)]


@pytest.mark.skipif(os.name != "posix", reason="a limit of the size of files needs POSIX")
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    import resource

    file = FeedbackFile(tmp_path / "feedback.jsonl")
    file.save(record("a"))
    before, limits = file.path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        for text in ("b" * 100, "a"):
            with pytest.raises(ElqError, match="feedback.jsonl could not be written"):
                file.save({**record(text), "long": "x" * 100})
            assert file.path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.save(record("b")) == Saved(2, False)


@pytest.mark.parametrize("contents", ["id,text\n1,a\n", '{"text": 3}\n', '{"text": "a", "mentions": [{"start": 0}]}\n', "[]\n"])
def test_a_file_with_other_contents_is_refused(tmp_path, contents):
    (tmp_path / "mine").write_text(contents)
    with pytest.raises(ElqError, match="mine, line 1, is no annotated question .*: give --feedback another path"):
        FeedbackFile(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == contents


def test_a_path_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(ElqError, match="but its folder does not exist: make the folder"):
        FeedbackFile(tmp_path / "no" / "feedback.jsonl")
    with pytest.raises(ElqError, match="which is no file: give the path of a file"):
        FeedbackFile(tmp_path)

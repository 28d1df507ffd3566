"""The prompt of `elq predict`: in a real terminal (a pseudo-terminal), and its answers one by one."""

import io
import os
import re
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elq import Linker
from elq.commands import run
from elq.commands.prompt import HELP, SIGN, Prompt, Settings
from elq.commands.shown import as_coloured, as_text, has_colours
from elq.commands.terminal import _history_file
from elq.errors import ElqError
from elq.types import Link, Question

ROOT = Path(__file__).resolve().parents[2]
MODEL = str(ROOT / "tests" / "data" / "format4" / "model")
TEXT = "who directed titanic in paris?"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ESCAPE = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]|\r|\x07")  # also those that move the cursor
needs_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


class Terminal:
    """A command in a terminal of its own, in which the test types. The output may go elsewhere."""

    def __init__(self, *arguments: str, output: int | None = None, **environment: str) -> None:
        import fcntl
        import pty
        import termios

        self.screen, inside = pty.openpty()

        def control() -> None:  # Ctrl-C reaches the process only from its own terminal
            os.setsid()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background would pass on that it ignores Ctrl-C
            fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

        quiet = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "predict.py", "--model", MODEL, *arguments],
            stdin=inside,
            stdout=inside if output is None else output,
            stderr=inside,
            cwd=ROOT,
            env={**quiet, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment},
            preexec_fn=control,
        )
        os.close(inside)

    def until(self, ending: str | None = SIGN, timeout: float = 200) -> str:
        """What the screen shows until the prompt returns; until the process ends with None."""
        got, limit = b"", time.monotonic() + timeout
        while ending is None or not ESCAPE.sub("", got.decode(errors="replace")).endswith(ending):
            assert time.monotonic() < limit, got
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    got += (more := os.read(self.screen, 65_536))
                except OSError:  # Linux says so when the other side is closed
                    more = b""
                if not more:
                    break
        return got.decode()

    def type(self, keys: str, ending: str | None = SIGN) -> str:
        os.write(self.screen, keys.encode())
        return self.until(ending)

    def interrupt(self) -> None:
        """Ctrl-C, until the prompt is back.

        CPython's input() does not notice a signal that comes just before it waits for a key (readline_until_enter_or_signal in
        Modules/readline.c), so where nothing is shown the keys are pressed again.
        """
        os.write(self.screen, b"\x03")
        while not select.select([self.screen], [], [], 10)[0]:
            os.write(self.screen, b"\x03")
        self.until()

    def end(self, keys: str) -> int:
        self.type(keys, None)
        code = self.process.wait(30)
        os.close(self.screen)
        return code


def plain(shown: str) -> str:
    return ESCAPE.sub("", shown)


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.from_pretrained(MODEL)


@pytest.fixture
def prompt(linker) -> Prompt:
    return Prompt(linker, Settings())


def expected(linker: Linker, **settings) -> str:
    return as_text(Question("1", TEXT), linker.link(TEXT, **settings))


@needs_a_terminal
def test_a_terminal_shows_a_prompt_with_colours_and_keeps_the_history(tmp_path, linker):
    history = tmp_path / "history"
    history.write_text(f"{TEXT}\n")
    history.chmod(0o644)
    terminal = Terminal(ELQ_CACHE=str(tmp_path))
    assert "elq links over 1,367 entities" in terminal.until()
    shown = terminal.type("\x1b[A\n")  # the arrow goes back to the line of an earlier run
    assert COLOUR.search(shown)
    assert expected(linker) in plain(shown)
    said = plain(terminal.type(":thershold -9\n"))
    assert "elq: :thershold is no command of this prompt: did you mean :threshold?" in said
    assert "Traceback" not in said
    terminal.type("nonsense", "nonsense")  # until the terminal shows it, so that the signal does not come before
    terminal.interrupt()  # Ctrl-C clears the line …
    assert "mean :threshold" in plain(terminal.type(":thersholds\n"))  # … so this is a command, not "nonsense:thersholds"
    assert ":probability is 'x'" in plain(terminal.type(":probability x\n"))
    assert terminal.end("\x04") == 0  # Ctrl-D
    assert history.read_text().splitlines() == [TEXT, TEXT, ":thershold -9", ":thersholds", ":probability x"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


@needs_a_terminal
def test_the_history_can_be_switched_off_and_no_color_is_obeyed(tmp_path, linker):
    (tmp_path / "history").write_text("where is georgia\n")
    terminal = Terminal("--no-history", ELQ_CACHE=str(tmp_path), NO_COLOR="1")
    terminal.until()
    assert "georgia" not in plain(terminal.type("\x1b[A\n"))
    shown = terminal.type(f"{TEXT}\n")
    assert expected(linker) in plain(shown)
    assert not COLOUR.search(shown)
    assert terminal.end(":quit\n") == 0
    assert (tmp_path / "history").read_text() == "where is georgia\n"


@needs_a_terminal
def test_the_links_of_a_prompt_can_be_piped(tmp_path, linker):
    reading, writing = os.pipe()
    terminal = Terminal(output=writing, ELQ_CACHE=str(tmp_path))
    os.close(writing)
    terminal.until()
    terminal.type(f"{TEXT}\n")
    assert terminal.end("\x04") == 0
    with os.fdopen(reading, encoding="utf-8") as stream:
        assert stream.read() == expected(linker) + "\n"


@needs_a_terminal
def test_a_question_on_the_command_line_has_colours_on_a_terminal_only(linker, monkeypatch, capsys):
    import pty

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert run("predict", [TEXT, "--model", MODEL]) == 0
    assert capsys.readouterr().out == expected(linker) + "\n"
    screen, inside = pty.openpty()
    with os.fdopen(inside, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run("predict", [TEXT, "--model", MODEL]) == 0
        written, lines = b"", expected(linker).count("\n") + 1
        while written.count(b"\n") < lines and select.select([screen], [], [], 5)[0]:  # a terminal passes on line by line
            written += os.read(screen, 65_536)
        shown = written.decode()
    os.close(screen)
    assert COLOUR.search(shown)
    assert plain(shown) == expected(linker) + "\n"


@needs_a_terminal
@pytest.mark.parametrize("arguments", [["--output", "links.txt"], ["--format", "jsonl"]])
def test_no_prompt_where_the_links_go_to_a_program(arguments, monkeypatch, capsys):
    import pty

    _, inside = pty.openpty()
    with os.fdopen(inside) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert run("predict", [*arguments, "--model", MODEL]) == 2
    assert "no question is given" in capsys.readouterr().err


def test_without_a_terminal_the_error_names_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("who?\n"))
    assert run("predict", ["--model", MODEL]) == 2
    assert "elq: no question is given: write the question" in (said := capsys.readouterr().err)
    assert "`--input -` reads standard input" in said


def test_settings_change_the_next_questions_and_the_last_one(prompt, linker):
    assert prompt.answer("  ") == ""
    assert prompt.answer(TEXT) == expected(linker)
    assert prompt.answer(":threshold -9").splitlines()[1:] == expected(linker, threshold=-9).splitlines()
    assert expected(linker, threshold=-9) != expected(linker)
    prompt.answer(":probability .9")
    assert prompt.answer(TEXT) == expected(linker, threshold=-9, min_probability=0.9) != expected(linker, threshold=-9)
    prompt.answer(":threshold default")
    prompt.answer(":probability default")
    prompt.answer(":types film, city")
    assert prompt.answer(TEXT) == expected(linker, types=["film", "city"]) != expected(linker)
    said = prompt.answer(":types")
    assert "types film, city" in said
    assert "film  237" in said
    prompt.answer(":types default")
    assert prompt.answer(TEXT) == expected(linker)


def test_the_settings_of_the_command_line_hold_at_the_start(linker):
    started = Prompt(linker, Settings(threshold=-9.0, candidates=3))
    assert started.answer(TEXT) == expected(linker, threshold=-9, candidates=3)
    assert "threshold γ −9.00" in started.answer(":threshold")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (":threshold 1", "at most 0"),
        (":probability 2", "from 0 to 1"),
        (":types flim", "such as film"),
        (":candidates 0", "at least 1"),
        (":why Q0", "no entity with the id 'Q0'"),
        (":quot", "is no command of this prompt: `:help`"),
        (":", "`:help`"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_changes_nothing(line, message, prompt, linker):
    prompt.answer(TEXT)
    with pytest.raises(ElqError, match=re.escape(message)):
        prompt.answer(line)
    assert prompt.settings == Settings()
    assert prompt.answer(TEXT) == expected(linker)


def test_a_probability_needs_a_calibration(linker):
    from copy import copy

    without = copy(linker)
    without.calibration = None
    prompt = Prompt(without, Settings())
    with pytest.raises(ElqError, match="no calibration"):
        prompt.answer(":probability .5")
    assert prompt.settings == Settings()


@pytest.mark.parametrize("k", [2, 12])
def test_candidates_are_those_of_the_last_question(k, prompt, linker):
    with pytest.raises(ElqError, match="no question was asked yet"):
        prompt.answer(":candidates")
    prompt.answer(TEXT)
    lines = prompt.answer(f":candidates {k}").splitlines()
    start = TEXT.index("titanic")
    best = linker.candidates_of(TEXT, start, start + 7, k)
    assert lines[0] == f"titanic (characters {start} to {start + 7})"
    assert [line.split()[:2] for line in lines[1 : k + 1]] == [[str(n), one.entity] for n, one in enumerate(best, 1)]
    assert lines[k + 1].startswith("paris")
    assert len(prompt.answer(":candidates").splitlines()) == 2 * (1 + 5)
    prompt.answer("how do i boil an egg")
    prompt.answer(":threshold -.01")
    with pytest.raises(ElqError, match="no mention of the last question is linked"):
        prompt.answer(":candidates")


def test_why_explains_with_the_settings_of_the_prompt(prompt, linker):
    with pytest.raises(ElqError, match="no question was asked yet"):
        prompt.answer(":why Q42")
    prompt.answer(TEXT)
    assert prompt.answer(":why Q42") == str(linker.explain(TEXT, "Q42")).replace("--threshold", ":threshold")
    assert '"paris" (characters 24 to 29): shown' in prompt.answer(":why")
    prompt.answer(":threshold -.1")
    assert "is below γ −0.10; :threshold -0." in prompt.answer(":why")
    prompt.answer(":types city")
    assert prompt.answer(":why").endswith("(among all entities, also those of other types)")


def test_help_names_every_command(prompt):
    said = prompt.answer(":help")
    assert {f":{name}" for name in prompt.commands} | {":quit"} == {name.split()[0] for name in HELP}
    assert all(name in said for name in HELP)


def test_colours_change_no_character():
    question = Question("1", "a \ud800 in peru\x1b?")
    links = [Link(2, 3, "\ud800", "NIL", "", "", -0.5), Link(7, 11, "peru", "Q419", "Peru", "x" * 300, -1, probability=0.2)]
    coloured = as_coloured(question, links)
    assert COLOUR.sub("", coloured) == as_text(question, links)
    assert len(COLOUR.findall(coloured)) > 4


def test_a_stream_without_a_terminal_has_no_colours(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not has_colours(io.StringIO())


def test_a_history_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "file"))
    assert _history_file() is None
    assert "so the typed lines are not kept: set ELQ_CACHE to another folder" in caplog.text

"""Terminal: reads the lines that a person types, with a history that later runs offer again."""

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from elq.cache import cache_folder

log = logging.getLogger(__name__)

FILE = "history"  # in elq's cache folder
REMEMBERED = 1000  # lines of the history file
PRIVATE = 0o600  # only the user may read what was typed


def typed_lines(sign: str, *, history: bool = True) -> Iterator[str]:
    """The lines that are typed on standard input, without their ends. Ctrl-C clears a line, and Ctrl-D ends.

    Args:
        sign: what is written before each line; on standard error if standard output is no terminal.
        history: whether the lines of earlier runs are offered with the arrow keys, and the new ones are kept. Where Python has
            no readline, as on Windows, lines are not kept.
    """
    shown = sys.stdout.isatty()
    editor = _editor() if shown else None
    file = _history_file() if history and editor else None
    if editor and file:
        _read_history(editor, file)
    while True:
        try:
            line = input(sign) if shown else _plain_line(sign)
        except KeyboardInterrupt:
            print(file=sys.stderr)
            continue
        except UnicodeDecodeError as error:
            print(f"elq: the line is not {error.encoding}: type it again, or set the terminal to UTF-8", file=sys.stderr)
            continue
        except EOFError:
            print(file=sys.stderr)
            return
        if editor and file and line.strip():
            _keep_last_line(editor, file)
        yield line


def _plain_line(sign: str) -> str:
    """One line, without an editor. Raises EOFError at the end."""
    print(sign, end="", file=sys.stderr, flush=True)
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line.rstrip("\r\n")


def _editor() -> ModuleType | None:
    """The module readline, which ``input`` uses as soon as it is imported; None where there is none."""
    try:
        return importlib.import_module("readline")
    except ImportError:
        return None


def _history_file() -> Path | None:
    """The history file, readable only by its user; None, with a warning, if it cannot be written to."""
    path = cache_folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=PRIVATE)
        path.chmod(PRIVATE)
        with path.open("a"):
            return path
    except OSError as error:
        log.warning(
            "%s cannot be written to (%s), so the typed lines are not kept: set ELQ_CACHE to another folder",
            path,
            error.strerror,
        )
        return None


def _read_history(editor: ModuleType, file: Path) -> None:
    """Offer the lines of the history file."""
    try:
        editor.read_history_file(file)
    except OSError as error:  # libedit refuses a file that it did not write, an empty one too
        log.debug("%s cannot be read: %s", file, error)
    editor.set_history_length(REMEMBERED)


def _keep_last_line(editor: ModuleType, file: Path) -> None:
    """Add the last line to the history file at once, so that several prompts and one that is killed lose nothing."""
    try:
        if hasattr(editor, "append_history_file"):
            editor.append_history_file(1, file)
        else:
            editor.write_history_file(file)
    except OSError as error:
        log.debug("%s cannot be written to: %s", file, error)

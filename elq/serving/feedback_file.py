"""The feedback file: annotated questions that people write on the page, at every moment a file that training reads.

File format: that of elq/questions/annotated.py, JSON lines, with the further keys ``catalogue``, ``version`` and ``time``.

- A line says all mentions of its question, and there is one line for a question: the last verdict about it. A new question is
  appended. A verdict about a question that is there replaces the file by one without the older line.
- Lines are written under a lock that also other processes respect, and reach the disk before the answer. A file that is
  replaced is renamed at the end, so a process that is killed leaves the old file or the new one.
- A last line without its line feed, which a killed process or a full disk may leave, is cut off before the next one is written.
  If it is a whole record, it gets its line feed instead.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from filelock import FileLock

from elq.errors import ElqError
from elq.files import replacing, writing
from elq.questions.annotated import question_from_record


class Saved(NamedTuple):
    """What became of a verdict: the number of questions in the file, and whether an older verdict was replaced."""

    questions: int
    replaced: bool


class FeedbackFile:
    """A file of annotated questions to which several threads and processes may write.

    Args:
        path: the file; it need not exist.

    Raises:
        ElqError: the folder does not exist or cannot be written to, or the file has other contents.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_file():
            raise ElqError(f"--feedback is {path}, which is no file: give the path of a file, such as feedback.jsonl")
        folder = self.path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            state = "cannot be written to" if folder.is_dir() else "does not exist"
            raise ElqError(f"--feedback is {path}, but its folder {state}: make the folder, or give another path")
        self._lock, self._file_lock = Lock(), FileLock(folder / f".{self.path.name}.lock")
        self._state: tuple[int, ...] = ()  # of the file that was read last
        self._texts: dict[str, int] = {}  # the text of each question → the number of its lines
        with self._lock, writing(self.path), self._file_lock:
            self._read()

    def save(self, record: Mapping[str, Any]) -> Saved:
        """Write an annotated question, and remove the older lines about the same text.

        Args:
            record: a checked record with ``text`` and ``mentions``.

        Raises:
            ElqError: the file cannot be written, or somebody has put other contents into it.
        """
        line = json.dumps(record, ensure_ascii=False) + "\n"
        text = record["text"]
        with self._lock, writing(self.path), self._file_lock:
            self._read()
            replaced = text in self._texts
            if replaced:
                self._replace(text, line)
            else:
                self._append(line.encode())
            self._texts[text] = 1
            self._state = _state(self.path)
            return Saved(len(self._texts), replaced)

    def _read(self) -> None:
        """Read the texts in the file, if it is not as it was left."""
        if (state := _state(self.path)) == self._state:
            return
        texts: dict[str, int] = {}
        if state:
            *lines, last = self.path.read_bytes().split(b"\n")
            for number, line in enumerate([*lines, last] if _whole(last) else lines, 1):
                if line.strip():
                    text = self._text(line, number)
                    texts[text] = texts.get(text, 0) + 1
        self._state, self._texts = state, texts

    def _text(self, line: bytes, number: int) -> str:
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ElqError("it is no JSON object")
            return question_from_record(record, number).text
        except (ValueError, ElqError) as error:
            raise ElqError(
                f"{self.path}, line {number}, is no annotated question ({error}): give --feedback another path, or correct it"
            ) from None

    def _append(self, line: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "r+b", buffering=0) as stream:
            old = stream.seek(0, os.SEEK_END)
            size, line = self._tail(old, line)
            if size < old:
                stream.truncate(size)
            stream.seek(size)
            try:
                if (written := stream.write(line)) != len(line):
                    stream.write(line[written:])  # raises what stopped the first one, such as a full disk
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(size)
                raise

    def _tail(self, size: int, line: bytes) -> tuple[int, bytes]:
        """Where the next line goes, and what is written there: see the head of this module."""
        if not size:
            return 0, line
        raw = self.path.read_bytes() if not self._ends_whole(size) else b"\n"
        last = raw.rpartition(b"\n")[2]
        if not last:
            return size, line
        return (size, b"\n" + line) if _whole(last) else (size - len(last), line)

    def _ends_whole(self, size: int) -> bool:
        with self.path.open("rb") as stream:
            stream.seek(size - 1)
            return stream.read(1) == b"\n"

    def _replace(self, text: str, line: str) -> None:
        *lines, last = self.path.read_text(encoding="utf-8").split("\n")
        kept = [*lines, last] if _whole(last.encode()) else lines
        with replacing(self.path) as stream:
            stream.writelines(f"{one}\n" for one in kept if one.strip() and json.loads(one)["text"] != text)
            stream.write(line)


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file changes; empty for no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _whole(line: bytes) -> bool:
    """Whether a line without a line feed is a whole record."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False

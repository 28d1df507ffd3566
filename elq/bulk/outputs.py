"""Output shards: writes the links of questions as JSON lines or as Parquet.

Both have the same fields (elq/questions/predicted.py). A Parquet file has one row for each question, and its links are a list
of structures. Half a character (a lone surrogate), which Parquet cannot contain, becomes ``?``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elq.questions.predicted import as_json, as_record
from elq.types import Link, Question

Write = Callable[[Sequence[Question], Sequence[Sequence[Link]]], None]
ROWS = 8_192  # questions of one row group


@contextmanager
def json_lines(path: Path) -> Iterator[Write]:
    """Write JSON lines, as `elq predict --format jsonl` does."""
    with path.open("w", encoding="utf-8") as stream:

        def write(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
            stream.writelines(f"{as_json(question, found)}\n" for question, found in zip(questions, links, strict=True))

        yield write


@contextmanager
def parquet(path: Path) -> Iterator[Write]:
    """Write a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    schema = _schema()
    rows: list[dict[str, Any]] = []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def write(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
            rows.extend(_writable(as_record(question, found)) for question, found in zip(questions, links, strict=True))
            if len(rows) >= ROWS:
                flush()

        yield write
        if rows:
            flush()


WRITERS = {"jsonl": json_lines, "parquet": parquet}


def _schema() -> Any:
    import pyarrow as pa

    text, number, place = pa.string(), pa.float64(), pa.int32()
    candidate = pa.struct([("entity", text), ("title", text), ("score", number)])
    link = pa.struct(
        [
            *(("start", place), ("end", place), ("mention", text), ("entity", text), ("title", text), ("description", text)),
            *(("score", number), ("mention_score", number), ("probability", number), ("candidates", pa.list_(candidate))),
        ]
    )
    return pa.schema([("id", text), ("text", text), ("links", pa.list_(link))])


def _writable(value: Any) -> Any:
    """A value without half characters."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    return [_writable(item) for item in value] if isinstance(value, list) else value

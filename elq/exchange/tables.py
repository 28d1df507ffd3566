"""Tables of links: writes CSV and Parquet with one row for each link.

A question without a link has one row too, in which the columns of the link are empty. The values are written as they are: a
text that begins with "=" stays so, although a spreadsheet may take it for a formula.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from elq.files import whole
from elq.types import Link, Question

if TYPE_CHECKING:
    import pyarrow as pa

LINK = ("start", "end", "mention", "entity", "title", "description", "score", "mention_score", "probability")
COLUMNS = ("id", "text", *LINK)
NUMBERS = {"start": "int64", "end": "int64", "score": "double", "mention_score": "double", "probability": "double"}
ROWS = 50_000  # rows of a Parquet file that are written together


def rows_of(question: Question, links: Sequence[Link]) -> Iterator[list[Any]]:
    """The rows of a question: its id and text, and the values of one link; None stands for an empty cell.

    >>> [*rows_of(Question("1", "who?"), [])][0][:4]
    ['1', 'who?', None, None]
    """
    head = [_whole(question.id), _whole(question.text)]
    if not links:
        yield [*head, *[None] * len(LINK)]
    for link in links:
        yield [*head, *(_whole(getattr(link, name)) for name in LINK)]


def _whole(value: Any) -> Any:
    """A value without half characters."""
    return whole(value) if isinstance(value, str) else value


def csv_head() -> bytes:
    """The first line of a CSV file."""
    return _csv([COLUMNS])


def csv_rows(question: Question, links: Sequence[Link]) -> bytes:
    """The rows of a question in CSV: UTF-8, with commas, and quotation marks where a cell needs them."""
    return _csv(rows_of(question, links))


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


class ParquetWriter:
    """Writes Parquet, with a row group for every 50,000 rows.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: IO[bytes]):
        import pyarrow as pa
        import pyarrow.parquet

        fields = [(name, pa.type_for_alias(NUMBERS.get(name, "string"))) for name in COLUMNS]
        self.schema = pa.schema(fields)
        self.rows: list[list[Any]] = []
        self.file = pyarrow.parquet.ParquetWriter(stream, self.schema, compression="zstd")

    def write(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Add the rows of some questions."""
        self.rows += [row for pair in zip(questions, links, strict=True) for row in rows_of(*pair)]
        if len(self.rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self.rows:
            self.file.write_table(self._table())
            self.rows = []

    def _table(self) -> "pa.Table":
        import pyarrow as pa

        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*self.rows, strict=True), self.schema, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self.file.close()

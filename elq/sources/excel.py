"""Excel: reads one sheet of a workbook (.xlsx, .xlsm), whose header row is found."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, ClassVar
from xml.etree import ElementTree
from zipfile import ZipFile

from elq.errors import ElqError
from elq.reading.records import listing
from elq.sources.joined import Cell, Row, joined
from elq.sources.shown import shown
from elq.sources.source import Record, Source

log = logging.getLogger(__name__)

LOOKED_AT = 50  # rows in which the header is looked for
MERGED = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}mergeCell"
Line = tuple[int, list[str]]  # the number of a row, and its texts


class ExcelSource(Source):
    """The rows of one sheet. Rows with the same id are joined; without a column of ids, the numbers of the rows are the ids."""

    uses: ClassVar[frozenset[str]] = frozenset({"languages", "columns", "sheet", "id_prefix"})

    def records(self) -> Iterator[Record]:
        """Yield the records, in the order in which the ids come first."""
        import openpyxl  # noqa: F401 (a missing library is no damaged file)

        try:
            with self.path.open("rb") as stream:
                yield from self._from_workbook(stream)
        except ElqError:
            raise
        except Exception as error:  # openpyxl and zipfile raise many kinds of errors for a damaged file
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ElqError(
                f"{self.path} is not a workbook that can be read ({reason}): if it is an old .xls or an .ods file, or has a"
                " password, save it as .xlsx or CSV; if it is incomplete, get it again"
            ) from None

    def _from_workbook(self, stream: Any) -> Iterator[Record]:
        import openpyxl

        self.errors: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts of the workbook that are not read, such as rules for input
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        try:
            sheet = self._sheet(book)
            lines = self._lines(sheet)
            head = list(islice(lines, LOOKED_AT))
            place = header_of([texts for _, texts in head])
            if place is None:
                raise ElqError(
                    f"the sheet {sheet.title!r} of {self.path} has no row with the names of its columns, and rows below it:"
                    f" give another sheet by --sheet (its sheets: {', '.join(book.sheetnames)})"
                )
            number, header = head[place]
            names = column_names(header)
            log.info("%s: the names of the columns stand in row %d of the sheet %r", self.path, number, sheet.title)
            rows = self._rows(names, chain(head[place + 1 :], lines))
            yield from joined(self, [name for name in names if name], rows, numbered=True)
        finally:
            book.close()
        if self.errors:
            log.warning(
                "%s: %d cells have an error, and are read as empty (the first: %s)", self.path, len(self.errors), self.errors[0]
            )

    def _sheet(self, book: Any) -> Any:
        """The sheet that the user names, or the first that is visible and not empty; the log says the others."""
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if wanted := self.options.sheet:
            found = [sheet for sheet in book.worksheets if sheet.title.strip().lower() == wanted.strip().lower()]
            if not found:
                raise ElqError(f"{self.path} has no sheet {wanted!r}: name one of its sheets: {', '.join(book.sheetnames)}")
            return found[0]
        filled = [sheet for sheet in sheets if len(list(islice(self._lines(sheet, quiet=True), 2))) > 1]
        if not filled:
            raise ElqError(f"{self.path} has no sheet with at least two rows: give a workbook with a table")
        if len(filled) > 1:
            others = ", ".join(sheet.title for sheet in filled[1:])
            log.warning("%s: the sheet %r is read; --sheet names another one: %s", self.path, filled[0].title, others)
        return filled[0]

    def _lines(self, sheet: Any, *, quiet: bool = False) -> Iterator[Line]:
        """The rows that are not empty. A cell that is merged over several rows is in all of them."""
        merged = {} if quiet else self._merged(sheet)
        sheet.reset_dimensions()  # some programs write a wrong size of the sheet
        above: dict[int, tuple[int, str]] = {}  # column → the last row of a merged cell, and its text
        for number, cells in enumerate(sheet.iter_rows(), 1):
            texts = []
            for column, cell in enumerate(cells, 1):
                text = self._text(cell, number, quiet)
                if (number, column) in merged:
                    above[column] = (merged[number, column], text)
                elif not text and number <= above.get(column, (0, ""))[0]:
                    text = above[column][1]
                texts.append(text)
            if any(texts):
                yield number, texts

    def _text(self, cell: Any, number: int, quiet: bool) -> str:
        if getattr(cell, "data_type", "") == "e":
            if not quiet:
                self.errors.append(f"{cell.value} in row {number}")
            return ""
        return shown(cell.value, getattr(cell, "number_format", "General"))

    def _merged(self, sheet: Any) -> dict[tuple[int, int], int]:
        """The first row and column of each merged cell → its last row. openpyxl does not read them in a mode that streams."""
        from openpyxl.utils import range_boundaries

        path = getattr(sheet, "_worksheet_path", None)
        found = {}
        if path:
            with ZipFile(self.path) as archive, archive.open(path) as stream:
                for _, element in ElementTree.iterparse(stream):
                    if element.tag == MERGED:
                        left, top, _, bottom = range_boundaries(element.get("ref", "A1"))
                        found[top, left] = bottom
                    element.clear()
        return found

    def _rows(self, names: Sequence[str], lines: Iterator[Line]) -> Iterator[tuple[str, Row]]:
        filled: set[str] = set()
        for number, texts in lines:
            if row := {name: Cell(text) for name, text in zip(names, texts, strict=False) if name and text}:
                filled |= row.keys()
                yield f"row {number}", row
        if empty := [name for name in names if name and name not in filled]:
            log.warning(
                "%s: columns without any value: %s; if they have formulas, open the workbook in a spreadsheet and save it, so"
                " that it has their results",
                *(self.path, listing(empty)),
            )


def header_of(rows: Sequence[Sequence[str]]) -> int | None:
    """The place of the row with the names of the columns: the first of different texts that is about as wide as the rows below.

    A title above the table has only one text, and is passed over. None if there is no such row, or none below it.

    >>> header_of([["Products 2024", ""], ["", ""], ["code", "name"], ["A1", "Drill"], ["A2", "Saw"]])
    2
    """
    widths = [sum(map(bool, row)) for row in rows]
    for place, row in enumerate(rows[:-1]):
        names = [text for text in row if text]
        below = sorted(widths[place + 1 :])
        usual = below[len(below) // 2]
        words = [text for text in names if any(map(str.isalpha, text))]
        if names and len(words) == len(names) == len({*names}) and 2 * len(names) > usual and (len(names) > 1 or usual == 1):
            return place
    return None


def column_names(header: Sequence[str]) -> list[str]:
    """The names of the columns, on one line each; "" for a column without a name, which is not read.

    >>> column_names(["Item\\nno.", "", "name"])
    ['Item no.', '', 'name']
    """
    return [" ".join(name.split()) for name in header]

"""MeSH and UMLS: reads MeSH in XML and ASCII, UMLS' MRCONSO.RRF, and tables with one row for each term of a concept."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from elq.errors import ElqError
from elq.reading.delimited import read_delimited
from elq.reading.lines import DAMAGED, opened, text_lines
from elq.sources.joined import Cell, joined
from elq.sources.source import Record, Source
from elq.sources.umls import umls_records

BRANCHES = {  # first letter of a tree number → the branch of MeSH
    "A": "anatomy",
    "B": "organisms",
    "C": "diseases",
    "D": "chemicals and drugs",
    "E": "techniques and equipment",
    "F": "psychiatry and psychology",
    "G": "phenomena and processes",
    "H": "disciplines and occupations",
    "I": "social phenomena",
    "J": "technology, industry and agriculture",
    "K": "humanities",
    "L": "information science",
    "M": "named groups",
    "N": "health care",
    "V": "publication characteristics",
    "Z": "geographicals",
}
RECORD = re.compile("(Descriptor|Supplemental|Qualifier)Record")
RRF = re.compile(r"[A-Z]\d+\|[A-Z]{3}\|")
FIELDS = {"MH": "name", "NM": "name", "SH": "name", "UI": "id", "MS": "note", "NO": "note", "MN": "tree"}  # of the ASCII form
ENTRIES = ("PRINT ENTRY", "ENTRY", "SY", "QX")


class MeshSource(Source):
    """The concepts of MeSH or UMLS, or of a table of terms in which several rows may have the same id."""

    uses: ClassVar[frozenset[str]] = frozenset({"languages", "columns", "id_prefix"})

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of the file. The memory is constant, but for a table of terms."""
        with opened(self.path) as stream:
            first = next((line for line in text_lines(stream, str(self.path)) if line.strip()), "")
        form: Callable[[Path], Iterator[Record]] = self._from_table
        if first.lstrip().startswith("<"):
            form = self._from_xml
        elif first.startswith("*NEWRECORD"):
            form = self._from_ascii
        elif RRF.match(first):
            form = self._from_rrf
        yield from form(self.path)

    def _from_rrf(self, path: Path) -> Iterator[Record]:
        return umls_records(path, self.options.languages, self.skips)

    def _from_table(self, path: Path) -> Iterator[Record]:
        head = next(read_delimited(path), None)
        rows = ((f"line {line}", {name: Cell(value) for name, value in row.items()}) for line, row in read_delimited(path))
        return joined(self, list(head[1]) if head else [], rows)

    def _from_xml(self, path: Path) -> Iterator[Record]:
        with opened(path) as stream:
            try:
                events = ElementTree.iterparse(stream, ("start", "end"))
                _, root = next(events)
                for event, element in events:
                    if event == "end" and (match := RECORD.fullmatch(element.tag)):
                        if (record := self._of_element(element, match[1])) is not None:
                            yield record
                        root.clear()
            except (ElementTree.ParseError, *DAMAGED) as error:
                raise ElqError(
                    f"{path} could not be read to its end ({error or type(error).__name__}): the file is damaged or incomplete,"
                    " so get it again"
                ) from None

    def _of_element(self, element: ElementTree.Element, kind: str) -> Record | None:
        note = element.findtext("ConceptList/Concept[@PreferredConceptYN='Y']/ScopeNote") or element.findtext("Note") or ""
        terms = [term.text or "" for term in element.iterfind("ConceptList/Concept/TermList/Term/String")]
        trees = [number.text or "" for number in element.iterfind("TreeNumberList/TreeNumber")]
        identity = next((child.text or "" for child in element if child.tag.endswith("UI")), "")
        name = next((child.findtext("String", "") for child in element if child.tag.endswith("Name")), "")
        return self._record(identity.strip(), name, note, terms, trees, kind)

    def _from_ascii(self, path: Path) -> Iterator[Record]:
        values: dict[str, list[str]] = {}
        with opened(path) as stream:
            for line in text_lines(stream, str(path)):
                if line.startswith("*NEWRECORD"):
                    yield from self._of_lines(values)
                    values = {}
                elif " = " in line:
                    key, _, value = line.strip().partition(" = ")
                    values.setdefault(key, []).append(value)
        yield from self._of_lines(values)

    def _of_lines(self, values: dict[str, list[str]]) -> Iterator[Record]:
        """The record of the lines KEY = VALUE of one concept; of an entry, only what stands before the first bar is a name."""
        if not values:
            return
        found = {FIELDS[key]: texts for key, texts in values.items() if key in FIELDS}
        entries = [text.partition("|")[0] for key in ENTRIES for text in values.get(key, [])]
        first = {key: texts[0] for key, texts in found.items()}
        record = self._record(
            first.get("id", ""), first.get("name", ""), first.get("note", ""), entries, found.get("tree", []), ""
        )
        if record is not None:
            yield record

    def _record(self, identity: str, name: str, note: str, terms: list[str], trees: list[str], kind: str) -> Record | None:
        name = name.strip()
        if not (identity and name):
            self.skips.add("without an id" if name else "without a name", name or identity)
            return None
        branches = dict.fromkeys(BRANCHES[number[0]] for number in trees if number[:1] in BRANCHES)
        return {
            "id": identity,
            "title": name,
            "label": name,
            "description": " ".join(note.split()),
            "aliases": [term for term in dict.fromkeys(map(str.strip, terms)) if term and term != name],
            "types": [*branches] or (["substance"] if kind == "Supplemental" else []),
            "tree_numbers": "|".join(trees),
        }

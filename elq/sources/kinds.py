"""The kinds of source: finds the class of a kind by its name, and guesses the kind of a file."""

import importlib
import re
from pathlib import Path

from elq.errors import ElqError
from elq.reading.lines import DAMAGED, format_of, opened
from elq.sources.source import Options, Skips, Source

KINDS = {  # name → the module and class, which are imported only when the kind is used
    "wikidata": "elq.sources.wikidata:WikidataSource",
    "wikipedia": "elq.sources.wikipedia:WikipediaSource",
    "sparql": "elq.sources.sparql:SparqlSource",
    "rdf": "elq.sources.rdf:RdfSource",
    "mesh": "elq.sources.mesh:MeshSource",
    "geonames": "elq.sources.geonames:GeonamesSource",
    "excel": "elq.sources.excel:ExcelSource",
    "zeshel": "elq.sources.zeshel:ZeshelSource",
    "table": "elq.sources.table:TableSource",
}
SUFFIXES = {
    **dict.fromkeys(("ttl", "nt", "rdf", "owl", "nq", "trig", "n3", "jsonld"), "rdf"),
    **dict.fromkeys(("xlsx", "xlsm", "xls", "ods"), "excel"),
    **dict.fromkeys(("srj", "srx"), "sparql"),
    **dict.fromkeys(("csv", "tsv", "parquet"), "table"),
}
NAMES = ("labels", "descriptions", "aliases")
HEAD = 1 << 16  # bytes of the file that are looked at
TABLES = ("jsonl", "ndjson", "json")
WIKIDATA = re.compile(r'\A\s*\{\s*"entities"\s*:|"(?:labels|claims|sitelinks)"\s*:\s*[\[{]')
SPARQL = re.compile(  # the result as JSON, TSV and CSV, and the list of objects that the query service of Wikidata saves
    r'\A\s*\{\s*"(?:head|results)"\s*:\s*\{|\A\?\w+(?:\t\?\w+)*\r?\n|\A"?(\w+)"?[,\t](?:[^\r\n]*[,\t])?"?\1Label\b'
    r'|\A\s*\[\s*\{\s*"\w+"\s*:\s*(?:"https?://|\{\s*"type"\s*:\s*"uri")'
)
WIKIPEDIA = re.compile(r'"(?:main_entity|article_body|is_part_of|in_language)"\s*:')
PREFIX = re.compile(r"\A\s*(?:@prefix\b|@base\b|PREFIX\b|<\S+>\s+<\S+>)|<rdf:RDF")
GEONAMES = re.compile(r"\d+\t[^\t]+\t[^\t]*\t[^\t]*\t-?\d+(?:\.\d+)?\t-?\d+(?:\.\d+)?\t[A-Z]?\t")
MESH = re.compile(r"\A\*NEWRECORD|<(?:Descriptor|Supplemental|Qualifier)RecordSet|\A[A-Z]\d{7}\|[A-Z]{3}\|")
ZESHEL = re.compile(r'"document_id"\s*:')
WORDS = (
    *(("wikidata", WIKIDATA), ("wikipedia", WIKIPEDIA), ("rdf", PREFIX), ("mesh", MESH), ("geonames", GEONAMES)),
    ("zeshel", ZESHEL),
)


def kind_of(path: Path) -> str:
    """Guess the kind of a file from its first bytes and its suffix.

    Raises:
        ElqError: nothing says what the file is.
    """
    head, suffix = _head(path), format_of(path)
    if head.startswith("PAR1"):
        return "wikidata" if _has_languages(path) else "table"
    if SPARQL.search(head):
        return "sparql"
    for name, pattern in WORDS:
        if pattern.search(head):
            return name
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in TABLES and head.lstrip()[:1] in ("{", "["):
        return "table"
    raise ElqError(f"{path}: neither its name nor its first bytes say what it is: give --kind, one of {', '.join(KINDS)}")


def _head(path: Path) -> str:
    """The first characters of a file, unpacked; of a folder, those of its first file."""
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        if not files:
            raise ElqError(f"{path} is a folder without files: give the path of a file, or of a folder with files")
        path = files[0]
    try:
        with opened(path) as stream:
            return stream.read(HEAD).decode("utf-8-sig", "replace")
    except DAMAGED as error:
        raise ElqError(
            f"{path} could not be read ({error or type(error).__name__}): the file is damaged or incomplete, so get it again"
        ) from None


def _has_languages(path: Path) -> bool:
    """Whether the names in a Parquet file are objects with a language, as in Wikidata's records."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return False  # reading the file says what is wrong
    return any("struct<" in str(one.type) and "language: string" in str(one.type) for one in schema if one.name in NAMES)


def source_of(kind: str, path: Path, options: Options, skips: Skips) -> Source:
    """Make a source of a kind.

    Raises:
        ElqError: the kind is unknown, or an option is set that the kind does not read.
    """
    if kind not in KINDS:
        raise ElqError(f"--kind is {kind!r}, but the kinds are {', '.join(KINDS)}: choose one of these")
    module, _, name = KINDS[kind].partition(":")
    made: type[Source] = getattr(importlib.import_module(module), name)
    default = Options()
    changed = [one for one in vars(options) if getattr(options, one) != getattr(default, one)]
    if wrong := [one for one in changed if one not in made.uses]:
        known = ", ".join(map(_option, sorted(made.uses))) or "none"
        raise ElqError(f"{_option(wrong[0])} is not an option of the kind {kind}, whose options are {known}: leave it out")
    return made(path, options, skips)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"

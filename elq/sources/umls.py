"""UMLS: reads the terms of MRCONSO.RRF, with the definitions and semantic types in MRDEF.RRF and MRSTY.RRF beside it."""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from elq.reading.lines import opened, text_lines
from elq.sources.source import Record, Skips

log = logging.getLogger(__name__)

COLUMNS = 18  # of a line of MRCONSO.RRF: CUI LAT TS LUI STT SUI ISPREF AUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF
CUI, LANGUAGE, STATUS, FORM, PREFERRED, SOURCE, CODE, TEXT, SUPPRESSED = 0, 1, 2, 4, 6, 11, 13, 14, 16
LANGUAGES = {  # the code of a language that users give → UMLS' own
    "en": "ENG",
    "de": "GER",
    "fr": "FRE",
    "es": "SPA",
    "pt": "POR",
    "it": "ITA",
    "nl": "DUT",
    "ru": "RUS",
    "ja": "JPN",
    "zh": "CHI",
    "sv": "SWE",
    "da": "DAN",
    "no": "NOR",
    "fi": "FIN",
    "pl": "POL",
    "cs": "CZE",
    "hu": "HUN",
    "ko": "KOR",
    "tr": "TUR",
    "ar": "ARA",
}


def umls_records(path: Path, languages: Sequence[str], skips: Skips) -> Iterator[Record]:
    """Yield one record for each concept (CUI). The lines of a concept must stand together, as in the files of UMLS.

    Only the definitions and types beside the file are held in memory. Suppressed terms are left out.

    Args:
        path: MRCONSO.RRF, or a file with its columns.
        languages: the wanted languages, the preferred one first.
        skips: counts the concepts and terms that are left out.
    """
    wanted = [LANGUAGES.get(one.lower(), one.upper()) for one in languages]
    definitions = _beside(path, "MRDEF.RRF", 5)
    types = _beside(path, "MRSTY.RRF", 3)
    for identity, terms in groupby(_terms(path, skips), key=lambda term: term[CUI]):
        every = list(terms)
        chosen = [term for term in every if term[LANGUAGE] in wanted]
        if not chosen:
            skips.add(f"without a name in {', '.join(languages)} that is not suppressed (--languages chooses others)", identity)
            continue
        best = min(chosen, key=lambda term: (wanted.index(term[LANGUAGE]), *_order(term)))
        names = dict.fromkeys(term[TEXT].strip() for term in chosen)
        yield {
            "id": identity,
            "title": best[TEXT].strip(),
            "label": best[TEXT].strip(),
            "description": next(iter(definitions.get(identity, [])), ""),
            "aliases": [name for name in names if name and name != best[TEXT].strip()],
            "types": types.get(identity, []),
            "codes": "|".join(dict.fromkeys(f"{term[SOURCE]}:{term[CODE]}" for term in every if term[CODE])),
        }


def _order(term: Sequence[str]) -> tuple[bool, bool, bool]:
    """UMLS' preferred name of a concept comes first: the preferred form of the preferred term."""
    return term[STATUS] != "P", term[FORM] != "PF", term[PREFERRED] != "Y"


def _terms(path: Path, skips: Skips) -> Iterator[list[str]]:
    suppressed = 0
    with opened(path) as stream:
        for number, line in enumerate(text_lines(stream, str(path)), 1):
            term = line.rstrip("\r\n").split("|")
            if len(term) < COLUMNS:
                skips.add(f"in lines with fewer than {COLUMNS} columns, which are cut or damaged", f"line {number}")
            elif term[SUPPRESSED] in ("", "N"):
                yield term
            else:
                suppressed += 1
    if suppressed:
        log.info("%s: left out %s suppressed terms; their concepts are kept if they have others", path, f"{suppressed:,}")


def _beside(path: Path, name: str, column: int) -> dict[str, list[str]]:
    """Concept → the values of a column of another file of UMLS, if it lies beside."""
    other = path.with_name(name)
    found: dict[str, list[str]] = {}
    if not other.is_file():
        log.info(
            "%s: without %s in the same folder, the records have no %s",
            path,
            name,
            "types" if "STY" in name else "descriptions",
        )
        return found
    with opened(other) as stream:
        for line in text_lines(stream, str(other)):
            values = line.rstrip("\r\n").split("|")
            if len(values) > column:
                found.setdefault(values[0], []).append(values[column])
    return found

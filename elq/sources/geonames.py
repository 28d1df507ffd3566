"""GeoNames: reads the places of a dump, such as allCountries.txt or cities500.txt, whose columns have no header."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from elq.errors import ElqError
from elq.reading.lines import decoded, opened, raw_lines, text_lines
from elq.sources.source import RECORDS, Options, Record, Skips, Source, grouped

log = logging.getLogger(__name__)

COLUMNS = (
    "geonameid name asciiname alternatenames latitude longitude feature_class feature_code country cc2 admin1 admin2 admin3"
    " admin4 population elevation dem timezone modified"
).split()
CLASSES = {
    "A": "administrative region",
    "H": "body of water",
    "L": "area",
    "P": "populated place",
    "R": "road or railroad",
    "S": "building or place of interest",
    "T": "mountain or other landform",
    "U": "undersea feature",
    "V": "forest or other vegetation",
}
CODES = {  # the most frequent feature codes; a file featureCodes_en.txt beside the dump names all of them
    "ADM1": "first-order administrative division",
    "ADM2": "second-order administrative division",
    "ADM3": "third-order administrative division",
    "ADM4": "fourth-order administrative division",
    "PCLI": "country",
    "PCLD": "dependent territory",
    "PPL": "populated place",
    "PPLC": "capital",
    "PPLA": "seat of a first-order administrative division",
    "PPLA2": "seat of a second-order administrative division",
    "PPLX": "section of a populated place",
    "CONT": "continent",
    "AIRP": "airport",
    "BAY": "bay",
    "BCH": "beach",
    "BDG": "bridge",
    "CAPE": "cape",
    "CH": "church",
    "CSTL": "castle",
    "DSRT": "desert",
    "FRST": "forest",
    "HSP": "hospital",
    "HTL": "hotel",
    "ISL": "island",
    "ISLS": "islands",
    "LK": "lake",
    "MT": "mountain",
    "MTS": "mountains",
    "MUS": "museum",
    "OCN": "ocean",
    "PASS": "pass",
    "PRK": "park",
    "RSTN": "railroad station",
    "RSV": "reservoir",
    "SCH": "school",
    "SEA": "sea",
    "STDM": "stadium",
    "STM": "stream",
    "UNIV": "university",
    "VAL": "valley",
    "VLC": "volcano",
}
FEATURES, COUNTRIES, REGIONS = "featureCodes_en.txt", "countryInfo.txt", "admin1CodesASCII.txt"
Chunk = tuple[int, list[bytes]]
KEPT = ("country", "latitude", "longitude", "feature_code")


class GeonamesSource(Source):
    """The places of a GeoNames dump. Names of features, countries and regions are read from GeoNames' lists beside it."""

    parallel: ClassVar[bool] = True

    def __init__(self, path: Path, options: Options, skips: Skips) -> None:
        super().__init__(path, options, skips)
        self.features = {key.partition(".")[2]: name for key, name in self._list(FEATURES, 0, 1)} or CODES
        self.countries, self.regions = dict(self._list(COUNTRIES, 0, 4)), dict(self._list(REGIONS, 0, 1))
        if not self.countries:
            log.info(
                "%s: without %s in the same folder, the descriptions have codes of countries (GeoNames has that file, and %s"
                " with the regions)",
                *(self.path, COUNTRIES, REGIONS),
            )

    def records(self) -> Iterator[Record]:
        """Yield one record a line, with constant memory."""
        for chunk in self.chunks():
            yield from self.parse(chunk, self.skips, {})

    def chunks(self) -> Iterator[Chunk]:
        """Yield the number of the first line, and lines."""
        with opened(self.path) as stream:
            for chunk in grouped(raw_lines(stream, str(self.path)), RECORDS):
                self.done += sum(len(raw) for _, raw in chunk)
                yield chunk[0][0], [raw for _, raw in chunk]

    def parse(self, chunk: Chunk, skips: Skips, others: dict[str, str]) -> Iterator[Record]:
        """Yield the records of some lines."""
        first, lines = chunk
        for number, raw in enumerate(lines, first):
            try:
                line = decoded(raw, str(self.path), number).rstrip("\r\n")
            except ElqError:
                skips.add("in lines that are not UTF-8", f"line {number}")
                continue
            if (record := self._record(line, number, skips)) is not None:
                yield record

    def _list(self, name: str, key: int, value: int) -> Iterator[tuple[str, str]]:
        """Two columns of a list of GeoNames, if the file is there."""
        path = self.path.with_name(name)
        if path.is_file():
            with opened(path) as stream:
                for line in text_lines(stream, str(path)):
                    parts = line.rstrip("\r\n").split("\t")
                    if len(parts) > max(key, value) and not line.startswith("#"):
                        yield parts[key], parts[value]

    def _record(self, line: str, number: int, skips: Skips) -> Record | None:
        values = line.split("\t")
        if len(values) != len(COLUMNS):
            if number == 1:
                raise ElqError(
                    f"{self.path}, line 1: the line has {len(values)} columns, but a GeoNames dump has {len(COLUMNS)}: give a"
                    " dump such as cities500.txt, or choose another --kind"
                )
            if line.strip():
                skips.add(f"in lines without {len(COLUMNS)} columns, which are cut or damaged", f"line {number}")
            return None
        row = dict(zip(COLUMNS, values, strict=True))
        name, code, population = row["name"].strip(), row["feature_code"], row["population"]
        if not name:
            skips.add("without a name", f"line {number}")
            return None
        kind = self.features.get(code) or CLASSES.get(row["feature_class"], "")
        others = [
            row["asciiname"],
            *(one for one in row["alternatenames"].split(",") if not one.startswith(("http:", "https:"))),
        ]
        return {
            "id": row["geonameid"],
            "title": name,
            "label": name,
            "description": self._description(kind, row),
            "aliases": [one for one in dict.fromkeys(map(str.strip, others)) if one and one != name],
            "types": [kind] if kind else [],
            "popularity": int(population) if population.isdecimal() else 0,
            **{column: row[column] for column in KEPT if row[column]},
        }

    def _description(self, kind: str, row: dict[str, str]) -> str:
        """What tells places of one name apart, such as "populated place in Texas, United States"."""
        country = self.countries.get(row["country"], row["country"])
        region = self.regions.get(f"{row['country']}.{row['admin1']}", "")
        within = ", ".join(part for part in (region, country) if part and part != row["name"])
        return f"{kind} in {within}" if kind and within else kind or within

"""A GeoNames dump: one place a line, with the lists of countries, regions and features beside it if they are there."""

import logging

import pytest

from elq.errors import ElqError
from elq.sources.kinds import kind_of
from tests.sources.reading import read, written

PARIS = (
    "2988507\tParis\tParis\tBaariis,París,https://en.wikipedia.org/wiki/Paris\t48.85341\t2.3488\tP\tPPLC\tFR"
    "\t\t11\t75\t751\t75056\t2138551\t\t42\tEurope/Paris\t2024-01-01"
)
TEXAS = "4717560\tParis\tParis\t\t33.66\t-95.55\tP\tPPLA2\tUS\t\tTX\t277\t\t\t24782\t183\t185\tAmerica/Chicago\t2022-01-01"
KOLN = "2886242\tKöln\tKoeln\t\t50.93\t6.95\tP\tPPLA2\tDE\t\t07\t\t\t\t963395\t\t58\tEurope/Berlin\t2022-01-01"
ODD = "1\tSomewhere\tSomewhere\t\t0\t0\tT\tXYZ\t\t\t\t\t\t\t\t\t\t\t2022-01-01"


def test_places_of_a_dump(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = written(tmp_path / "cities500.txt", "\n".join((PARIS, TEXAS, KOLN, ODD)) + "\n")
    assert kind_of(path) == "geonames"
    records, skips = read(path)
    assert records["2988507"] == {
        "id": "2988507",
        "title": "Paris",
        "label": "Paris",
        "description": "capital in FR",
        "aliases": ["Baariis", "París"],
        "types": ["capital"],
        "popularity": 2138551,
        "country": "FR",
        "latitude": "48.85341",
        "longitude": "2.3488",
        "feature_code": "PPLC",
    }
    assert records["2886242"]["aliases"] == ["Koeln"]
    assert records["1"]["description"] == "mountain or other landform"
    assert "without countryInfo.txt in the same folder" in caplog.text
    assert not skips.counts


def test_the_lists_of_geonames_are_read_if_they_lie_beside(tmp_path):
    path = written(tmp_path / "cities500.txt", TEXAS + "\n")
    written(tmp_path / "countryInfo.txt", "# comment\n#ISO\tISO3\nUS\tUSA\t840\tUS\tUnited States\tWashington\n")
    written(tmp_path / "admin1CodesASCII.txt", "US.TX\tTexas\tTexas\t4736286\n")
    written(tmp_path / "featureCodes_en.txt", "P.PPLA2\tcounty seat\tseat of a county\n")
    record = read(path)[0]["4717560"]
    assert record["description"] == "county seat in Texas, United States"
    assert record["types"] == ["county seat"]


def test_a_cut_line_is_counted(tmp_path):
    records, skips = read(written(tmp_path / "a.txt", f"{PARIS}\n{TEXAS[:40]}"))
    assert len(records) == 1
    assert skips.content() == {"in lines without 19 columns, which are cut or damaged": (1, "line 2")}


def test_another_file_is_refused(tmp_path):
    with pytest.raises(ElqError, match="the line has 2 columns, but a GeoNames dump has 19"):
        read(written(tmp_path / "a.txt", "id\tname\n"), kind="geonames")


def test_a_line_in_another_encoding_is_counted(tmp_path):
    path = written(tmp_path / "a.txt", b"\n".join((PARIS.encode(), KOLN.encode("latin-1"), TEXAS.encode())))
    records, skips = read(path)
    assert len(records) == 2
    assert skips.content() == {"in lines that are not UTF-8": (1, "line 2")}

"""SPARQL results in every form: rows of one item are joined, addresses become ids, and columns are guessed and said."""

import json
import logging

import pytest

from elq.errors import ElqError
from elq.sources.convert import convert
from elq.sources.kinds import kind_of
from tests.sources.reading import read, written

WIKIDATA = "http://www.wikidata.org/entity/"


def uri(value):
    return {"type": "uri", "value": value}


def text(value, language=None):
    return {"type": "literal", "value": value, **({"xml:lang": language} if language else {})}


STANDARD = {
    "head": {"vars": ["item", "itemLabel", "itemDescription", "itemAltLabel", "typeLabel", "sitelinks"]},
    "results": {
        "bindings": [
            {
                "item": uri(WIKIDATA + "Q90"),
                "itemLabel": text("Paris", "en"),
                "itemDescription": text("capital of France", "en"),
                "itemAltLabel": text("City of Light, Paname", "en"),
                "typeLabel": text("city", "en"),
                "sitelinks": text("312"),
            },
            {"item": uri(WIKIDATA + "Q90"), "itemLabel": text("Paris", "en"), "typeLabel": text("capital city", "en")},
            {"item": uri(WIKIDATA + "Q64"), "itemLabel": text("Berlin", "de"), "itemAltLabel": text("Spree-Athen", "de")},
            {"item": uri(WIKIDATA + "Q999"), "itemLabel": text("Q999")},
        ]
    },
}
SAVED = [  # as the query service saves "JSON file": flat objects, without types and languages
    {"item": WIKIDATA + "Q90", "itemLabel": "Paris", "itemAltLabel": "City of Light, Paname", "typeLabel": "city"},
    {"item": WIKIDATA + "Q90", "itemLabel": "Paris", "itemAltLabel": "City of Light, Paname", "typeLabel": "capital city"},
]
TSV = (
    "?c\t?label\t?alt\t?n\n"
    '<http://ex.org/c/1>\t"Caf\\u00E9 \\"Noir\\""@fr\t"Kaffee, schwarz"@de\t12\n'
    '<http://ex.org/c/1>\t"Coffee"@en\t"Joe"@en\t"7"^^<http://www.w3.org/2001/XMLSchema#integer>\n'
    '<http://ex.org/c/2>\t"Tea"\t\t\n'
)


def test_the_standard_json_is_joined_by_item(tmp_path):
    records, skips = read(written(tmp_path / "a.json", json.dumps(STANDARD)))
    assert records["Q90"] == {
        "id": "Q90",
        "title": "Paris",
        "label": "Paris",
        "description": "capital of France",
        "aliases": ["City of Light", "Paname"],
        "types": ["city", "capital city"],
        "popularity": 312,
    }
    assert skips.counts == {"without a name in en (--languages chooses others)": 1, "without a name": 1}
    assert skips.first["without a name"] == "Q999"


def test_languages_are_chosen_in_their_order(tmp_path):
    records, _ = read(written(tmp_path / "a.json", json.dumps(STANDARD)), languages=("fr", "de"))
    assert list(records) == ["Q64"]
    both, _ = read(written(tmp_path / "a.tsv", TSV), languages=("en", "fr"), columns={"aliases": "alt"})
    assert both["http://ex.org/c/1"]["title"] == "Coffee"
    assert both["http://ex.org/c/1"]["aliases"] == ['Café "Noir"', "Joe"]


def test_the_json_that_the_query_service_saves(tmp_path):
    path = written(tmp_path / "query.json", json.dumps(SAVED))
    assert kind_of(path) == "sparql"
    records, _ = read(path)
    assert records["Q90"]["types"] == ["city", "capital city"]
    assert records["Q90"]["aliases"] == ["City of Light", "Paname"]
    verbose = [{"item": uri(WIKIDATA + "Q1"), "itemLabel": text("universe", "en")}]
    assert read(written(tmp_path / "v.json", json.dumps(verbose)))[0]["Q1"]["title"] == "universe"


def test_tsv_has_terms_with_languages_and_escapes(tmp_path):
    path = written(tmp_path / "a.tsv", TSV)
    assert kind_of(path) == "sparql"
    records, _ = read(path, languages=("fr", "de"), id_prefix="http://ex.org/c/", columns={"aliases": "alt"})
    assert records["1"]["title"] == 'Café "Noir"'
    assert records["1"]["aliases"] == ["Kaffee, schwarz"]
    assert records["1"]["n"] == "12|7"
    assert records["2"]["title"] == "Tea"  # a text without a language


def test_csv_columns_are_said_with_an_example(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    content = f"item,itemLabel,country,countryLabel\n{WIKIDATA}Q90,Paris,{WIKIDATA}Q142,France\n"
    path = written(tmp_path / "a.csv", content)
    assert kind_of(path) == "sparql"
    records, _ = read(path)
    assert records["Q90"]["country"] == "Q142"
    assert records["Q90"]["countryLabel"] == "France"
    assert f"id = item ('{WIKIDATA}Q90'), title = itemLabel ('Paris')" in caplog.text
    assert "further columns, kept as data: country, countryLabel" in caplog.text


def test_an_alias_in_a_row_of_its_own_keeps_its_commas(tmp_path):
    rows = 'c,cLabel,cAltLabel\nx:1,Obama,"Obama, Barack"\nx:1,Obama,"Obama, B. H."\n'
    records, _ = read(written(tmp_path / "a.csv", rows), kind="sparql")
    assert records["x:1"]["aliases"] == ["Obama, Barack", "Obama, B. H."]


def test_columns_of_other_names_are_guessed_by_their_values_or_given(tmp_path):
    rows = "x,bezeichnung\nhttp://ex.org/1,Haus\n"
    path = written(tmp_path / "a.csv", rows)
    with pytest.raises(ElqError, match=r"recognises the names: name it by --columns title=COLUMN \(its columns: x, bezeich"):
        read(path, kind="sparql")
    assert read(path, kind="sparql", columns={"title": "bezeichnung"})[0]["http://ex.org/1"]["title"] == "Haus"
    with pytest.raises(ElqError, match="title=nix, but .* has no such column: its columns are x, bezeichnung"):
        read(path, kind="sparql", columns={"title": "nix"})
    with pytest.raises(ElqError, match="recognises the ids"):
        read(written(tmp_path / "b.csv", "p,name\n7,Haus\n"), kind="sparql")


def test_the_page_of_wikipedia_can_be_the_title(tmp_path):
    rows = f"item,article\n{WIKIDATA}Q1,https://en.wikipedia.org/wiki/Caf%C3%A9_(film)\n"
    assert read(written(tmp_path / "a.csv", rows), kind="sparql")[0]["Q1"]["title"] == "Café (film)"


def test_types_that_are_only_addresses_are_data(tmp_path):
    rows = f"item,itemLabel,type\n{WIKIDATA}Q1,A,{WIKIDATA}Q5\n"
    record = read(written(tmp_path / "a.csv", rows), kind="sparql")[0]["Q1"]
    assert record["types"] == []
    assert record["type"] == "Q5"


def test_a_popularity_that_is_no_number_is_said(tmp_path, caplog):
    rows = f'item,itemLabel,views\n{WIKIDATA}Q1,A,many\n{WIKIDATA}Q2,B,"1,200"\n'
    records, _ = read(written(tmp_path / "a.csv", rows), kind="sparql")
    assert [record["popularity"] for record in records.values()] == [0, 1200]
    assert "no number, and are read as unknown: 1 (the first: 'many' in line 2)" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.json", json.dumps(STANDARD)[:400], "not valid JSON"),
        ("ask.json", '{"head": {}, "boolean": true}', 'no list "bindings" in "results"'),
        ("cut.tsv", TSV[:-4], "line 4: the row has 2 values, but the header has 4 variables"),
        ("a.srx", '<?xml version="1.0"?><sparql/>', "is a SPARQL result in XML"),
        ("empty.csv", "item,itemLabel\n", "has no rows"),
        ("empty.json", '{"head": {"vars": ["a"]}, "results": {"bindings": []}}', "has no rows"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content, said):
    with pytest.raises(ElqError, match=said):
        read(written(tmp_path / name, content), kind="sparql")


def test_a_result_becomes_a_catalogue(tmp_path):
    assert convert(written(tmp_path / "a.json", json.dumps(STANDARD)), tmp_path / "c.parquet") == 1

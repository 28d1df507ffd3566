"""Workbooks: the sheet and its header are found, and values are read as people see them."""

import datetime
import logging

import openpyxl
import pytest

from elq.errors import ElqError
from elq.sources.convert import convert
from elq.sources.excel import header_of
from elq.sources.kinds import kind_of
from elq.sources.shown import shown
from tests.sources.reading import read, written


@pytest.fixture
def book(tmp_path):
    """A workbook with a title over its table, merged and empty rows, dates, formats and an error."""
    made = openpyxl.Workbook()
    made.active.title = "Notes"
    sheet = made.create_sheet("Products")
    sheet.append(["Our products 2024"])
    sheet.merge_cells("A1:E1")
    sheet.append([])
    sheet.append(["SKU", "Product name", "Kind", "Since", "Price", None])
    sheet.append([7, "Cordless drill", "tools", datetime.date(2024, 5, 31), 89, "no column"])
    sheet.append([8, "Garden hose", None, datetime.datetime(2024, 6, 1, 8, 30), 24.5])
    sheet.append([])
    sheet.append([9, "Saw", "hand tools", None, "#N/A"])
    sheet["A4"].number_format = sheet["A5"].number_format = sheet["A7"].number_format = "00000"
    sheet["E5"].number_format = "0.00"
    sheet["E7"].data_type = "e"
    sheet.merge_cells("C4:C5")
    other = made.create_sheet("Shops")
    other.append(["id", "name"])
    other.append(["S1", "Berlin"])
    hidden = made.create_sheet("Hidden", 0)
    hidden.sheet_state = "hidden"
    hidden.append(["id", "name"])
    hidden.append(["H1", "nothing"])
    path = tmp_path / "products.xlsx"
    made.save(path)
    return path


def test_a_table_under_a_title(book, caplog):
    caplog.set_level(logging.INFO)
    assert kind_of(book) == "excel"
    records, _ = read(book)
    assert records["00007"] == {
        "id": "00007",
        "title": "Cordless drill",
        "label": "Cordless drill",
        "description": "",
        "aliases": [],
        "types": ["tools"],
        "popularity": 0,
        "Since": "2024-05-31",
        "Price": "89",
    }
    assert records["00008"]["types"] == ["tools"]  # the cell is merged over both rows
    assert records["00008"]["Since"] == "2024-06-01 08:30"
    assert records["00008"]["Price"] == "24.50"
    assert "Price" not in records["00009"]
    assert "1 cells have an error, and are read as empty (the first: #N/A in row 7)" in caplog.text
    assert "stand in row 3 of the sheet 'Products'" in caplog.text
    assert "the sheet 'Products' is read; --sheet names another one: Shops" in caplog.text
    assert "title = Product name ('Cordless drill')" in caplog.text


def test_the_sheet_can_be_named(book):
    assert list(read(book, sheet="shops")[0]) == ["S1"]
    assert list(read(book, sheet="Hidden")[0]) == ["H1"]
    with pytest.raises(ElqError, match="has no sheet 'Prices': name one of its sheets: Hidden, Notes, Products, Shops"):
        read(book, sheet="Prices")
    with pytest.raises(ElqError, match="the sheet 'Notes' .* has no row with the names"):
        read(book, sheet="Notes")


def test_without_ids_the_numbers_of_the_rows_are_ids(tmp_path):
    made = openpyxl.Workbook()
    for row in (["Name", "Synonyms"], ["Aspirin", "ASA; acetylsalicylic acid"], ["Ibuprofen", "Advil; Nurofen; Brufen"]):
        made.active.append(row)
    made.save(tmp_path / "a.xlsx")
    records, _ = read(tmp_path / "a.xlsx")
    assert list(records) == ["2", "3"]
    assert records["2"]["aliases"] == ["ASA", "acetylsalicylic acid"]


def test_names_that_cannot_be_found_are_one_sentence(tmp_path):
    made = openpyxl.Workbook()
    for row in (["Nummer", "Bezeichnung"], [1, "Haus"]):
        made.active.append(row)
    made.save(tmp_path / "a.xlsx")
    with pytest.raises(ElqError, match=r"recognises the names: name it by --columns title=COLUMN \(its columns: Nummer, Bez"):
        read(tmp_path / "a.xlsx")
    records, _ = read(tmp_path / "a.xlsx", columns={"id": "Nummer", "title": "Bezeichnung"})
    assert records["1"]["title"] == "Haus"


def test_broken_and_other_files_are_one_sentence(tmp_path, book):
    for name, content in (
        ("cut.xlsx", book.read_bytes()[:2000]),
        ("old.xls", b"\xd0\xcf\x11\xe0" * 100),
        ("a.xlsx", b"id,title"),
    ):
        with pytest.raises(ElqError, match="is not a workbook that can be read"):
            read(written(tmp_path / name, content), kind="excel")
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(ElqError, match="no sheet with at least two rows"):
        read(tmp_path / "empty.xlsx")


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([["id", "name"], ["1", "a"]], 0),
        ([["Title", "", ""], ["id", "name", "kind"], ["1", "a", "b"]], 1),
        ([["name"], ["a"], ["b"]], 0),
        ([["1", "2"], ["3", "4"]], None),
        ([["a", "a"], ["id", "name"], ["1", "x"]], 1),
        ([["id", "name"]], None),
    ],
)
def test_the_header_is_found(rows, place):
    assert header_of(rows) == place


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234567.891, "General", "1234567.891"),
        (-0.004, "0.00", "0.00"),
        (-12, "00000", "-00012"),
        (3, "0.00%", "300.00%"),
        (12, '"No. "0', "12"),
        (2.5, "[$-409]0.0;[Red]-0.0", "2.5"),
        (datetime.timedelta(hours=1), "h:mm", "1:00:00"),
        (" x ", "@", "x"),
        (None, "General", ""),
        (1e20, "General", "1e+20"),
    ],
)
def test_values_are_shown_as_people_see_them(value, form, text):
    assert shown(value, form) == text


def test_a_workbook_becomes_a_catalogue(book, tmp_path):
    assert convert(book, tmp_path / "c.parquet") == 3


def test_formulas_without_results_are_said(tmp_path, caplog):
    made = openpyxl.Workbook()
    for row in (["id", "name", "total"], [1, "a", "=1+1"], [2, "b", "=2+2"]):
        made.active.append(row)
    made.save(tmp_path / "a.xlsx")
    records, _ = read(tmp_path / "a.xlsx")
    assert "total" not in records["1"]
    assert "columns without any value: total; if they have formulas" in caplog.text

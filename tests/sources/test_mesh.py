"""MeSH in XML and ASCII, UMLS' RRF, and tables of terms give a record for each concept."""

import pytest

from elq.errors import ElqError
from elq.sources.kinds import kind_of
from tests.sources.reading import read, written

XML = """<?xml version="1.0"?>
<!DOCTYPE DescriptorRecordSet SYSTEM "desc2024.dtd">
<DescriptorRecordSet LanguageCode = "eng">
<DescriptorRecord DescriptorClass = "1"><DescriptorUI>D000001</DescriptorUI>
 <DescriptorName><String>Calcimycin</String></DescriptorName>
 <TreeNumberList><TreeNumber>D03.633.100</TreeNumber><TreeNumber>C01.1</TreeNumber></TreeNumberList>
 <ConceptList>
  <Concept PreferredConceptYN="N"><TermList><Term><String>A-23187</String></Term></TermList></Concept>
  <Concept PreferredConceptYN="Y"><ScopeNote>An ionophore,
    antibiotic.</ScopeNote><TermList><Term><String>Calcimycin</String></Term><Term><String>Antibiotic A23187</String></Term>
  </TermList></Concept></ConceptList></DescriptorRecord>
<DescriptorRecord><DescriptorUI>D000002</DescriptorUI><DescriptorName><String>Temefos</String></DescriptorName></DescriptorRecord>
</DescriptorRecordSet>
"""
ASCII = """*NEWRECORD
RECTYPE = D
MH = Calcimycin
PRINT ENTRY = A-23187|T109|T195|LAB|NRW|NLM (1991)|900308|abbcdef
ENTRY = Antibiotic A23187
MN = D03.633.100
MS = An ionophore, antibiotic.
UI = D000001

*NEWRECORD
RECTYPE = D
MH = Temefos
UI = D000002

*NEWRECORD
RECTYPE = D
MH = No id
"""


def line(cui, language, status, form, preferred, text, suppressed="N", code="1"):
    return f"{cui}|{language}|{status}|L1|{form}|S1|{preferred}|A1||||MSH|PM|{code}|{text}|0|{suppressed}||\n"


RRF = "".join(
    (
        line("C0004057", "ENG", "S", "VO", "Y", "ASA"),
        line("C0004057", "ENG", "P", "PF", "Y", "Aspirin"),
        line("C0004057", "ENG", "S", "PF", "N", "aspirine", suppressed="O"),
        line("C0004057", "GER", "P", "PF", "Y", "Acetylsalicylsäure"),
        line("C0000002", "GER", "P", "PF", "Y", "Nur Deutsch"),
        "C0000003|ENG|P\n",
    )
)


@pytest.mark.parametrize(("name", "content"), [("desc.xml", XML), ("d2024.bin", ASCII)])
def test_mesh_in_both_forms(tmp_path, name, content):
    path = written(tmp_path / name, content)
    assert kind_of(path) == "mesh"
    records, _ = read(path)
    assert list(records) == ["D000001", "D000002"]
    record = records["D000001"]
    assert record["title"] == "Calcimycin"
    assert record["aliases"] == ["A-23187", "Antibiotic A23187"]
    assert record["description"] == "An ionophore, antibiotic."
    assert record["types"][0] == "chemicals and drugs"
    assert record["tree_numbers"].startswith("D03.633.100")


def test_a_record_without_an_id_is_counted(tmp_path):
    assert read(written(tmp_path / "d.bin", ASCII))[1].content() == {"without an id": (1, "No id")}


def test_umls_with_definitions_and_types_beside(tmp_path):
    written(
        tmp_path / "MRSTY.RRF", "C0004057|T109|A1.4|Organic Chemical|AT1||\nC0004057|T121|A1|Pharmacologic Substance|AT2||\n"
    )
    written(tmp_path / "MRDEF.RRF", "C0004057|A1|AT1||MSH|A common painkiller.|N||\n")
    path = written(tmp_path / "MRCONSO.RRF", RRF)
    assert kind_of(path) == "mesh"
    records, skips = read(path)
    assert records == {
        "C0004057": {
            "id": "C0004057",
            "title": "Aspirin",
            "label": "Aspirin",
            "description": "A common painkiller.",
            "aliases": ["ASA"],
            "types": ["Organic Chemical", "Pharmacologic Substance"],
            "codes": "MSH:1",
        }
    }
    assert skips.content() == {
        "in lines with fewer than 18 columns, which are cut or damaged": (1, "line 6"),
        "without a name in en that is not suppressed (--languages chooses others)": (1, "C0000002"),
    }


def test_umls_in_other_languages(tmp_path):
    records, _ = read(written(tmp_path / "MRCONSO.RRF", RRF), languages=("de", "en"))
    assert records["C0004057"]["title"] == "Acetylsalicylsäure"
    assert records["C0004057"]["aliases"] == ["ASA", "Aspirin"]
    assert records["C0000002"]["title"] == "Nur Deutsch"


def test_a_table_with_a_row_for_each_term(tmp_path):
    rows = "cui\tterm\tsemantic_type\nC1\tAspirin\tdrug\nC1\tASA\tdrug\nC2\tFever\tsymptom\n"
    records, _ = read(written(tmp_path / "terms.tsv", rows), kind="mesh")
    assert records["C1"]["title"] == "Aspirin"
    assert records["C1"]["aliases"] == ["ASA"]
    assert records["C1"]["types"] == ["drug"]


def test_a_cut_file_is_one_sentence(tmp_path):
    with pytest.raises(ElqError, match="could not be read to its end"):
        read(written(tmp_path / "desc.xml", XML[:700]))

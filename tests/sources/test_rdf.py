"""SKOS, ontologies and plain RDF in every syntax give the same records; labels are chosen by language."""

import gzip
import logging

import pytest

from elq.errors import ElqError
from elq.sources.kinds import kind_of
from tests.sources.reading import read, written

THESAURUS = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix ex: <http://ex.org/t/> .

ex:scheme a skos:ConceptScheme ; skos:prefLabel "Animals"@en .
ex:cat a skos:Concept ;
    skos:prefLabel "cat"@en, "Katze"@de, "chat"@fr ;
    skos:altLabel "house cat"@en, "Hauskatze"@de ;
    skos:hiddenLabel "kat"@en ;
    skos:definition "small\\n carnivore"@en ; skos:scopeNote "not for lions"@en ;
    skos:notation "A1" ;
    skos:broader ex:mammal .
ex:mammal a skos:Concept ; skos:prefLabel "mammal"@en, "Säugetier"@de ; skos:narrower ex:dog ; skos:scopeNote "has milk"@en .
ex:dog a skos:Concept ; skos:prefLabel "dog"@en-GB .
ex:old a skos:Concept ; skos:prefLabel "old"@en ; owl:deprecated true .
ex:loup a skos:Concept ; skos:prefLabel "loup"@fr .
ex:Kind <http://www.w3.org/2000/01/rdf-schema#label> "a class of this thesaurus"@en .
"""
TRIPLES = """<http://ex.org/t/cat> <http://www.w3.org/2004/02/skos/core#broader> <http://ex.org/t/mammal> .
<http://ex.org/t/mammal> <http://www.w3.org/2004/02/skos/core#prefLabel> "mammal"@en .
<http://ex.org/t/cat> <http://www.w3.org/2004/02/skos/core#prefLabel> "cat"@en .
"""
XML = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
  <skos:Concept rdf:about="http://ex.org/t/cat"><skos:prefLabel xml:lang="en">cat</skos:prefLabel>
    <skos:broader rdf:resource="http://ex.org/t/mammal"/></skos:Concept>
  <skos:Concept rdf:about="http://ex.org/t/mammal"><skos:prefLabel xml:lang="en">mammal</skos:prefLabel></skos:Concept>
</rdf:RDF>
"""
ONTOLOGY = """@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix obo: <http://purl.obolibrary.org/obo/> .
@prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
obo:GO_1 a owl:Class ; rdfs:label "cell death" ; obo:IAO_0000115 "The end of a cell." ; oio:hasExactSynonym "cell dying" ;
    rdfs:comment "a comment" ; rdfs:subClassOf obo:GO_2, [ a owl:Restriction ] .
obo:GO_2 a owl:Class ; rdfs:label "process" .
oio:hasExactSynonym a owl:AnnotationProperty ; rdfs:label "has exact synonym" .
"""
PLAIN = """@prefix s: <http://schema.org/> .
<#a> a s:MusicGroup ; s:name "ABBA" ; s:alternateName "Björn & Benny" ; s:description "pop group" .
"""
LABELS_IN_NODES = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xl: <http://www.w3.org/2008/05/skos-xl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix ex: <http://ex.org/> .
ex:c a skos:Concept ; xl:prefLabel ex:l1 ; xl:altLabel ex:l2 ; skos:definition ex:d .
ex:l1 a xl:Label ; xl:literalForm "maize"@en . ex:l2 a xl:Label ; xl:literalForm "corn"@en .
ex:d rdf:value "a cereal"@en .
"""


def test_a_thesaurus(tmp_path):
    records, skips = read(written(tmp_path / "a.ttl", THESAURUS), id_prefix="http://ex.org/t/")
    assert list(records) == ["cat", "mammal", "dog"]
    assert records["cat"] == {
        "id": "cat",
        "title": "cat",
        "label": "cat",
        "description": "small carnivore",
        "aliases": ["house cat", "kat"],
        "types": ["mammal"],
        "popularity": 0,
        "notation": "A1",
    }
    assert records["mammal"]["description"] == "has milk"
    assert records["dog"]["types"] == ["mammal"]  # by skos:narrower
    assert skips.content() == {
        "of the kind SKOS ConceptScheme": (1, "http://ex.org/t/scheme"),
        "marked as deprecated": (1, "http://ex.org/t/old"),
        "without a skos:prefLabel, which others in the file have": (1, "http://ex.org/t/Kind"),
        "without a name in en (--languages chooses others)": (1, "http://ex.org/t/loup"),
    }


def test_languages_fall_back_in_their_order(tmp_path):
    records, _ = read(written(tmp_path / "a.ttl", THESAURUS), id_prefix="http://ex.org/t/", languages=("fr", "de"))
    assert {name: record["title"] for name, record in records.items()} == {
        "cat": "chat",
        "mammal": "Säugetier",
        "loup": "loup",
    }
    assert records["cat"]["aliases"] == ["Katze", "Hauskatze"]
    assert records["cat"]["types"] == ["Säugetier"]
    assert records["cat"]["description"] == ""


@pytest.mark.parametrize(("name", "content"), [("a.nt", TRIPLES), ("a.rdf", XML), ("a.ttl", TRIPLES), ("a.xml", XML)])
def test_every_syntax_gives_the_same(tmp_path, name, content):
    path = written(tmp_path / name, content)
    assert kind_of(path) == "rdf"
    records, _ = read(path)
    assert records["http://ex.org/t/cat"]["types"] == ["mammal"]
    assert records["http://ex.org/t/mammal"]["title"] == "mammal"


def test_a_compressed_file(tmp_path):
    path = written(tmp_path / "a.ttl.gz", gzip.compress(THESAURUS.encode()))
    assert kind_of(path) == "rdf"
    assert len(read(path)[0]) == 3


def test_ids_are_addresses_and_the_log_says_how_to_shorten_them(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read(written(tmp_path / "a.nt", TRIPLES))
    assert "addresses such as http://ex.org/t/cat: --id-prefix http://ex.org/t/ leaves cat" in caplog.text


def test_an_ontology(tmp_path):
    records, skips = read(written(tmp_path / "a.owl.ttl", ONTOLOGY), id_prefix="http://purl.obolibrary.org/obo/")
    assert records["GO_1"]["title"] == "cell death"
    assert records["GO_1"]["aliases"] == ["cell dying"]
    assert records["GO_1"]["description"] == "The end of a cell."
    assert records["GO_1"]["types"] == ["process"]
    assert skips.counts == {"of the kind OWL property": 1, "of the kind OWL Restriction": 1}


def test_plain_rdf_has_the_words_of_a_class_as_type(tmp_path):
    records, _ = read(written(tmp_path / "a.ttl", PLAIN))
    [record] = records.values()
    assert record["id"] == "#a"
    assert (record["title"], record["aliases"], record["description"]) == ("ABBA", ["Björn & Benny"], "pop group")
    assert record["types"] == ["music group"]


def test_labels_and_definitions_in_nodes_of_their_own(tmp_path):
    records, skips = read(written(tmp_path / "a.ttl", LABELS_IN_NODES))
    record = records["http://ex.org/c"]
    assert (record["title"], record["aliases"], record["description"]) == ("maize", ["corn"], "a cereal")
    assert skips.counts == {"of the kind SKOS-XL label": 2}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.ttl", THESAURUS[:400].encode(), "not valid TURTLE .*line"),
        ("cut.rdf", XML[:300].encode(), "not valid RDF-XML"),
        ("cut.ttl.gz", gzip.compress(THESAURUS.encode() * 20)[:300], "could not be read"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, name, content, said):
    with pytest.raises(ElqError, match=said):
        read(written(tmp_path / name, content), kind="rdf")


def test_broken_lines_of_n_triples_are_counted(tmp_path):
    path = written(
        tmp_path / "a.nt", TRIPLES.replace("<http://ex.org/t/cat> <http", "<http://ex.org/t/cat <http", 1) + "<http://cut"
    )
    records, skips = read(path, kind="rdf")
    assert [record["types"] for record in records.values()] == [[], []]
    assert skips.counts == {"in lines that are not valid (statements, not records)": 2}
    assert next(iter(skips.first.values())).startswith("line 1: ")

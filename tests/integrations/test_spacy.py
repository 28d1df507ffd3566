"""The component of spaCy: real pipelines without a language model, and the general model over a small catalogue."""

import importlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.kb import InMemoryLookupKB
from spacy.lang.en import English
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from elq import ElqError, Linker, Links
from elq.integrations.spacy_pipe import LinkingPipe
from elq.linking.model_folder import build_model_folder
from tests.conftest import write_lines
from tests.test_packaging import PROJECT

RECORDS = [
    {"id": "A-1", "title": "Cordless drill", "aliases": ["drill"], "description": "drill with a battery", "types": ["PRODUCT"]},
    {"id": "B-2", "title": "Garden hose", "description": "green hose of 20 metres", "types": ["PRODUCT", "GREEN"]},
    {"id": "Q90", "title": "Paris", "description": "capital city of France", "types": ["GPE"]},
    {"id": "Q64", "title": "Berlin", "description": "capital city of Germany"},
]
HOSE = "how long is the garden hose?"
BOTH = "do you sell the cordless drill in Paris?"
NONE = "when do you open on sunday"
TEXTS = [HOSE, NONE, BOTH, ""]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Path:
    return write_lines(tmp_path_factory.mktemp("catalogue") / "catalogue.jsonl", RECORDS)


@pytest.fixture(scope="module")
def folder(catalogue) -> Path:
    build_model_folder(catalogue, catalogue.parent / "model")
    return catalogue.parent / "model"


@pytest.fixture(scope="module")
def linker(folder) -> Linker:
    return Linker.from_pretrained(folder)


@pytest.fixture
def make(folder):
    """Makes a pipeline: earlier components by their patterns, then elq with these settings."""

    def made(*patterns: tuple[str, str], **settings) -> Language:
        nlp = spacy.blank("en")
        if patterns:
            ruler = nlp.add_pipe("entity_ruler")
            ruler.add_patterns([{"label": label, "pattern": words, "id": "rule"} for label, words in patterns])
        nlp.add_pipe("elq", config={"model": str(folder), **settings})
        return nlp

    return made


def shown(spans) -> list[tuple[str, str, str]]:
    return [(span.text, span.label_, span.kb_id_) for span in spans]


def same(found: Links, expected: Links) -> bool:
    """The same links, but for the rounding of scores in batches."""
    return [(x.start, x.end, x.mention, x.entity) for x in found] == [(x.start, x.end, x.mention, x.entity) for x in expected]


# --- what a document gets


def test_a_document_has_entities_a_span_group_and_links(make, linker):
    doc = make()(BOTH)
    assert shown(doc.ents) == [("cordless drill", "PRODUCT", "A-1"), ("Paris", "GPE", "Q90")]
    assert shown(doc.spans["elq"]) == shown(doc.ents)
    links = linker.link(BOTH)
    assert type(doc._.elq) is Links
    assert doc._.elq == links
    assert doc._.elq.text == BOTH
    assert [span._.elq for span in doc.ents] == [*links]
    assert [span._.elq for span in doc.spans["elq"]] == [*links]
    assert doc[0:1]._.elq is None
    empty = make()("")
    assert (empty.ents, len(empty.spans["elq"]), empty._.elq) == ((), 0, [])


@pytest.mark.parametrize(
    ("settings", "entities", "group"),
    [
        ({"ents": "none"}, [], [("garden hose", "PRODUCT", "B-2")]),
        ({"label": "THING"}, [("garden hose", "THING", "B-2")], [("garden hose", "THING", "B-2")]),
        ({"threshold": -1e-9}, [], []),
        ({"min_probability": 1.0}, [], []),
    ],
)
def test_settings_change_what_is_written(make, settings, entities, group):
    doc = make(**settings)(HOSE)
    assert (shown(doc.ents), shown(doc.spans["elq"])) == (entities, group)


def test_the_span_group_has_the_name_of_the_settings(make):
    doc = make(span_key="products")(HOSE)
    assert shown(doc.spans["products"]) == [("garden hose", "PRODUCT", "B-2")]
    assert "elq" not in doc.spans


def test_an_entity_without_a_type_has_the_label_entity(make):
    assert shown(make()("how far is Berlin?").ents) == [("Berlin", "ENTITY", "Q64")]


def test_a_mention_that_ends_inside_a_token_has_the_whole_token_and_keeps_its_characters(make, linker):
    nlp = make()
    nlp.tokenizer = Tokenizer(nlp.vocab)  # it cuts at blanks only
    doc = nlp(HOSE)
    [span] = doc.ents
    assert span.text == "garden hose?"
    assert span._.elq.mention == "garden hose"
    assert doc._.elq == linker.link(HOSE)
    two = nlp("do you sell drill,garden-hose?")
    assert [(link.mention, link.entity) for link in two._.elq] == [("drill", "A-1"), ("garden-hose", "B-2")]
    assert [(span.text, span.kb_id_) for span in two.spans["elq"]] == [("drill,garden-hose?", name) for name in ("A-1", "B-2")]
    assert [span._.elq.entity for span in two.spans["elq"]] == [span.kb_id_ for span in two.spans["elq"]]
    assert len(two.ents) == 1  # entities may not overlap: that of the better score stays
    best = max(two._.elq, key=lambda link: link.score)
    assert two.ents[0].kb_id_ == best.entity


def test_characters_are_counted_as_python_counts_them(make):
    nlp = make()
    for before in ("🎉👩‍👩‍👧 ", "e\u0301\u0300 ", "\n\n  ", "𝔘𝔫𝔦 "):
        doc = nlp(before + HOSE)
        [link] = doc._.elq
        assert (doc.text[link.start : link.end], doc.ents[0].text) == ("garden hose", "garden hose")


def test_nil_is_an_id(make):
    nlp = make(nil=True)
    doc = nlp("where is Quelltown?")
    assert shown(doc.ents) == [("Quelltown", "ENTITY", "NIL")]
    assert doc.ents[0]._.elq.entity == "NIL"
    given = make(("PLACE", "Quelltown"), nil=True, ents="given")(doc.text)
    assert shown(given.ents) == [("Quelltown", "PLACE", "NIL")]


# --- beside other components


def test_add_keeps_earlier_entities_and_gives_one_of_the_same_tokens_the_id(make):
    nlp = make(("TOOL", "cordless drill"), ("ORG", "in Paris"))
    doc = nlp(BOTH)
    assert shown(doc.ents) == [("cordless drill", "TOOL", "A-1"), ("in Paris", "ORG", "")]
    assert [entity.ent_id_ for entity in doc.ents] == ["rule", "rule"]
    assert shown(doc.spans["elq"]) == [("cordless drill", "PRODUCT", "A-1"), ("Paris", "GPE", "Q90")]


def test_replace_takes_the_place_of_the_entities_that_it_overlaps_only(make):
    nlp = make(("TOOL", "cordless"), ("ORG", "in Paris"), ("X", "sell"), ents="replace")
    doc = nlp(BOTH)
    assert shown(doc.ents) == [("sell", "X", ""), ("cordless drill", "PRODUCT", "A-1"), ("Paris", "GPE", "Q90")]
    assert [entity.ent_id_ for entity in doc.ents] == ["rule", "", ""]
    assert [token.text for token in doc if token.ent_iob_ == "O" and (token.ent_kb_id or token.ent_id)] == []


def test_given_links_the_entities_of_an_earlier_component_and_keeps_their_labels(make):
    patterns = (("TOOL", "drill"), ("ORG", "sell"), ("PLACE", "Paris"), ("MARK", "?"))
    doc = make(*patterns, ents="given")(BOTH)
    assert shown(doc.ents) == [("sell", "ORG", ""), ("drill", "TOOL", "A-1"), ("Paris", "PLACE", "Q90"), ("?", "MARK", "")]
    assert [span.text for span in doc.spans["elq"]] == ["drill", "Paris"]
    assert [link.mention for link in doc._.elq] == ["drill", "Paris"]
    every = make(*patterns, ents="given", min_probability=0.0)(BOTH)
    assert all(entity.kb_id_ for entity in every.ents)
    assert not any(entity.kb_id_ for entity in make(*patterns, ents="given", threshold=0.0)(BOTH).ents)


def test_given_passes_over_an_entity_without_a_token_that_the_model_reads(make):
    nlp = make(ents="given")
    docs = [nlp.make_doc(text) for text in ("Paris \u200b and Berlin", "Paris")]
    docs[0].ents = [Span(docs[0], 0, 1, "GPE"), Span(docs[0], 1, 2, "X"), Span(docs[0], 3, 4, "GPE")]
    docs[1].ents = [Span(docs[1], 0, 1, "GPE")]
    first, second = nlp.pipe(docs)
    assert [entity.kb_id_ for entity in first.ents] == ["Q90", "", "Q64"]
    assert [entity.kb_id_ for entity in second.ents] == ["Q90"]


@pytest.mark.parametrize("last", ["elq", "entity_linker"])
def test_beside_the_entity_linker_of_spacy(folder, last):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Paris"}])
    for name in sorted(("elq", "entity_linker"), key=lambda name: name == last):
        nlp.add_pipe(name, config={"model": str(folder)} if name == "elq" else {"entity_vector_length": 3})

    def knowledge(vocab):
        made = InMemoryLookupKB(vocab, entity_vector_length=3)
        made.add_entity(entity="KB-Paris", freq=1, entity_vector=[1, 2, 3])
        made.add_alias(alias="Paris", entities=["KB-Paris"], probabilities=[1.0])
        return made

    example = Example.from_dict(
        nlp.make_doc("Paris is far"), {"entities": [(0, 5, "GPE")], "links": {(0, 5): {"KB-Paris": 1.0}}}
    )
    nlp.get_pipe("entity_linker").initialize(lambda: [example], nlp=nlp, kb_loader=knowledge)
    doc = nlp(BOTH)
    drill = "A-1" if last == "elq" else "NIL"  # spaCy's component writes an id for every entity that it finds
    assert shown(doc.ents) == [("cordless drill", "PRODUCT", drill), ("Paris", "GPE", "KB-Paris")]
    assert shown(doc.spans["elq"]) == [("cordless drill", "PRODUCT", "A-1"), ("Paris", "GPE", "Q90")]


def test_two_linkers_in_one_pipeline_keep_their_links_apart(make, tmp_path):
    nlp = make()
    other = write_lines(tmp_path / "other.jsonl", [{"id": "Z-9", "title": "Paris"}])
    nlp.add_pipe("elq", name="cities", config={"catalogue": str(other), "span_key": "cities"})
    doc = nlp(BOTH)
    assert shown(doc.ents) == [("cordless drill", "PRODUCT", "A-1"), ("Paris", "GPE", "Q90")]
    assert shown(doc.spans["cities"]) == [("Paris", "ENTITY", "Z-9")]
    assert [link.entity for link in doc._.elq] == ["A-1", "Q90", "Z-9"]
    assert doc.spans["cities"][0]._.elq.entity == "Z-9"
    nlp(doc)  # a second time: nothing is there twice
    assert [link.entity for link in doc._.elq] == ["A-1", "Q90", "Z-9"]


# --- batches, processes, files


def test_batches_and_processes_give_the_same_links(make, linker):
    nlp, expected = make(), [linker.link(text) for text in TEXTS * 3]
    for how in ({}, {"batch_size": 2}, {"n_process": 2, "batch_size": 3}):
        docs = [*nlp.pipe(TEXTS * 3, **how)]
        assert [doc.text for doc in docs] == TEXTS * 3
        assert all(map(same, (doc._.elq for doc in docs), expected)), how
        assert shown(docs[0].ents) == [("garden hose", "PRODUCT", "B-2")]


def test_a_batch_is_one_call_of_the_linker(make, monkeypatch):
    nlp, sizes = make(), []
    component = nlp.get_pipe("elq")
    link = component.linker.link
    monkeypatch.setattr(component.linker, "link", lambda texts, **how: sizes.append(len(texts)) or link(texts, **how))
    assert len([*nlp.pipe(TEXTS * 2, batch_size=5)]) == 8
    assert sizes == [5, 3]


def test_documents_can_be_written_joined_and_cut(make, linker):
    nlp, links = make(), linker.link(BOTH)
    doc = nlp(BOTH)
    read = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    [packed] = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    for one in (read, packed, doc.copy(), pickle.loads(pickle.dumps(doc))):
        assert one._.elq == links
        assert [span._.elq for span in one.ents] == [*links]
    joined = Doc.from_docs([nlp(HOSE), doc])
    assert [joined.text[link.start : link.end] for link in joined._.elq] == ["garden hose", "cordless drill", "Paris"]
    cut = doc[4:].as_doc(copy_user_data=True)
    assert [(link.mention, cut.text[link.start : link.end]) for link in cut._.elq] == [(link.mention,) * 2 for link in links]
    assert json.loads(json.dumps(doc._.elq.to_dict()))["text"] == BOTH


def test_a_saved_pipeline_has_its_model_and_can_be_moved(catalogue, linker, tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(catalogue.read_bytes())
    nlp = spacy.blank("en")
    nlp.add_pipe("elq", config={"catalogue": str(moved), "label": "THING", "ents": "none"})
    expected = nlp(BOTH)._.elq
    nlp.to_disk(tmp_path / "a")
    nlp.to_disk(tmp_path / "a")  # replaced
    (tmp_path / "a").rename(tmp_path / "b")
    moved.unlink()
    loaded = spacy.load(tmp_path / "b")
    assert same(loaded(BOTH)._.elq, expected)
    doc = loaded(HOSE)
    assert shown(doc.spans["elq"]) == [("garden hose", "THING", "B-2")]
    loaded.to_disk(tmp_path / "b")  # onto itself
    assert same(loaded(BOTH)._.elq, expected)
    component = loaded.get_pipe("elq")
    assert component.linker.folders[0] == tmp_path / "b" / "elq" / "model"
    config = loaded.config
    assert same(English.from_config(config).from_bytes(loaded.to_bytes())(BOTH)._.elq, expected)
    loaded.to_disk(tmp_path / "c", exclude=["elq"])
    assert not (tmp_path / "c" / "elq").exists()
    with pytest.raises(ElqError, match=r"moved\.jsonl"):
        spacy.load(tmp_path / "c")(BOTH)


def test_a_saved_pipeline_whose_model_is_open_is_not_opened_again(make, tmp_path):
    nlp = make(min_probability=0.5)
    nlp.to_disk(tmp_path / "a")
    loaded = spacy.load(tmp_path / "a", config={"components": {"elq": {"min_probability": 1.0}}})
    assert loaded(HOSE)._.elq == []  # settings that are given for this time
    component = nlp.get_pipe("elq")
    before = component.linker
    component.from_disk(tmp_path / "a" / "elq")
    assert component.linker is before


def test_bytes_and_pickles_of_a_pipeline(make, linker):
    nlp = make(ents="none")
    read = English.from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert shown(read(HOSE).ents) == []
    assert same(read(BOTH)._.elq, linker.link(BOTH))
    copied = pickle.loads(pickle.dumps(nlp))
    assert same(copied(BOTH)._.elq, linker.link(BOTH))
    component = pickle.loads(pickle.dumps(nlp.get_pipe("elq")))
    assert type(component) is LinkingPipe
    assert component.settings == nlp.get_pipe("elq").settings


# --- settings and errors


def test_the_entry_point_names_the_factory_and_is_light():
    module, _, name = PROJECT["entry-points"]["spacy_factories"]["elq"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert Language.has_factory("elq")
    code = f"import sys, {module}\nprint(*(name for name in sys.modules if name.startswith('elq.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"elq.linking.linker", "elq.model.network"} & set(done.stdout.split())  # spaCy imports it in every program


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ents": "all"}, "ents of the spaCy component is 'all', but must be one of add, replace, none, given: choose one"),
        ({"nil": 1}, "nil of the spaCy component is 1, but must be true or false"),
        ({"model": 5}, "model of the spaCy component is 5, but must be a text"),
        ({"label": ""}, "label of the spaCy component is '', but must be a text"),
        ({"span_key": None}, "span_key of the spaCy component is None, but must be a text"),
        ({"columns": {"id": "sku"}}, "columns of the spaCy component is .*: correct it, and give catalogue"),
        ({"threshold": 0.5}, "the threshold is 0.5, but it is a natural logarithm"),
        ({"min_probability": 2}, "min_probability is 2, but must be a number from 0 to 1"),
    ],
)
def test_wrong_settings_are_said_when_the_component_is_added(folder, settings, message):
    with pytest.raises(ElqError, match=message):
        spacy.blank("en").add_pipe("elq", config={"model": str(folder), **settings})


def test_a_folder_that_is_no_model_is_said_at_once_and_one_that_is_absent_at_the_first_document(tmp_path):
    with pytest.raises(ElqError, match="lacks config.json"):
        spacy.blank("en").add_pipe("elq", config={"model": str(tmp_path)})
    nlp = spacy.blank("en")
    nlp.add_pipe("elq", config={"model": str(tmp_path / "none"), "ents": "given"})
    with pytest.raises(ElqError, match="is not a folder and cannot be downloaded"):
        nlp("Paris")


def test_an_error_handler_gets_the_documents_of_a_batch(make, monkeypatch):
    nlp, seen = make(), []
    nlp.set_error_handler(lambda name, proc, docs, error: seen.append((name, len(docs), type(error))))
    component = nlp.get_pipe("elq")
    link = component.linker.link

    def sometimes(texts, **how):
        if NONE in texts:
            raise RuntimeError("no memory")
        return link(texts, **how)

    monkeypatch.setattr(component.linker, "link", sometimes)
    assert [doc.text for doc in nlp.pipe([HOSE, NONE, BOTH], batch_size=1)] == [HOSE, BOTH]
    assert seen == [("elq", 1, RuntimeError)]

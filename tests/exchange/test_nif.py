"""NIF: what is written is read back, by two readers of RDF, and what GERBIL and its data sets have is understood."""

import gzip
from pathlib import Path

import pyoxigraph
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elq import ElqError, Link, Linker, Mention, Question
from elq.exchange.annotator import form_of_media_type, link_documents, written
from elq.exchange.iris import check_prefix, entity_iri, entity_of, question_id, question_iri
from elq.exchange.nif import Document, full_iri, read_nif, read_nif_file
from elq.exchange.nif_writer import NifWriter

PREFIXES = """
@prefix nif: <http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#> .
@prefix itsrdf: <http://www.w3.org/2005/11/its/rdf#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
"""
CONTEXT = """
<http://gerbil/r_0#char=0,24> a nif:String, nif:Context, nif:RFC5147String ;
    nif:beginIndex "0"^^xsd:nonNegativeInteger ; nif:endIndex "24"^^xsd:nonNegativeInteger ;
    nif:isString "🎬 who directed Titanic ?"@en .
"""
SPAN = """
<http://gerbil/r_0#char=15,22> a nif:String, nif:RFC5147String ; nif:anchorOf "Titanic" ;
    nif:beginIndex "15"^^xsd:nonNegativeInteger ; nif:endIndex "22"^^xsd:nonNegativeInteger ;
    nif:referenceContext <http://gerbil/r_0#char=0,24> .
"""
REFERENCE = "<http://gerbil/r_0#char=15,22> itsrdf:taIdentRef <%s> .\n"
MODEL = Path(__file__).parents[1] / "data" / "format4" / "model"
OWN_PREFIXES = (None, "http://example.org/kb/", "http://www.wikidata.org/entity/", "urn:x:", "http://dbpedia.org/resource/")

pieces = st.sampled_from(
    [
        "é",
        "e\u0301",
        "🎬",
        "👩‍🚀",
        '"',
        "'",
        "\\",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\0",
        "^^xsd:string",
        "@en",
        '"""',
        " ",
        "%",
        "%2",
        "<",
        ">",
    ]
)
texts = (
    st.lists(pieces | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1, max_size=12)
    .map("".join)
    .filter(bool)
)
HARD_IDS = (
    *("Q42", "Q007", ".", "..", "a/b", "a#b", "a?b;2", "Titanic_(1997_film)", "http://dbpedia.org/resource/Caf%C3%A9", "NIL_x"),
    *(
        "http://example.org/kb/x",
        "http://www.wikidata.org/entity/Q5",
        "http://aksw.org/notInWiki/x",
        "http://a b",
        "urn:elq:entity:x",
    ),
)
ids = texts | st.sampled_from(HARD_IDS)


def read(text: str, prefix: str | None = None) -> list[Document]:
    return read_nif((PREFIXES + text).encode(), "turtle", "the file", prefix)[0]


@st.composite
def annotated(draw: st.DrawFn) -> Question:
    text, mentions = draw(texts), []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text) - 1))
        mentions.append(Mention(start, draw(st.integers(start + 1, len(text))), draw(ids | st.none())))
    one_each = {(one.start, one.end): one for one in mentions}
    ordered = sorted(one_each.values(), key=lambda one: (one.start, one.end))
    return Question(draw(ids), text, tuple(ordered))


@settings(max_examples=60, deadline=None)
@given(st.lists(annotated(), min_size=1, max_size=3), st.sampled_from(["turtle", "nt"]), st.sampled_from(OWN_PREFIXES))
@example([Question("same", "a"), Question("same", "a"), Question("same;2", "a")], "turtle", None)
@example([Question("http://example.org/d", "a"), Question("http://example.org/d", "a")], "nt", None)
def test_what_is_written_is_read_back(questions, form, prefix):
    writer = NifWriter(form, prefix=prefix)
    document = writer.head() + b"".join(map(writer.gold, questions))
    documents, notes = read_nif(document, form, "the file", prefix)
    assert [Question(one.id, one.text, one.mentions) for one in documents] == questions
    assert not notes.wrong_text
    assert not notes.unplaced
    strict = pyoxigraph.RdfFormat.TURTLE if form == "turtle" else pyoxigraph.RdfFormat.N_TRIPLES
    found = {t.object.value for t in pyoxigraph.parse(document, strict) if t.predicate.value == full_iri("nif:isString")}
    assert found == {question.text for question in questions}


@settings(deadline=None)
@given(ids, st.sampled_from(OWN_PREFIXES))
def test_every_id_is_an_iri_that_reads_back(identity, prefix):
    assert entity_of(entity_iri(identity, prefix), prefix) == identity
    assert question_id(question_iri(identity) + "#char=0,7") == identity
    assert pyoxigraph.parse(
        f"<{entity_iri(identity, prefix)}> <{question_iri(identity)}> <a:b> .", pyoxigraph.RdfFormat.N_TRIPLES
    )


def test_lone_dots_are_encoded_since_they_mean_folders():
    assert entity_iri("..", "http://example.org/") == "http://example.org/%2E%2E"
    assert entity_iri("a.b", "http://example.org/") == "http://example.org/a.b"


def test_half_a_character_keeps_its_place():
    [question] = read_nif(written([Question("1", "a\ud800 peru")], [[link(3, 7)]], "nt"), "nt", "x")[0]
    assert (question.text, question.mentions) == ("a\ufffd peru", (Mention(3, 7, "Q419"),))


def link(start: int, end: int, entity: str = "Q419", **values) -> Link:
    return Link(start, end, "peru", entity, "Peru", "", -0.5, **values)


def test_nil_is_written_as_gerbil_expects_and_scores_only_on_request():
    questions, links = [Question("1", "peru peru")], [[link(0, 4, probability=0.25), link(5, 9, "NIL")]]
    plain = written(questions, links, "turtle").decode()
    assert "<http://aksw.org/notInWiki/peru>" in plain
    assert "<http://www.wikidata.org/entity/Q419>" in plain
    assert "taConfidence" not in plain
    scored = written(questions, links, "turtle", scores=True).decode()
    assert '"0.25"^^xsd:double' in scored
    assert '"0.6065306597126334"^^xsd:double' in scored
    assert read_nif(scored.encode(), "turtle", "x")[0][0].mentions == (Mention(0, 4, "Q419"), Mention(5, 9, None))


def test_order_of_the_file_is_kept():
    questions = [Question(str(number * 7919 % 1000), f"question {number}") for number in range(300)]
    assert [one.id for one in read_nif(written(questions, [()] * 300, "turtle"), "turtle", "x")[0]] == [q.id for q in questions]


def test_a_request_of_gerbil_is_read():
    [question] = read(CONTEXT)
    assert (question.id, question.text) == ("http://gerbil/r_0", "🎬 who directed Titanic ?")
    assert question.given == question.mentions == ()
    [question] = read(CONTEXT + SPAN)
    assert question.given == ((15, 22),)
    [question] = read(CONTEXT + SPAN + REFERENCE % "http://www.wikidata.org/entity/Q44578")
    assert (question.given, question.mentions) == ((), (Mention(15, 22, "Q44578"),))


@pytest.mark.parametrize(
    ("references", "prefix", "entity"),
    [
        (["http://dbpedia.org/resource/Caf%C3%A9"], "http://dbpedia.org/resource/", "Café"),
        (["http://dbpedia.org/resource/X", "http://www.wikidata.org/entity/Q5"], None, "Q5"),
        (["http://dbpedia.org/resource/X", "http://www.wikidata.org/entity/Q5"], "http://dbpedia.org/resource/", "X"),
        (["https://www.wikidata.org/wiki/Q5"], None, "Q5"),
        (["http://aksw.org/notInWiki"], None, None),
        (["http://aksw.org/notInWiki/Home_Intensive_Care_Inc"], "http://dbpedia.org/resource/", None),
        (["http://oke.org/task-1/T"], "http://dbpedia.org/resource/", "T2"),  # the data of the OKE challenge
        (["http://de.dbpedia.org/resource/X"], None, "http://de.dbpedia.org/resource/X"),
    ],
)
def test_entities_of_known_data_sets(references, prefix, entity):
    same = "<http://oke.org/task-1/T> owl:sameAs <http://dbpedia.org/resource/T2> .\n"
    [question] = read(CONTEXT + SPAN + same + "".join(REFERENCE % one for one in references), prefix)
    assert question.mentions == (Mention(15, 22, entity),)


def test_a_data_set_with_a_parent_and_without_a_length(tmp_path, caplog):
    """KORE50 has a context for the whole file, without a text, and contexts that end at "char=0,"."""
    path = tmp_path / "kore50.ttl.gz"
    kore = """
    <http://kore/AIDA.tsv#char=0,> a nif:Context ; nif:sourceUrl <http://kore/AIDA.tsv> .
    <http://kore/AIDA.tsv/CEL01#char=0,> a nif:Context ; nif:broaderContext <http://kore/AIDA.tsv#char=0,> ;
        nif:isString "David and Victoria"^^xsd:string .
    <http://kore/AIDA.tsv/CEL01#char=0,5> a nif:String ; nif:referenceContext <http://kore/AIDA.tsv/CEL01#char=0,> ;
        nif:anchorOf "David" ; itsrdf:taIdentRef <http://dbpedia.org/resource/David_Beckham> .
    <http://kore/AIDA.tsv/CEL01#char=0,18> a nif:Sentence ; nif:referenceContext <http://kore/AIDA.tsv/CEL01#char=0,> .
    <http://kore/AIDA.tsv/CEL01#char=10,18> nif:referenceContext <http://kore/AIDA.tsv/CEL01#char=0,> ;
        nif:beginIndex "9" ; nif:endIndex "18" ; nif:anchorOf "Victoria" ; itsrdf:taIdentRef <http://kore/V%20B> .
    <http://kore/x> nif:referenceContext <http://kore/AIDA.tsv/CEL01#char=0,> ; itsrdf:taIdentRef <http://kore/V%20B> .
    """
    path.write_bytes(gzip.compress((PREFIXES + kore).encode()))
    [question] = read_nif_file(path, "http://kore/")
    assert question.id == "http://kore/AIDA.tsv/CEL01"
    assert question.mentions == (Mention(0, 5, "http://dbpedia.org/resource/David_Beckham"), Mention(9, 18, "V B"))
    assert question.given == ()
    assert "1 of 2 mentions have an entity without the prefix, such as http://dbpedia.org/resource/David_Beckham" in caplog.text
    assert "for 1 of 2 mentions, nif:anchorOf is not the text" in caplog.text
    assert "'Victoria' and ' Victoria'" in caplog.text
    assert "1 mentions have no nif:beginIndex" in caplog.text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<a> <b>", r"the file is not valid RDF \(turtle; .*\): correct it, or give the right format"),
        ("<http://a> a nif:Context .", "the file has no nif:Context with a nif:isString, so there is no text"),
        (CONTEXT + SPAN.replace('"22"', '"25"'), r"char=15,22 is at \[15, 25\), which is empty or outside its text of 24"),
        (CONTEXT + SPAN.replace('"22"', f'"{"9" * 5000}"'), "which is empty or outside its text of 24"),
        ("[" * 5000, "the file is not valid RDF"),
        ("\ud800", "the file is not valid RDF"),
    ],
)
def test_a_bad_document_is_one_sentence(document, message):
    with pytest.raises(ElqError, match=message) as caught:
        read_nif((PREFIXES + document).encode("utf-8", "surrogatepass"), "turtle", "the file")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_damaged_file_is_one_sentence(tmp_path):
    path = tmp_path / "cut.ttl.gz"
    path.write_bytes(gzip.compress((PREFIXES + CONTEXT).encode())[:60])
    with pytest.raises(ElqError, match="the file is damaged or incomplete"):
        read_nif_file(path)


def test_a_prefix_that_no_iri_begins_with_is_refused():
    assert check_prefix("http://dbpedia.org/resource/") == "http://dbpedia.org/resource/"
    for wrong in ("dbpedia", "http://a b/", "<http://a/>", ""):
        with pytest.raises(ElqError, match="must be the beginning of an IRI"):
            check_prefix(wrong)


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.from_pretrained(str(MODEL))


def annotate(document: bytes, media_type: str, link) -> bytes:
    """The answer of `POST /nif`, whose steps are these, without the server."""
    form = form_of_media_type(media_type)
    questions, _ = read_nif(document, form, "the document")
    return written(questions, link_documents(questions, link), form)


def test_a_document_is_answered_with_the_links_of_the_linker(linker):
    """A text without given mentions (A2KB), and one with given mentions (D2KB), which get no others."""

    def low(texts, mentions):
        return linker.link(texts, threshold=-9.0) if mentions is None else linker.link(texts, mentions=mentions)

    text = "🎬 who directed Titanic ?"
    answer = annotate((PREFIXES + CONTEXT).encode(), "application/x-turtle;charset=UTF-8", low)
    [question], _ = read_nif(answer, "turtle", "answer")
    expected = linker.link(text, threshold=-9.0)
    assert [(one.start, one.end, one.entity) for one in question.mentions] == [
        (one.start, one.end, one.entity) for one in expected
    ]
    assert expected
    assert question.iri == "http://gerbil/r_0#char=0,24"
    answer = annotate((PREFIXES + CONTEXT + SPAN).encode(), "text/turtle", low)
    [question], _ = read_nif(answer, "turtle", "answer")
    [expected] = linker.link(text, mentions=[(15, 22)])
    assert question.mentions == (Mention(15, 22, expected.entity),)
    gold = annotate((PREFIXES + CONTEXT + SPAN + REFERENCE % "http://a/b").encode(), "text/turtle", low)
    assert gold == annotate((PREFIXES + CONTEXT).encode(), "text/turtle", low)
    with pytest.raises(ElqError, match="the content type is 'text/html', but must be one of application/x-turtle, text/turtle"):
        annotate(b"", "text/html", low)


def test_questions_with_and_without_given_mentions_keep_their_places():
    asked = []

    def link_texts(texts, mentions):
        asked.append((texts, mentions))
        return [[link(0, 1, text)] for text in texts]

    questions = [Document("1", "a"), Document("2", "b ?", given=((0, 1), (2, 3))), Question("3", "c")]
    assert [[one.entity for one in found] for found in link_documents(questions, link_texts)] == [["a"], ["b ?"], ["c"]]
    assert asked == [(["a", "c"], None), (["b ?"], [[(0, 1)]])]


def test_contexts_of_one_text_keep_their_mentions_apart():
    two = [Document("d", "ab", iri="http://d#char=0,2"), Document("d", "ab", iri="http://d#char=3,5")]
    found, _ = read_nif(written(two, [[link(0, 1, "Q1")], [link(0, 1, "Q2")]], "turtle"), "turtle", "x")
    assert [one.mentions for one in found] == [(Mention(0, 1, "Q1"),), (Mention(0, 1, "Q2"),)]

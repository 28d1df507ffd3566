"""The vocabulary of RDF: which predicates have the names, descriptions and types of an entity."""

SKOS, RDFS, RDF = (
    "http://www.w3.org/2004/02/skos/core#",
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
)
OWL, SKOS_XL = "http://www.w3.org/2002/07/owl#", "http://www.w3.org/2008/05/skos-xl#"
DCT, DC, FOAF = "http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/", "http://xmlns.com/foaf/0.1/"
OBO, OBO_IN_OWL = "http://purl.obolibrary.org/obo/", "http://www.geneontology.org/formats/oboInOwl#"
SCHEMA = ("http://schema.org/", "https://schema.org/")

PREFERRED = SKOS + "prefLabel"
# The predicates of each field, the preferred one first.
LABELS = (PREFERRED, RDFS + "label", *(base + "name" for base in SCHEMA), FOAF + "name", DCT + "title", DC + "title")
ALIASES = (
    SKOS + "altLabel",
    *(base + "alternateName" for base in SCHEMA),
    *(OBO_IN_OWL + f"has{kind}Synonym" for kind in ("Exact", "Related", "Narrow", "Broad")),
    DCT + "alternative",
    SKOS + "hiddenLabel",
)
DESCRIPTIONS = (
    SKOS + "definition",
    OBO + "IAO_0000115",
    *(base + "description" for base in SCHEMA),
    DCT + "description",
    DC + "description",
    RDFS + "comment",
    SKOS + "scopeNote",
    SKOS + "note",
)
TYPES = (SKOS + "broader", SKOS + "broaderGeneric", SKOS + "broaderTransitive", RDFS + "subClassOf", RDF + "type")
NARROWER = SKOS + "narrower"  # the other direction of "broader"
CODES = {SKOS + "notation": "notation"}  # predicate → further column
DEPRECATED = OWL + "deprecated"
# SKOS-XL puts a label into a node of its own, and some thesauri do so with definitions.
NODE_LABELS = {SKOS_XL + "prefLabel": PREFERRED, SKOS_XL + "altLabel": ALIASES[0], SKOS_XL + "hiddenLabel": ALIASES[-1]}
NODE_TEXTS = (SKOS_XL + "literalForm", RDF + "value")

# Types that every concept or class has, and that say nothing about it.
EVERY = frozenset({SKOS + "Concept", OWL + "NamedIndividual", OWL + "Thing", OWL + "Class", RDFS + "Class", RDFS + "Resource"})
# What has one of these types is a part of the vocabulary, and no entity.
NO_ENTITY = {
    **{SKOS + name: f"SKOS {name}" for name in ("ConceptScheme", "Collection", "OrderedCollection")},
    **{OWL + name: f"OWL {name}" for name in ("Restriction", "Axiom")},
    OWL + "Ontology": "OWL ontology",
    **{OWL + f"{name}Property": "OWL property" for name in ("Object", "Datatype", "Annotation")},
    RDF + "Property": "RDF property",
    RDFS + "Datatype": "RDF datatype",
    SKOS_XL + "Label": "SKOS-XL label",
}

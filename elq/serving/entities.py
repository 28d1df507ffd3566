"""The route of entities: finds those that a person means who types the beginning of a name."""

from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from elq.entities.catalogue import Catalogue
from elq.names.beginning import rows_beginning
from elq.names.interface import Names
from elq.serving.answers import json_response
from elq.serving.contract import Record
from elq.serving.link import ERRORS
from elq.serving.state import state_of

if TYPE_CHECKING:
    from elq.linking.linker import Linker

router = APIRouter(tags=["entities"])

MOST = 50  # entities of one answer
LONGEST = 200  # characters of a name that are typed

_names: WeakKeyDictionary[Catalogue, Names] = WeakKeyDictionary()


class EntityAnswer(Record):
    """An entity of the catalogue."""

    entity: str = Field(description="the id of the entity")
    title: str
    description: str
    types: list[str]


class EntitiesAnswer(Record):
    """The entities that were found."""

    catalogue: str = Field(description="the name of the catalogue")
    version: str = Field(description="changes when the model or its entities change")
    entities: list[EntityAnswer] = Field(description="the entity with this id, then those with this name, then the most famous")


@router.get("/v1/{catalogue}/entities", response_model=EntitiesAnswer, responses=ERRORS, summary="Find entities by name")
async def entities(
    request: Request,
    catalogue: str,
    q: Annotated[str, Query(max_length=LONGEST, description="an id, or the beginning of a title, label or alias")],
    limit: Annotated[int, Query(ge=1, le=MOST, description="the largest number of entities")] = 10,
) -> Response:
    """Find the entities of which a name begins in some way. Case, accents and punctuation are ignored."""
    served = state_of(request).catalogue(catalogue)
    opened = served.now
    found = await run_in_threadpool(entities_beginning, opened.linker, q, limit)
    return json_response({"catalogue": served.name, "version": opened.version, "entities": found})


def entities_beginning(linker: "Linker", typed: str, most: int) -> list[dict[str, Any]]:
    """The entities of a linker's catalogue that have this id, or a name which begins so, as plain values.

    Args:
        linker: the linker.
        typed: an id, or the beginning of a name.
        most: the largest number of entities.
    """
    catalogue = linker.entities.catalogue
    typed = typed.encode("utf-8", "replace").decode()  # half a character has no place in a name
    own = [row for row in catalogue.rows([typed.strip()]).tolist() if row >= 0]
    rows = [*dict.fromkeys([*own, *rows_beginning(names_of(linker), typed, most)])][:most]
    records = catalogue.records(rows)
    return [
        {"entity": one.id, "title": one.title, "description": one.description, "types": [*one.types]}
        for one in map(records.__getitem__, rows)
    ]


def names_of(linker: "Linker") -> Names:
    """The names of a linker's catalogue. They are made once if the model has no use for them and the folder has none."""
    from elq.names.dictionary import Dictionary

    catalogue = linker.entities.catalogue
    if (found := linker.dictionary) is not None:
        return found.names
    if catalogue.names is not None:
        return catalogue.names
    if catalogue not in _names:
        _names[catalogue] = Dictionary(catalogue).names
    return _names[catalogue]

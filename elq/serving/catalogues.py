"""Catalogues: opens what a server serves, a linker for each name."""

import gc
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError
from elq.files import digest_of
from elq.serving.settings import DEFAULT, Settings, named_sources

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)

WARM_UP = ("who directed titanic?", "what is the capital of a country that has a long river and many old cities", "")


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A linker that answers, and the version of its files. Each request keeps the one that it began with."""

    linker: "Linker"
    version: str


@dataclass(slots=True, eq=False)
class Served:
    """One catalogue of the server.

    Args:
        name: its name in the path of a request.
        model: the model folder or Hub name; None: the general model.
        file: the catalogue file; None: the entities of the model folder, or the starter.
        opened: what answers now; None: it is not open yet.
        error: why the newest files are not served; None if they are.
    """

    name: str
    model: str | None
    file: str | None
    opened: Opened | None = None
    error: str | None = None

    @property
    def now(self) -> Opened:
        """What answers now. Raises ElqError before it is open."""
        if self.opened is None:
            raise ElqError(f"the catalogue {self.name} is not open yet: ask again when GET /ready answers 200")
        return self.opened


def catalogues_of(settings: Settings) -> dict[str, Served]:
    """The catalogues of the settings by their names: first the model folders, then the files, each in the given order.

    Raises:
        ElqError: a name is given twice.
    """
    models, files = named_sources(settings.model, "--model"), named_sources(settings.catalogue, "--catalogue")
    if both := models.keys() & files.keys():
        name = min(both)
        raise ElqError(f"--model and --catalogue both give the name {name}: give another, as in --catalogue NAME=FILE")
    found = {name: Served(name, path, None) for name, path in models.items()}
    found |= {name: Served(name, None, path) for name, path in files.items()}
    return found or {DEFAULT: Served(DEFAULT, None, None)}


def open_served(served: Served, opening: Mapping[str, Any], beside: "Linker | None" = None) -> Opened:
    """Open the files of a catalogue as they are now, and link once, since the first call is slower than the others.

    Args:
        served: the catalogue.
        opening: settings of the linkers, as in Linker.from_pretrained.
        beside: a linker with the general model, whose network a catalogue file shares.

    Raises:
        ElqError: the files cannot be opened.
    """
    from elq.linking.opening import open_linker

    if served.file is not None and beside is not None:
        linker = beside.with_catalogue(served.file)
    else:
        linker = open_linker(served.model, served.file, columns=None, **opening)
    linker.link(WARM_UP)
    return Opened(linker, version_of(served, linker))


def forget_garbage() -> None:
    """Collect garbage now, and let later collections pass over all that is left: the libraries and the opened catalogues.

    A collection that looks at all of it takes more than a tenth of a second, in which no request is answered.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def version_of(served: Served, linker: "Linker") -> str:
    """The version of an opened catalogue: the same files have the same version on every machine."""
    from elq.encoding.pretrained import GENERAL
    from elq.entities.manifest import MANIFEST
    from elq.linking.folder import DECISION, MODEL_FILES, resolve_model

    folder = resolve_model(served.model or GENERAL)
    files = [folder / name for name in (*MODEL_FILES, DECISION)]
    manifest = linker.entities.catalogue.folder / MANIFEST
    return digest_of([path for path in (*files, manifest) if path.is_file()])[:12]


def open_all(catalogues: Mapping[str, Served], opening: Mapping[str, Any]) -> None:
    """Open every catalogue. Catalogue files share the network of the general model."""
    shared: Linker | None = None
    for served in catalogues.values():
        served.opened = open_served(served, opening, shared)
        if served.model is None:
            shared = shared or served.opened.linker
        log.info("%s: %s entities", served.name, f"{served.opened.linker.entities.manifest.entities:,}")


def watched(served: Served) -> list[Path]:
    """The files whose change means that a catalogue must be opened again."""
    from elq.entities.manifest import MANIFEST
    from elq.linking.folder import DECISION, ENTITIES, MODEL_FILES

    found = [] if served.file is None else [Path(served.file)]
    if served.model is not None and (folder := Path(served.model)).is_dir():
        found += [folder / name for name in (*MODEL_FILES, DECISION, f"{ENTITIES}/{MANIFEST}")]
    return found

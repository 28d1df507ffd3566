"""Opening: the linker that a user names by a model, a catalogue file, both or none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elq.encoding.pretrained import GENERAL
from elq.linking.linker import Linker


def open_linker(
    model: str | Path | None = None,
    catalogue: str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    **settings: Any,
) -> Linker:
    """The linker of a command or a component, whose user may name a model, a catalogue file, both or none.

    Args:
        model: a model folder or its name on the Hub; None: the general model.
        catalogue: the file that the model links over; None: the model's own entities, and for the general model the starter.
        columns: our field → the name in the catalogue file.
        settings: ``device``, ``backend``, ``dtype``, ``scoring`` and ``max_mentions``, as in :meth:`Linker.from_pretrained`.

    Raises:
        ElqError: the model or the catalogue cannot be opened.
    """
    if catalogue is None:
        return Linker.from_pretrained(model or GENERAL, **settings)
    return Linker.from_catalogue(catalogue, model=model or GENERAL, columns=columns, **settings)

"""Build: makes an entities folder from a catalogue and an entity encoder.

elq/entities/assembly.py makes the files of the folder; this module says which vectors and settings they have.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elq.encoding.device import resolve_device, resolve_precision
from elq.encoding.entity_texts import BATCH, EntityEncoder
from elq.encoding.pretrained import DEFAULT, FILES, resolve_encoder
from elq.encoding.transformer import POOLINGS
from elq.entities.assembly import PLAN_FORMAT, Recipe, assemble
from elq.entities.catalogue import Catalogue
from elq.entities.catalogue_files import read_entities, require_catalogue
from elq.entities.manifest import Manifest
from elq.entities.prior import prior_columns, with_prior
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import digest_of
from elq.names.lengths import Lengths
from elq.search.kinds import DEFAULT_INDEX, INDEX_KINDS, index_options, kind_of
from elq.search.mentions import Mentions
from elq.search.options import Value
from elq.search.table import DTYPES
from elq.tensors import Array
from elq.types import Entity

log = logging.getLogger(__name__)

LATER_SETTINGS = ("prior", "index_options")  # a plan omits them if they are empty: so folders of older versions stay valid


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class BuildSettings:
    """All settings that change the result of a build; each is an option of ``elq build``."""

    encoder: str | None = None  # if None: the question encoder in training, the default encoder in `elq build`
    pooling: str = "mean"
    text: EntityText = field(default_factory=EntityText)
    max_tokens: int = 64
    dtype: str = "float16"
    precision: str = "auto"  # of the encoder: bf16, fp32, or auto (bf16 if the processor supports it)
    index: str = DEFAULT_INDEX  # a kind of elq/search/kinds.py
    index_options: dict[str, Value] = field(default_factory=dict)  # the chosen options; the others have their defaults
    prior: tuple[str, ...] = ()  # features of elq/entities/prior.py; each adds columns to the table

    def __post_init__(self) -> None:
        precisions = ("auto", "bf16", "fp32")
        for name, allowed in (("pooling", POOLINGS), ("dtype", DTYPES), ("precision", precisions), ("index", INDEX_KINDS)):
            if getattr(self, name) not in allowed:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}: choose one")
        object.__setattr__(self, "index_options", index_options(self.index, self.index_options))  # text becomes numbers
        kind = kind_of(self.index)
        if prior_columns(self.prior) and (reason := kind.refuses_prior(kind.options(**self.index_options))):
            raise ElqError(
                f"prior is {', '.join(self.prior)}, but the {self.index} index {reason}: use another index, such as exact, or"
                " leave out the prior"
            )
        if self.max_tokens < 3:
            raise ElqError(
                f"max_tokens is {self.max_tokens}, but must be at least 3 (one token of text and two special tokens): raise it"
            )

    def values(self) -> dict[str, Any]:
        """Plain values for manifests, plans and keys. The usual form of texts is left out, as in older folders."""
        values = asdict(self)
        if self.text.form == EntityText.form:
            del values["text"]["form"]
        return values


def build_entities(
    source: str | Path,
    output: str | Path,
    settings: BuildSettings | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    device: str = "cpu",
    mentions: Callable[[Catalogue], Mentions] | None = None,
) -> Manifest:
    """Make an entities folder from a catalogue file, or return at once if it exists and was made from the same input.

    Several processes may build the same folder from the same input: they share the work, and all return when it is done.

    Args:
        source: JSONL, JSON, CSV or Parquet file.
        output: the folder to make. An entities folder that was made from other input is replaced when the new one is complete.
        settings: encoder, text, table and index.
        columns: the name of our field → the name of the column in ``source``, for the fields whose names differ.
        device: the device on which the encoder runs.
        mentions: makes vectors of mentions, with which an approximate index is measured; None: they are made of the table.

    Raises:
        ElqError: the catalogue is bad, the disk has too little free space, or a vector contains NaN or Inf.
    """
    settings, output, source = settings or BuildSettings(), Path(output), Path(source)
    output = output if output.name else output.resolve()  # "." has no name
    resolve_device(device)
    require_catalogue(source, columns)
    name, precision = settings.encoder or DEFAULT, resolve_precision(settings.precision, device)
    digest = digest_of([source], json.dumps(sorted((columns or {}).items())))
    chosen = settings.values() | {"encoder": name, "precision": precision}
    plan = {
        "format": PLAN_FORMAT,
        "source_sha256": digest,
        "encoder_sha256": digest_of([resolve_encoder(name) / file for file in FILES]),
        "settings": {key: value for key, value in chosen.items() if key not in LATER_SETTINGS or value},
    }
    facts = {key: chosen[key] for key in ("encoder", "pooling", "text", "max_tokens", "precision", "prior")}
    recipe = Recipe(
        plan=json.loads(json.dumps(plan)),
        entities=lambda: Lengths(name).watched(read_entities(source, columns)),
        vectors=lambda: EncodedTexts(settings, device),
        maker=f"encoder {name}",
        dtype=settings.dtype,
        index=settings.index,
        index_options=settings.index_options,
        facts={**facts, "source_sha256": digest, "encoder_sha256": plan["encoder_sha256"]},
        mentions=mentions,
    )
    return assemble(output, recipe)


class EncodedTexts:
    """The vectors that an encoder makes of the entities' texts."""

    def __init__(self, settings: BuildSettings, device: str) -> None:
        self.settings = settings
        self.encoder = EntityEncoder(
            settings.encoder or DEFAULT,
            pooling=settings.pooling,
            max_tokens=settings.max_tokens,
            precision=settings.precision,
            device=device,
        )
        self.width = self.encoder.encoder.width + prior_columns(settings.prior)

    def announce(self, catalogue: Catalogue, rows: int) -> None:
        """Log how many rows will be encoded and how long that will take, measured on a sample from the whole catalogue."""
        sample = [self.settings.text(catalogue[row]) for row in range(0, len(catalogue), -(-len(catalogue) // (8 * BATCH)))]
        self.encoder(sample[:BATCH])  # the first pass is slower
        began = time.perf_counter()
        self.encoder(sample)
        seconds = (time.perf_counter() - began) / len(sample) * rows
        kind = kind_of(self.settings.index)
        log.info(
            "encoding %s of %s entities will take about %.1f minutes (%s)%s",
            *(f"{rows:,}", f"{len(catalogue):,}", seconds / 60, self.encoder.precision),
            f"; then the {kind.kind} index is built" if kind.files else "",
        )

    def steps(self, rows: int) -> int:
        """The number of encoder passes for this number of rows."""
        return -(-rows // BATCH)

    def pieces(self, catalogue: Catalogue, start: int, end: int) -> Iterator[tuple[Array, Array]]:
        """Yield the vectors of the rows [start, end) batch by batch, with their places within the part."""
        return self._batches([catalogue[row] for row in range(start, end)])

    def vectors(self, entities: Sequence[Entity]) -> Array:
        """The vectors of records, (B, D) fp32 in their order."""
        made = np.empty((len(entities), self.width), np.float32)
        for places, found in self._batches(entities):
            made[places] = found
        return made

    def _batches(self, entities: Sequence[Entity]) -> Iterator[tuple[Array, Array]]:
        for places, found in self.encoder.batches([self.settings.text(entity) for entity in entities]):
            yield places, with_prior(found.numpy(), [entities[place] for place in places], self.settings.prior)

"""The remote index: a Milvus server, which may be many machines, finds the nearest entities.

The server gives the rows, and the scores are computed from the table of the entities folder. The vectors are uploaded when the
index is built. Their collection has a name that says what it contains, so that a build that was killed goes on with the same
collection, and a folder never opens that of another table.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor

from elq.errors import AGAIN, ElqError
from elq.files import write_json
from elq.progress import track
from elq.search.index import EntityIndex
from elq.search.milvus import ADDRESS, MOST, TOKEN, Collection, Server
from elq.search.options import Value, option
from elq.search.shortlist import rescored
from elq.search.table import BLOCK, EntityTable

log = logging.getLogger(__name__)

REMOTE_FILE = "index.remote.json"
FILE_BYTES = 256  # size of the file, about
SEARCHES = ("exact", "graph")
MESSAGE = 32 << 20  # bytes of the vectors in one request; a server accepts 64 MiB
HERE = ("127.0.0.1", "localhost", "::1")  # the names of this machine
ASKED = 64  # queries in one request, so that a large batch does not take longer than the timeout of a request
SAMPLE = 8  # vectors of the collection that are compared with the table when it is opened


@dataclass(frozen=True, kw_only=True)
class RemoteOptions:
    """The options of the remote index.

    Raises:
        ElqError: the address contains a password or is none, or the kind of search is unknown.
    """

    url: str = option("http://127.0.0.1:19530", f"address of the Milvus server, which {ADDRESS} replaces")
    search: str = option("exact", "exact: the server compares all vectors; graph: it follows an HNSW graph, without a prior")
    links: int = option(32, "graph links per entity", least=2, most=1_024)
    ef_construction: int = option(200, "length of the search list while the server builds the graph", least=1, most=100_000)
    ef_search: int = option(128, "length of the search list in the graph, at least K", least=1, most=100_000)
    timeout: float = option(30.0, "seconds that one request may take", least=0.1, most=3_600)
    batch: int = option(4_096, "vectors in one request of the upload", least=1, most=100_000)

    def __post_init__(self) -> None:
        if self.search not in SEARCHES:
            raise ElqError(
                f"index_options has search {self.search!r}, but the remote index has {' and '.join(SEARCHES)}: choose one"
            )
        parts = urlsplit(self.url)
        if "@" in parts.netloc or parts.query:
            raise ElqError(
                "index_options has a url with a password or a query, which would be written to files: give only"
                f" http://HOST:PORT, and the password in the environment variable {TOKEN}"
            )
        if not (parts.scheme in ("http", "https") and parts.hostname) and not self.url.endswith(".db"):
            raise ElqError(
                f"index_options has url {self.url!r}, but it must be http://HOST:PORT or https://HOST:PORT (for tests, a path"
                " that ends in .db): correct it"
            )


class RemoteIndex(EntityIndex):
    """Search on a Milvus server. The scores are computed from the table.

    Args:
        table: the entity table.
        collection: the vectors of the table on the server.
        options: the options with which the index was built, and those of the search.
    """

    kind = "remote"
    options = RemoteOptions
    files = (REMOTE_FILE,)

    def __init__(self, table: EntityTable, collection: Collection, options: RemoteOptions) -> None:
        super().__init__(table)
        self.collection, self.chosen = collection, options

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: RemoteOptions) -> int:
        """The memory of the server, or of its machines together: the vectors in fp32, and half as much again."""
        return rows * width * 6

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: RemoteOptions) -> int:
        """The size of the file here; the disk of the server is not counted."""
        return FILE_BYTES

    @classmethod
    def refuses_prior(cls, options: RemoteOptions) -> str:
        """The reason for a graph: Milvus links the vectors with the prior in them, so it connects entities of equal fame."""
        return "with search=graph misses many of the best entities of a table with a prior" if options.search == "graph" else ""

    @classmethod
    def require(cls, options: RemoteOptions) -> None:
        """Connect to the server, so that a server that does not answer is noticed before the entities are encoded."""
        _ = Server(options.url, options.timeout).client

    @classmethod
    def build(cls, table: EntityTable, options: RemoteOptions) -> Self:
        """Upload the vectors that the server does not have yet."""
        name = collection_name(table, options)
        collection = Collection(Server(options.url, options.timeout), name)
        begun = collection.exists()
        if not begun:
            graph = {"index_type": "HNSW", "params": {"M": options.links, "efConstruction": options.ef_construction}}
            collection.create(table.width, graph if options.search == "graph" else {"index_type": "FLAT"})
        collection.load()
        log.info("%s vectors go to the collection %s of %s", f"{len(table):,}", name, collection.server.url)
        step = max(1, min(options.batch, MESSAGE // (4 * table.width)))
        if not (begun and collection.count() == len(table)):
            for start in track(range(0, len(table), step), "uploading vectors"):
                end = min(start + step, len(table))
                if not (begun and collection.count(start, end) == end - start):
                    collection.write(start, table.tensor(start, end).numpy())
            collection.finish()
        made = cls(table, collection, options)
        made._check()
        return made

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Connect to the collection that ``index.remote.json`` names, and compare it with the table.

        Raises:
            ElqError: the file is bad, its server is another machine that the user has not named, the server does not answer,
                or its collection is not that of this table.
        """
        path = folder / REMOTE_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            name, size = str(values.pop("collection")), (values.pop("rows"), values.pop("width"))
            options = RemoteOptions(**{**values, **chosen})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ElqError(f"{path} does not describe a remote index ({error}): {AGAIN}") from None
        if size != (len(table), table.width):
            raise ElqError(f"{path} is about {size[0]} × {size[1]} vectors, but the table has {_size(table)}: {AGAIN}")
        if not os.environ.get(ADDRESS) and urlsplit(options.url).hostname not in HERE:  # the folder may be a stranger's
            raise ElqError(
                f"{folder} names the Milvus server at {options.url}, which gets the vectors of your questions: if you trust it,"
                f" give this address in the environment variable {ADDRESS}"
            )
        collection = Collection(Server(options.url, options.timeout), name)
        if not collection.exists():
            raise ElqError(
                f"the Milvus server at {collection.server.url} has no collection {name}, which {folder} needs: give the server"
                f" that has it in {ADDRESS}, or {AGAIN}"
            )
        collection.load()
        made = cls(table, collection, options)
        made._check()
        return made

    def save(self, folder: Path) -> None:
        """Write ``index.remote.json``, without the address: it is an option of the folder."""
        built = {name: getattr(self.chosen, name) for name in ("search", "links", "ef_construction")}
        size = {"rows": len(self.table), "width": self.table.width}
        write_json(folder / REMOTE_FILE, {"collection": self.collection.name, **size, **built})

    def _check(self) -> None:
        """Refuse a collection with other vectors than the table: another number or width, or other values in a sample."""
        where = f"the collection {self.collection.name} of the Milvus server at {self.collection.server.url}"
        remedy = "delete the collection on the server, then build the entities folder again with `elq build`"
        size = f"{self.collection.count()} × {self.collection.width()}"
        if size != _size(self.table):
            raise ElqError(f"{where} has {size} vectors, but the table has {_size(self.table)}: {remedy}")
        rows = sorted({int(row) for row in np.linspace(0, len(self.table) - 1, SAMPLE)})
        found = self.collection.vectors(rows)
        for row, own in zip(rows, self.table.gather(torch.tensor(rows)).numpy(), strict=True):
            if row not in found or not np.allclose(found[row], own, rtol=1e-5, atol=1e-6):
                raise ElqError(f"{where} has another vector than the table in row {row}: {remedy}")

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        params = {"ef": max(self.chosen.ef_search, k)} if self.chosen.search == "graph" else {}
        rows = torch.full((len(vectors), k), -1)  # (Q, K), −1 where the server found fewer than K
        for first in range(0, len(vectors), ASKED):
            nearest = self.collection.nearest(vectors[first : first + ASKED].numpy(), min(k, MOST), params)
            for place, found in enumerate(nearest, first):
                rows[place, : len(found)] = torch.tensor(found, dtype=torch.int64)
        scores, rows = rescored(self.table, vectors, rows, k)
        return scores, rows, scores[:, 0]


def collection_name(table: EntityTable, options: RemoteOptions) -> str:
    """A name that says what a collection contains: the sha256 sum of the vectors, and of how the server indexes them."""
    kind: dict[str, Any] = {key: asdict(options)[key] for key in ("search", "links", "ef_construction")}
    kind = kind if options.search == "graph" else {"search": options.search}
    digest = hashlib.sha256(json.dumps([1, len(table), table.width, table.dtype, kind]).encode())
    for start in range(0, len(table), BLOCK):
        digest.update(table.vectors[start : start + BLOCK].tobytes())
    return f"elq_{digest.hexdigest()[:40]}"


def _size(table: EntityTable) -> str:
    return f"{len(table)} × {table.width}"

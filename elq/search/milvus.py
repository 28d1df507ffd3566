"""Milvus: talks to a server of vectors, which may be many machines, and says in one sentence why it does not answer.

The library pymilvus is the extra `milvus`. An address that ends in .db is a folder that milvus-lite serves in this process: it
speaks the same protocol, and is there for tests. Nothing is written that contains the token: it comes from the environment.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from elq.errors import UnavailableError
from elq.tensors import Array

ADDRESS, TOKEN = "ELQ_MILVUS_URL", "ELQ_MILVUS_TOKEN"  # environment variables
START = "docker compose --file deploy/milvus.yaml up --detach"
LONG = 3_600.0  # seconds that the server may take to write, index or load a whole collection
MOST = 16_384  # rows that a Milvus server gives at most for one query
ABSENT = (
    "fail connecting",
    "unavailable",
    "not ready",
    "deadline",
    "timeout",
    "unimplemented",
    "failed to connect",
    "connection",
)
REFUSED = ("auth", "permission", "token", "credential")
OWN_CONNECTION = {"grpc.use_local_subchannel_pool": 1}  # otherwise grpc waits, seconds or minutes, after a server was away
VECTOR, ROW = "vector", "id"  # the fields of a collection


class NotLoadedError(UnavailableError):
    """The server has the collection, but has not opened it for searches."""


@contextmanager
def answers_of(url: str, seconds: float) -> Iterator[None]:
    """Turn an error of pymilvus in the block into an UnavailableError.

    Args:
        url: the address of the server.
        seconds: the timeout of a request.
    """
    import grpc
    from pymilvus.exceptions import ConnectionConfigException, MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        reason = " ".join(str(getattr(error, "message", "") or error).split())
        if isinstance(error, ConnectionConfigException):
            said = f"cannot be used ({reason[:200]}): give another address in {ADDRESS}"
        elif "load" in reason.lower():
            raise NotLoadedError(
                f"the Milvus server at {url} has not loaded the collection ({reason[:200]}): load it there"
            ) from None
        elif any(word in reason.lower() for word in REFUSED):
            said = f"refuses access: give USER:PASSWORD or an API key in the environment variable {TOKEN}"
        elif any(word in reason.lower() for word in ABSENT):
            said = f"does not answer within {seconds:g} seconds: start it (`{START}`), or give its address in {ADDRESS}"
        else:
            said = f"reports an error ({reason[:200]}): correct that on the server, then give the same command again"
        raise UnavailableError(f"the Milvus server at {url} {said}") from None


class Server:
    """A Milvus server. Threads may share it; a forked process makes a connection of its own.

    Args:
        url: the address, which the environment variable ``ELQ_MILVUS_URL`` replaces.
        seconds: how long one request may take.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.seconds = os.environ.get(ADDRESS) or url, seconds
        self._client: tuple[int, Any] = (0, None)  # the process, and its client

    @property
    def client(self) -> Any:
        """The client of this process. The first use connects.

        Raises:
            ElqError: the server does not answer, or refuses the token.
        """
        if self._client[0] != os.getpid():
            from pymilvus import MilvusClient

            logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors become one sentence
            with answers_of(self.url, self.seconds):
                made = MilvusClient(
                    self.url,
                    token=os.environ.get(TOKEN, ""),
                    timeout=self.seconds,
                    dedicated=True,  # not the connection of the process from which this one was forked
                    grpc_options=OWN_CONNECTION,
                )
            self._client = (os.getpid(), made)
        return self._client[1]


class Collection:
    """The vectors of one table on a server: row n of the table has the id n.

    Args:
        server: the server.
        name: the name of the collection.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name

    def exists(self) -> bool:
        """Whether the server has a collection of this name."""
        with self._answers():
            return bool(self.server.client.has_collection(self.name, timeout=self.server.seconds))

    def create(self, width: int, index: dict[str, Any]) -> None:
        """Make the collection.

        Args:
            width: D.
            index: ``index_type`` and ``params`` of the Milvus index.
        """
        from pymilvus import DataType

        with self._answers():
            client = self.server.client
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field(ROW, DataType.INT64, is_primary=True)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=width)
            wanted = client.prepare_index_params()
            wanted.add_index(VECTOR, metric_type="IP", **index)
            client.create_collection(self.name, schema=schema, index_params=wanted, timeout=LONG)

    def load(self) -> None:
        """Let the server open the collection for searches, which it forgets where it was started again."""
        with self._answers():
            self.server.client.load_collection(self.name, timeout=LONG)

    def width(self) -> int:
        """D, or 0 if the collection has no vectors of the form that :meth:`create` makes."""
        with self._answers():
            fields = self.server.client.describe_collection(self.name, timeout=self.server.seconds)["fields"]
        return next((int(field["params"].get("dim", 0)) for field in fields if field["name"] == VECTOR), 0)

    def count(self, start: int = 0, end: int | None = None) -> int:
        """The number of vectors with ids from ``start`` to before ``end``, also those that were written just now."""
        kept = "" if end is None else f"{ROW} >= {start} and {ROW} < {end}"
        asked = {"filter": kept, "output_fields": ["count(*)"], "consistency_level": "Strong"}
        with self._answers():
            return int(self.server.client.query(self.name, **asked, timeout=self.server.seconds)[0]["count(*)"])

    def write(self, start: int, vectors: Array) -> None:
        """Write the vectors (B, D) fp32 of the rows from ``start`` on; those that are there already are replaced."""
        rows = [{ROW: start + place, VECTOR: vector} for place, vector in enumerate(vectors)]
        with self._answers():
            self.server.client.upsert(self.name, rows, timeout=self.server.seconds)

    def finish(self) -> None:
        """Let the server write everything to its disk, and index it."""
        with self._answers():
            self.server.client.flush(self.name, timeout=LONG)

    def vectors(self, rows: Sequence[int]) -> dict[int, Array]:
        """Row → its vector (D,), for the rows that the collection has."""
        with self._answers():
            found = self.server.client.get(self.name, ids=list(rows), output_fields=[ROW, VECTOR], timeout=self.server.seconds)
        return {int(one[ROW]): np.asarray(one[VECTOR], np.float32) for one in found}

    def nearest(self, vectors: Array, k: int, params: dict[str, Any]) -> list[list[int]]:
        """The rows with the largest inner products, for each of the vectors (Q, D).

        Args:
            vectors: (Q, D) fp32.
            k: the number of rows, at most ``MOST``.
            params: the settings of this search, such as ``ef`` of a graph.
        """
        try:
            return self._nearest(vectors, k, params)
        except NotLoadedError:  # the server was started again meanwhile
            self.load()
            return self._nearest(vectors, k, params)

    def _nearest(self, vectors: Array, k: int, params: dict[str, Any]) -> list[list[int]]:
        asked = {"limit": k, "output_fields": [ROW], "search_params": {"metric_type": "IP", "params": params}}
        with self._answers():
            found = self.server.client.search(
                self.name, list(vectors), **asked, consistency_level="Eventually", timeout=self.server.seconds
            )
        return [[int(hit[ROW]) for hit in hits] for hits in found]

    def _answers(self) -> Any:
        return answers_of(self.server.url, self.server.seconds)

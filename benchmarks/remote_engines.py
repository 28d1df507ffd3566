"""Measures engines for the remote index on one table: load, recall, speed, filters, memory and disk.

    python benchmarks/remote_engines.py TABLE.npy QUERIES.npy FOLDER STEP ENGINE …

Each engine runs in a process of its own and keeps its data below FOLDER. None of the engines is part of elq's environment:
install qdrant-client, qdrant-edge-py, milvus-lite, pymilvus, lancedb, and milvus (a server of 2024 in a wheel) into another.
The truth is exact search in fp32. The column `c` of the engines has the row number modulo 100, so that a filter keeps 1% of the
rows. QUERIES.npy has vectors of real mentions, (Q, D); the first 256 of a random order are used. Every STEP-th row is taken.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

K, SINGLE, FILTER = 10, 100, 7
Searches = dict[str, Callable[..., list[list[int]]]]


def blocks(table: Any, size: int) -> Iterator[tuple[int, Any]]:
    for start in range(0, len(table), size):
        yield start, table[start : start + size].astype(np.float32)


def qdrant_local(table: Any, folder: Path) -> Searches:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("t", models.VectorParams(size=table.shape[1], distance=models.Distance.DOT))
    for start, part in blocks(table, 2_048):
        ids = list(range(start, start + len(part)))
        client.upsert("t", models.Batch(ids=ids, vectors=part.tolist(), payloads=[{"c": row % 100} for row in ids]))

    def search(vectors: Any, only: bool = False) -> list[list[int]]:
        kept = models.Filter(must=[models.FieldCondition(key="c", match=models.MatchValue(value=FILTER))]) if only else None
        asked = [models.QueryRequest(query=one.tolist(), limit=K, filter=kept) for one in vectors]
        return [[point.id for point in found.points] for found in client.query_batch_points("t", asked)]

    return {"exact (NumPy)": search}


def qdrant_edge(table: Any, folder: Path) -> Searches:
    import qdrant_edge as q

    folder.mkdir(parents=True)
    graph = q.HnswIndexConfig(m=32, ef_construct=200, full_scan_threshold=1_000)
    config = q.EdgeConfig(vectors=q.EdgeVectorParams(size=table.shape[1], distance=q.Distance.Dot, hnsw_config=graph))
    shard = q.EdgeShard.create(str(folder), config)
    for start, part in blocks(table, 2_048):
        points = [q.Point(start + n, one.tolist(), {"c": (start + n) % 100}) for n, one in enumerate(part)]
        shard.update(q.UpdateOperation.upsert_points(points))
    shard.update(q.UpdateOperation.create_field_index("c", q.PayloadSchemaType.Integer))
    shard.optimize()
    shard.flush()

    def search(vectors: Any, only: bool = False, exact: bool = False, breadth: int = 128) -> list[list[int]]:
        kept = q.Filter(must=[q.FieldCondition(key="c", match=q.MatchValue(value=FILTER))]) if only else None
        settings = q.SearchParams(hnsw_ef=breadth, exact=exact)
        nearest = [q.Query.Nearest(one.tolist()) for one in vectors]
        asked = [q.QueryRequest(limit=K, query=one, filter=kept, params=settings) for one in nearest]
        return [[point.id for point in found] for found in shard.query_batch(q.QueryBatchRequest(asked))]

    return {
        "exact": lambda *given, **more: search(*given, exact=True, **more),
        "graph, ef 128": search,
        "graph, ef 512": lambda *given, **more: search(*given, breadth=512, **more),
    }


def _milvus(client: Any, table: Any, kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> Searches:
    """One collection for each kind of index: its name → its settings for building and for searching."""
    from pymilvus import DataType

    searches: Searches = {}
    for number, (name, (build, params)) in enumerate(kinds.items()):
        began, own = time.perf_counter(), f"t{number}"
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=table.shape[1])
        schema.add_field("c", DataType.INT64)
        index = client.prepare_index_params()
        index.add_index("vector", metric_type="IP", **build)
        client.create_collection(own, schema=schema)
        for start, part in blocks(table, 2_048):
            client.insert(own, [{"id": start + n, "vector": one, "c": (start + n) % 100} for n, one in enumerate(part)])
        client.flush(own)
        client.create_index(own, index)
        client.load_collection(own)
        print(f"  {name}: ready after {time.perf_counter() - began:.1f} s", file=sys.stderr)

        def search(vectors: Any, only: bool = False, own: str = own, params: Any = params) -> list[list[int]]:
            found = client.search(
                own,
                list(vectors),
                filter=f"c == {FILTER}" if only else "",
                limit=K,
                output_fields=["id"],
                search_params={"metric_type": "IP", "params": params},
            )
            return [[hit["id"] for hit in hits] for hits in found]

        searches[name] = search
    return searches


def milvus_lite(table: Any, folder: Path) -> Searches:
    from pymilvus import MilvusClient

    folder.mkdir(parents=True)
    kinds = {
        "exact": ({"index_type": "FLAT"}, {}),
        "graph, ef 128": ({"index_type": "HNSW", "params": {"M": 32, "efConstruction": 200}}, {"ef": 128}),
    }
    return _milvus(MilvusClient(str(folder / "own.db")), table, kinds)


def milvus_server(table: Any, folder: Path) -> Searches:
    from pymilvus import MilvusClient

    kinds = {
        "exact": ({"index_type": "FLAT"}, {}),
        "graph, ef 128": ({"index_type": "HNSW", "params": {"M": 32, "efConstruction": 200}}, {"ef": 128}),
    }
    return _milvus(MilvusClient(os.environ["MILVUS"]), table, kinds)


def lance(table: Any, folder: Path) -> Searches:
    import lancedb
    import pyarrow as pa

    flat = pa.list_(pa.float32(), table.shape[1])
    schema = pa.schema([("row", pa.int64()), ("c", pa.int64()), ("vector", flat)])

    def parts() -> Iterator[pa.RecordBatch]:
        for start, part in blocks(table, 8_192):
            rows = np.arange(start, start + len(part))
            yield pa.record_batch([rows, rows % 100, pa.FixedSizeListArray.from_arrays(part.ravel(), table.shape[1])], schema)

    store = lancedb.connect(str(folder))
    plain = store.create_table("plain", parts(), schema=schema)
    graph = store.create_table("graph", parts(), schema=schema)
    began = time.perf_counter()
    graph.create_index("dot", index_type="IVF_HNSW_SQ", num_partitions=1, m=32, ef_construction=200)
    print(f"  graph: {time.perf_counter() - began:.1f} s", file=sys.stderr)

    def search(vectors: Any, only: bool = False, own: Any = plain) -> list[list[int]]:
        made = []
        for one in vectors:
            asked = own.search(one, vector_column_name="vector").distance_type("dot").limit(K).select(["row"])
            asked = asked.where(f"c = {FILTER}", prefilter=True) if only else asked
            asked = asked.ef(128).refine_factor(4) if own is graph else asked
            made.append(asked.to_arrow()["row"].to_pylist())
        return made

    return {"exact": search, "graph, ef 128": lambda *given, **more: search(*given, own=graph, **more)}


ENGINES = {
    "qdrant_local": qdrant_local,
    "qdrant_edge": qdrant_edge,
    "milvus_lite": milvus_lite,
    "milvus_server": milvus_server,
    "lance": lance,
}


def recall(found: list[list[int]], truth: Any, k: int) -> float:
    return float(np.mean([len({*one[:k]} & {*right[:k].tolist()}) / k for one, right in zip(found, truth, strict=True)]))


def measure(engine: str, table: Any, queries: Any, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    whole = np.asarray(table, np.float32)
    products = queries @ whole.T  # (Q, N)
    truth = np.argsort(-products, axis=1, kind="stable")[:, :K]
    kept = np.arange(FILTER, len(table), 100)
    inside = kept[np.argsort(-products[:, kept], axis=1, kind="stable")[:, :K]]
    del whole, products
    before, began, used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
    searches = ENGINES[engine](table, folder)
    load, used = time.perf_counter() - began, time.process_time() - used
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6 if folder.exists() else 0
    print(
        json.dumps(
            {
                "engine": engine,
                "load_s": round(load, 1),
                "load_cpu_s": round(used, 1),
                "peak_more_mb": round(more),
                "disk_mb": round(disk),
            }
        )
    )
    for name, search in searches.items():
        times = []
        search(queries[:1])
        for one in queries[:SINGLE]:
            start = time.perf_counter()
            search(one[None])
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        found = [rows for first in range(0, len(queries), 64) for rows in search(queries[first : first + 64])]
        batch = (time.perf_counter() - start) / len(queries)
        start = time.perf_counter()
        filtered = [rows for first in range(0, len(queries), 64) for rows in search(queries[first : first + 64], True)]
        last = (time.perf_counter() - start) / len(queries)
        said = {
            "search": name,
            "recall@1": round(recall(found, truth, 1), 4),
            "recall@10": round(recall(found, truth, 10), 4),
            "filtered recall@10": round(recall(filtered, inside, 10), 4),
            "ms single p50": round(1e3 * float(np.median(times)), 2),
            "ms in batches": round(1e3 * batch, 2),
            "ms filtered": round(1e3 * last, 2),
        }
        print(json.dumps(said), flush=True)


def main() -> None:
    table_file, query_file, folder, step, *engines = sys.argv[1:]
    if len(engines) > 1:
        for engine in engines:
            subprocess.run([sys.executable, __file__, table_file, query_file, folder, step, engine])
        return
    table, queries = np.load(table_file, mmap_mode="r")[:: int(step)], np.load(query_file)
    chosen = np.random.default_rng(0).permutation(len(queries))[:256]
    measure(engines[0], table, queries[chosen].astype(np.float32), Path(folder) / engines[0])


if __name__ == "__main__":
    main()

"""How often an image tower alone finds the picture of the same entity in another rendering. See RESULTS.md."""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.multimodal.split import part_of
from elq.vision.encoding import View, encode_pictures
from elq.vision.opening import DEFAULT, open_tower
from elq.vision.store import FeatureStore


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def ranks(queries: torch.Tensor, among: torch.Tensor, gold: np.ndarray) -> np.ndarray:
    """The place of the gold picture among all by the cosine, from 0; an equal score counts as better."""
    scores = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(among, dim=1).T
    own = scores[torch.arange(len(gold)), torch.from_numpy(gold)]
    return ((scores >= own[:, None]).sum(1) - 1).numpy()


def show(kind: str, rendering: str, among: int, rank: np.ndarray) -> None:
    """Print a line of the table."""
    figures = f"{(rank < 1).mean():.3f} | {(rank < 5).mean():.3f} | {(1 / (rank + 1)).mean():.3f}"
    print(f"| {kind} | {rendering} | {among:,} | {len(rank):,} | {figures} |".replace("0.", "."), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=Path("runs/multimodal"))
    parser.add_argument("--tower", default=DEFAULT)
    parser.add_argument("--kinds", nargs="+", default=["flags", "logos", "collages"])
    parser.add_argument("--parts", nargs="+", default=["train", "dev", "test"], help="whose entities are asked for")
    parser.add_argument("--among-all", action="store_true", help="look among the pictures of all kinds, as in linking")
    given = parser.parse_args()
    torch.set_num_threads(1)
    tower = open_tower(given.tower)
    store = FeatureStore(given.data / f"features-{tower.identity[:8]}", tower)
    pictures = {
        record["id"]: View(given.data / record["images"][0])
        for record in lines(given.data / "catalogue.jsonl")
        if record["images"]
    }
    asked: dict[tuple[str, str], dict[tuple[str, str], View]] = defaultdict(dict)  # kind, rendering → (entity, picture) → view
    for path in sorted(given.data.glob("*_*.jsonl")):
        kind = path.stem.partition("_")[2]
        for question in lines(path) if kind in given.kinds else []:
            entity = question["entity"] if kind == "collages" else question["mentions"][0]["entity"]
            if "varied" not in question["rendering"]:
                view = View(given.data / question["image"], tuple(question["box"]) if "box" in question else None)
                name = f"boxed {question['of']}s" if kind == "collages" else kind
                asked[name, question["rendering"]][entity, question["image"]] = view
    print("| pictures | rendering | among | mentions | Hits@1 | Hits@5 | MRR |\n|---|---|---|---|---|---|---|")
    together: dict[str, list[tuple[int, np.ndarray]]] = defaultdict(list)
    for (kind, rendering), views in sorted(asked.items()):
        same = sorted({entity for (name, _), others in asked.items() if name == kind for entity, _ in others})
        among = [*pictures] if "boxed" in kind or given.among_all else same
        views = {key: view for key, view in views.items() if part_of(key[0]) in given.parts}
        place = {entity: number for number, entity in enumerate(among)}
        table = store.vectors(encode_pictures([pictures[entity] for entity in among], store)).whole
        found = store.vectors(encode_pictures([*views.values()], store)).whole
        rank = ranks(found, table, np.array([place[entity] for entity, _ in views]))
        show(kind, rendering, len(among), rank)
        together["boxed collages" if "boxed" in kind else kind].append((len(among), rank))
    for kind, parts in together.items():
        show(kind, "all", parts[0][0], np.concatenate([rank for _, rank in parts]))


if __name__ == "__main__":
    main()

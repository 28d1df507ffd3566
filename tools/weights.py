"""Packs the network of a run and the entity tower into elq/weights: ``python tools/weights.py runs/general/latest/model``."""

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

import torch
from safetensors.numpy import save_file

from elq.encoding.packed import pack, with_tower
from elq.encoding.pretrained import DEFAULT, GENERAL, WEIGHTS, load_tokenizer
from elq.encoding.transformer import Encoder
from elq.evaluation.evaluate import evaluate
from elq.files import replacing_folder, write_json
from elq.linking.decision import Decision
from elq.linking.general import STARTER
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.questions.annotated import read_questions

MEASURED = ("set_all_micro_f1", "strong_micro_f1", "main_entity_recall", "false_links_per_unmentioned_question")
MOST_BYTES = 40_000_000  # of the packed weights, since they are in the package


def main() -> None:
    """Write elq/weights anew; the model card README.md there is kept and must be corrected by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model folder of a run of experiment=general")
    parser.add_argument(
        "--decision", type=Path, help="decision.json that benchmarks/general/choose.py wrote (default: the model's own)"
    )
    parser.add_argument("--tower", default=DEFAULT, help="the encoder that made the entity table of the run")
    args = parser.parse_args()
    network, tower = ELQ.from_pretrained(args.model), Encoder.from_pretrained(args.tower)
    decision = Decision.load(args.decision.parent if args.decision else args.model)
    weights = with_tower(network.state_dict(), {f"encoder.{name}": value for name, value in tower.state_dict().items()})
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    with replacing_folder(WEIGHTS) as made:
        network.save_pretrained(made, load_tokenizer(args.model))
        save_file(pack(weights), made / "model.safetensors", metadata={"format": "pt"})
        decision.save(made)
        for name in ("README.md", "NOTICE"):
            if (WEIGHTS / name).is_file():
                (made / name).write_text((WEIGHTS / name).read_text(encoding="utf-8"), encoding="utf-8")
        (made / "model.safetensors").chmod(0o644)
        size = (made / "model.safetensors").stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(
                f"the packed weights have {size:,} bytes, but may have {MOST_BYTES:,}: train with model.frozen_words=true, and"
                f" give --tower {GENERAL} for a training that goes on from the weights in the package"
            )
        facts = {
            "command": "python train.py +experiment=general",
            "commit": commit,
            "torch": torch.__version__,
            "sha256": {
                file: hashlib.sha256((made / file).read_bytes()).hexdigest() for file in ("model.safetensors", "decision.json")
            },
        }
        write_json(made / "facts.json", facts)
    linker = Linker.from_pretrained(GENERAL)
    measured = evaluate(linker, read_questions(STARTER.parent / "test.jsonl", linker.entities.catalogue))
    facts["starter"] = {name: round(measured[name], 4) for name in MEASURED}
    write_json(WEIGHTS / "facts.json", facts)
    print(json.dumps(facts, indent=2), f"{size:,} bytes")


if __name__ == "__main__":
    main()

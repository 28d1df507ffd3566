"""The arrows between the rooms, and quick, quiet imports."""

import subprocess
import sys

import pytest

ORDER = [
    *(
        "errors",
        "types",
        "prior",
        "files",
        "calibration",
        "scoring",
        "words",
        "spelling",
        "names",
        "spans",
        "tokens",
        "texts",
        "table",
        "torch_files",
        "catalogue",
        "decoding",
        "dictionary",
        "graph",
        "index",
        "progress",
        "transfer",
        "download",
    ),
    *(
        "encoder",
        "windows",
        "model",
        "folder",
        "retriever",
        "linker",
        "questions",
        "predictions",
        "entity_encoder",
        "parts",
        "assembly",
        "build",
        "released",
        "importing",
        "blink",
        "frames",
        "bootstrap",
    ),
    *(
        "losses",
        "metrics",
        "reliability",
        "nil",
        "sweep",
        "released_metrics",
        "intervals",
        "evaluate",
        "comparison",
        "tune",
        "buckets",
        "slices",
        "curves",
        "plots",
        "report",
    ),
    *("batches", "data", "schedule", "module", "export", "cli"),
]


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_inference_side_imports_no_training_library():
    assert not loaded_after("import elq.linker, elq.commands.predict") & {"lightning", "hydra", "jsonargparse", "torchmetrics"}


def test_importing_elq_is_light():
    assert not loaded_after("import elq, elq.commands") & {"torch", "transformers", "numpy", "lightning", "hydra", "datasets"}


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_before_it(room):
    rooms = {name.removeprefix("elq.") for name in loaded_after(f"import elq.{room}") if name.startswith("elq.")}
    assert rooms <= set(ORDER[: ORDER.index(room) + 1])

"""The arrows between the rooms, and quick, quiet imports."""

import subprocess
import sys

import pytest

ORDER = [
    *(
        "errors",
        "types",
        "entities.prior",
        "files",
        "linking.calibration",
        "linking.scoring",
        "names.words",
        "names.spelling",
        "names.lookup",
        "model.spans",
        "encoding.tokens",
        "entities.texts",
        "search.table",
        "released.torch_files",
        "entities.catalogue",
        "linking.decoding",
        "names.dictionary",
        "search.faiss_files",
        "search.index",
        "progress",
        "released.transfer",
        "released.download",
    ),
    *(
        "encoding.transformer",
        "encoding.windows",
        "model.network",
        "linking.folder",
        "linking.retriever",
        "linking.linker",
        "questions.annotated",
        "questions.predicted",
        "encoding.entity_texts",
        "entities.parts",
        "entities.assembly",
        "entities.build",
        "released.formats",
        "released.importing",
        "released.exporting",
        "questions.frames",
        "questions.templates",
    ),
    *(
        "training.losses",
        "evaluation.counting",
        "evaluation.reliability",
        "evaluation.nil",
        "evaluation.sweep",
        "evaluation.released_counting",
        "evaluation.intervals",
        "evaluation.evaluate",
        "evaluation.comparison",
        "evaluation.tune",
        "report.buckets",
        "report.slices",
        "report.curves",
        "report.plots",
        "report.page",
    ),
    *("training.batches", "training.data", "training.schedule", "training.module", "training.export", "training.parser"),
]
PACKAGES = {name.partition(".")[0] for name in ORDER if "." in name}


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_inference_side_imports_no_training_library():
    assert not loaded_after("import elq.linking.linker, elq.commands.predict") & {
        "lightning",
        "hydra",
        "jsonargparse",
        "torchmetrics",
    }


def test_importing_elq_is_light():
    assert not loaded_after("import elq, elq.commands") & {"torch", "transformers", "numpy", "lightning", "hydra", "datasets"}


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_before_it(room):
    rooms = {name.removeprefix("elq.") for name in loaded_after(f"import elq.{room}") if name.startswith("elq.")} - PACKAGES
    assert rooms <= set(ORDER[: ORDER.index(room) + 1])

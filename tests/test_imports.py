"""Imports run in one direction between the packages, and what a user imports first is quick and quiet."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import elq

PACKAGE = Path(elq.__file__).parent
LEVELS = (  # the lowest first; what stands on one level does not import what stands beside it
    ("types", "errors", "progress", "collector", "freed"),
    ("tensors", "files", "configuration", "cache", "reading", "threads", "links"),
    ("beside",),
    ("search", "encoding", "transfer", "vision"),
    ("names", "downloads"),
    ("entities",),
    ("model",),
    ("linking", "questions", "sources", "checking", "exchange"),
    ("evaluation",),
    ("report", "training", "released", "public", "hub", "bulk", "integrations", "emerging"),
    ("disambiguation",),
    ("multimodal",),
    ("serving",),
    ("commands",),
    ("cli", "__main__", "__init__"),
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}
MODULES = sorted(path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules below elq that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        yield from (name.removeprefix("elq.") for name in names if name.startswith("elq."))


def wrong_imports(part: str, source: str) -> list[str]:
    """What a module of a part of elq imports from a part that does not stand below its own."""
    parts = {name.partition(".")[0] for name in imported(ast.parse(source))} - {part, "__version__"}
    return sorted(other for other in parts if LEVEL_OF[other] >= LEVEL_OF[part])


def test_every_part_has_a_level():
    assert {module.parts[0] for module in MODULES} <= set(LEVEL_OF)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_from_below_its_package(module):
    source = (PACKAGE / module).with_suffix(".py").read_text(encoding="utf-8")
    assert wrong_imports(module.parts[0], source) == []


def test_an_import_upwards_or_sideways_is_seen():
    upwards = "def late():\n    from elq.linking.linker import Linker\n    import elq.names.words\n"
    assert wrong_imports("names", upwards) == ["linking"]
    assert wrong_imports("search", upwards) == ["linking", "names"]
    assert wrong_imports("evaluation", upwards) == []


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


# What takes long to import, each 50 ms to 3 s. Only linking needs some of them.
SLOW = {
    *("torch", "transformers", "numpy", "pyarrow", "tokenizers", "safetensors", "faiss", "marisa_trie", "rapidfuzz"),
    *("networkx", "sympy", "rich", "yaml", "huggingface_hub", "pandas", "datasets", "spacy", "ray", "rdflib"),
    *("lightning", "hydra", "omegaconf", "jsonargparse", "torchmetrics", "matplotlib", "jinja2"),
    *("fastapi", "starlette", "pydantic", "uvicorn", "asyncio", "multiprocessing", "importlib.metadata"),
}
# Of these, what linking a question does not need, and parts of torch that are imported only by what uses them.
NOT_FOR_LINKING = (SLOW - {"torch", "numpy", "pyarrow", "tokenizers", "safetensors", "marisa_trie", "rapidfuzz"}) | {
    *("torch._dynamo", "torch._inductor", "torch.distributed.tensor", "torch.fx.experimental.symbolic_shapes"),
    *("torch.onnx", "torch.utils.tensorboard", "sklearn", "scipy", "accelerate"),
}
NOT_FOR_LINKING -= {"asyncio", "multiprocessing", "importlib.metadata"}  # torch imports them
# The texts of these commands list what only the libraries know: the settings of Lightning, and the kinds of index.
LONG_HELP = {"train", "fit", "validate", "test", "build"}


def test_the_help_of_elq_and_of_its_commands_imports_nothing_slow():
    code = f"""
import contextlib, io, sys
slow = {SLOW!r}
def look(what):
    if loaded := slow & set(sys.modules):
        sys.exit(f"{{what}} imports {{sorted(loaded)}}")
import elq
look("import elq")
from elq.commands import COMMANDS, main, run
look("elq")
for arguments in (["--help"], ["--version"], *([name, "--help"] for name in COMMANDS if name not in {LONG_HELP!r})):
    said, sys.argv = io.StringIO(), ["elq", *arguments]
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main()
    assert said.getvalue(), arguments
    look(f"elq {{' '.join(arguments)}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("options", [["--model", "tests/data/format4/model"], []], ids=["folder", "starter"])
def test_a_prediction_imports_only_what_linking_needs(options, tmp_path):
    code = f"""
import sys
from elq.commands import run
code = run("predict", [*sys.argv[1:], "who directed titanic?"])
print(code, sorted({NOT_FOR_LINKING!r} & set(sys.modules)))
"""
    root = PACKAGE.parent
    command = [sys.executable, "-c", code, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_linking_imports_no_training_library():
    training = {"lightning", "hydra", "jsonargparse", "torchmetrics"}
    assert not loaded_after("import elq.linking.linker, elq.commands.predict") & training


def test_importing_elq_is_light():
    assert not loaded_after("import elq, elq.commands") & {"torch", "transformers", "numpy", "lightning", "hydra", "datasets"}


def test_records_and_catalogues_need_no_torch():
    reading = "from elq import Candidate, ElqError, Entity, Link, Mention, Question\n"
    reading += "from elq.entities.catalogue import Catalogue\nfrom elq.entities.catalogue_files import read_entities"
    assert not loaded_after(reading) & {"torch", "transformers", "datasets", "pandas"}


def test_linking_a_question_imports_no_pandas():
    folder = Path(__file__).parent / "data" / "format4" / "model"
    linking = (
        f"from elq import Linker\nassert Linker.from_pretrained({str(folder)!r}).link('who directed titanic?', threshold=-9.0)"
    )
    assert not loaded_after(linking) & {"pandas", "datasets", "lightning", "torchmetrics"}


def test_every_public_name_is_there():
    assert all(getattr(elq, name) is not None for name in elq.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        elq.nothing  # noqa: B018

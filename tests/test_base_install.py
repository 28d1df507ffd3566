"""What a base install lacks is imported only where it is used: each case runs where nothing else can be found."""

import json
import os
import subprocess
import sys

import pytest

from tests.test_packaging import PROJECT, ROOT

OPTIONAL = (
    *("lightning", "pytorch_lightning", "hydra", "omegaconf", "jsonargparse", "torchmetrics", "datasets"),
    *("matplotlib", "jinja2"),
    *("orjson", "rapidgzip", "pyoxigraph", "openpyxl"),
    *("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", "opentelemetry"),
    *("pandas", "spacy"),
    "rdflib",
    "ray",
    *("pymilvus", "grpc", "onnx", "onnxruntime", "openvino"),
    "sklearn",
    "PIL",
    "scipy",
)

TRAINED = ("data", "export", "module", "parser")  # of elq/disambiguation: what is used in trainings only

# The start of a process in which only the base dependencies, and what those depend on, can be imported or found. What an extra
# names is out of reach even where a base dependency brings it, as torch brings jinja2 today.
BASE_ONLY = """
import importlib.metadata as metadata, json, re, sys
from importlib.machinery import PathFinder

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

def closure(requirements):
    from packaging.requirements import Requirement
    kept, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        keys = {(normal(requirement.name), extra) for extra in ("", *requirement.extras)} - kept
        if not keys or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        kept |= keys
        try:
            further = metadata.requires(requirement.name) or []
        except metadata.PackageNotFoundError:
            continue
        for inner in map(Requirement, further):
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                inner.marker = None
                waiting.append(inner)
    return {name for name, _ in kept}

required, optional = json.loads(sys.argv.pop(1)), json.loads(sys.argv.pop(1))
allowed = closure(required) | {"elq"}
refused = set(optional) | {
    module
    for module, distributions in metadata.packages_distributions().items()
    if not {normal(name) for name in distributions} & allowed
}

class BaseOnly(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname.partition(".")[0] in refused else super().find_spec(fullname, path, target)

loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & set(optional), loaded & set(optional)
refused -= loaded  # what a start of Python loads, such as the measuring of coverage
sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder] + [BaseOnly]
"""


def on_a_base_install(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where nothing but the base dependencies can be imported."""
    lists = [json.dumps(PROJECT["dependencies"]), json.dumps(OPTIONAL)]
    command = [sys.executable, "-c", BASE_ONLY + code, *lists, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def command_on_a_base_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return on_a_base_install("from elq.commands import main\nsys.argv[0] = 'elq'\nmain()", *arguments)


@pytest.fixture(scope="module")
def missing() -> dict[str, str]:
    """Module of elq → the library for whose absence it cannot be imported on a base install."""
    left_out = (
        "elq.training",
        "elq.multimodal.tower",
        "elq.multimodal.training",
        "elq.commands.train",
        "elq.configuration.overrides",
        "elq.report.plots",
        "elq.report.page",
    )
    left_out += tuple(f"elq.disambiguation.{start}{name}" for start in ("", "cross_") for name in TRAINED)
    files = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / "elq").rglob("*.py"))]
    names = [".".join(path.parts).removesuffix(".__init__") for path in files if path.name != "__main__"]
    names = [name for name in names if not name.startswith(left_out)]
    assert len(names) > 50
    code = """
import importlib
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        found[name] = error.name.partition(".")[0]
print(json.dumps(found))
"""
    done = on_a_base_install(code, *names)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_base_install_lacks_what_the_extras_bring():
    code = """
from importlib.util import find_spec
print(json.dumps([name for name in sys.argv[1:] if find_spec(name)]))
"""
    assert json.loads(on_a_base_install(code, *OPTIONAL, "torch", "networkx", "yaml").stdout) == ["torch", "networkx", "yaml"]


@pytest.mark.parametrize(
    "library",
    [
        "lightning",
        "hydra",
        "omegaconf",
        "jsonargparse",
        "torchmetrics",
        "datasets",
        "matplotlib",
        "jinja2",
        "rapidgzip",
        "rdflib",
        "ray",
        "pymilvus",
        "onnxruntime",
        "openvino",
    ],
)
def test_no_module_of_the_base_imports_what_an_extra_brings(missing, library):
    assert [module for module, lacks in missing.items() if lacks == library] == []


def test_no_module_of_the_base_imports_anything_else_that_a_base_install_lacks(missing):
    assert {module: lacks for module, lacks in missing.items() if lacks not in OPTIONAL} == {}


@pytest.mark.parametrize("command", ["predict", "build", "info", "compare", "catalogue"])
def test_the_help_of_a_command_needs_no_extra(command):
    done = command_on_a_base_install(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"elq {command}" in done.stdout


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_an_entities_folder_is_built_without_any_extra(encoder_folder, tmp_path, suffix):
    file = tmp_path / f"catalogue.{suffix}"
    file.write_text({"jsonl": '{"id": "Q90", "title": "Paris"}\n', "csv": "id,title\nQ90,Paris\n"}[suffix])
    options = ["--catalogue", str(file), "--output", str(tmp_path / "entities"), "--encoder", str(encoder_folder)]
    done = command_on_a_base_install("build", *options, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "entities" / "table.npy").is_file()


def test_a_dump_names_the_extra_that_it_needs(tmp_path):
    (tmp_path / "d.json").write_text('[\n{"id": "Q64", "labels": {"en": {"language": "en", "value": "Berlin"}}}\n]\n')
    done = command_on_a_base_install("catalogue", str(tmp_path / "d.json"), "--output", str(tmp_path / "c.parquet"))
    assert done.returncode == 2
    assert "this command needs orjson, which is not installed: pip install 'elq[sources]'" in done.stderr


@pytest.mark.parametrize("command", ["train", "fit"])
def test_a_training_command_names_the_extra_that_it_needs(command):
    done = command_on_a_base_install(command, "+experiment=starter")
    assert done.returncode == 2
    assert "elq[train]" in done.stderr


@pytest.mark.parametrize(
    ("library", "name", "content"),
    [
        ("pyoxigraph", "a.ttl", '<http://a> <http://www.w3.org/2000/01/rdf-schema#label> "a" .'),
        ("openpyxl", "a.xlsx", "PK"),
    ],
)
def test_a_source_names_the_extra_that_it_needs(tmp_path, library, name, content):
    (tmp_path / name).write_text(content)
    done = command_on_a_base_install("catalogue", str(tmp_path / name), "--output", str(tmp_path / "c.parquet"))
    assert done.returncode == 2
    assert f"this command needs {library}, which is not installed: pip install 'elq[sources]'" in done.stderr

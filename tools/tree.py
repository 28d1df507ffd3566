"""Write what is where into README.md and CONTRIBUTING.md, from the first lines of the docstrings: ``make tree``.

README.md gets one line for each package, and CONTRIBUTING.md one line for each module. Both stand between two comments, and
everything outside them stays as it is.
"""

import argparse
import ast
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 128  # of a line
BEGIN, END = "<!-- tree: written by `make tree` -->", "<!-- end of tree -->"
# The flow of a question, then what is made beforehand, training, measuring, the released format and the commands.
PACKAGES = (
    *("encoding", "vision", "model", "search", "names", "linking", "reading", "entities", "questions", "sources"),
    *("checking", "configuration", "training", "disambiguation", "multimodal", "evaluation", "report", "emerging"),
    *("released", "public", "exchange", "hub", "integrations", "bulk", "serving", "commands"),
)
ABOVE = {
    "train.py, predict.py": "in a clone, the same as `elq train` and `elq predict`",
    "conf/": "the settings of every experiment: YAML files with values only",
    "elq/": "the package",
}
BELOW = {
    "docs/": "the pages, and a job for a SLURM cluster",
    "deploy/": "`elq serve` in a container, with Prometheus and Grafana, on systemd and on Kubernetes",
    "tests/": "the same packages as in elq/, and the pages' commands; soak/ has longer trials",
    "benchmarks/": "RESULTS.md has every figure with its command; timings",
    "tools/": "scripts for people who change elq",
}
STARTER = "the starter: a catalogue of famous entities, and annotated questions"
WEIGHTS = "the general model: packed weights, and a model card"


def purpose(module: Path) -> str:
    """What a module or package is for: the first sentence of its docstring's first line, without a name that says nothing new.

    Raises:
        SystemExit: the module has no docstring.
    """
    words = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not words:
        raise SystemExit(f"{module} has no docstring: write one, its first line says what the module is for")
    line = re.split(r"\.(?:\s|$)", words, maxsplit=1)[0].partition("\n")[0].replace("``", "`")
    name, colon, rest = line.partition(": ")
    own = module.parent.name if module.name == "__init__.py" else module.stem
    line = rest if colon and name.lower().removeprefix("the ") == own.replace("_", " ") else line
    return line[:1].upper() + line[1:]


def modules(folder: Path) -> list[Path]:
    """The modules of a package in alphabetical order, without those that only start it."""
    return sorted(path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def packages(package: Path) -> list[Path]:
    """The packages below elq/, in the order in which one reads them.

    Raises:
        SystemExit: a package is there that has no place in the order, or one is gone.
    """
    found = {path.parent.name for path in package.glob("*/__init__.py")}
    if odd := found ^ set(PACKAGES):
        raise SystemExit(f"{', '.join(sorted(odd))}: in elq/ or in PACKAGES of tools/tree.py, but not in both: change PACKAGES")
    return [package / name for name in PACKAGES]


def lines_of(entries: dict[str, str], indent: str = "", room: int = 0) -> list[str]:
    """A line for each name and what it is; a text that is too long for the line is cut behind a word."""
    room = max([room, *map(len, entries)]) + 2
    cut = {name: textwrap.shorten(words, WIDTH - room - len(indent), placeholder=" …") for name, words in entries.items()}
    return [indent + name.ljust(room) + words for name, words in cut.items()]


def short_tree(root: Path) -> list[str]:
    """Every package with its purpose."""
    lines = lines_of(ABOVE, room=20)
    for folder in packages(root / "elq"):
        lines += lines_of({f"{folder.name}/": purpose(folder / "__init__.py")}, "  ", room=18)
    lines += lines_of({"starter/": STARTER, "weights/": WEIGHTS}, "  ", room=18)
    lines += lines_of({"modules of elq": ", ".join(path.stem for path in modules(root / "elq"))}, "  ", room=18)
    return lines + lines_of(BELOW, room=20)


def full_tree(root: Path) -> list[str]:
    """Every module of elq/ with its purpose."""
    lines = lines_of({path.name: purpose(path) for path in modules(root / "elq")}, room=22)
    for folder in packages(root / "elq"):
        lines += lines_of({f"{folder.name}/": purpose(folder / "__init__.py")}, room=22)
        lines += lines_of({path.name: purpose(path) for path in modules(folder)}, "  ", room=20)
        for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
            lines += lines_of({f"{inner.name}/": purpose(inner / "__init__.py")}, "  ", room=20)
            lines += lines_of({path.name: purpose(path) for path in modules(inner)}, "    ", room=18)
    return lines


PAGES: dict[str, Callable[[Path], list[str]]] = {"README.md": short_tree, "CONTRIBUTING.md": full_tree}


def with_tree(page: str, lines: list[str]) -> str:
    """The text of a page with these lines between its two comments.

    Raises:
        SystemExit: the page does not have both comments, once each.
    """
    text = "\n".join((BEGIN, "", "```text", *lines, "```", "", END))
    changed, times = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: text, page, flags=re.DOTALL)
    if times != 1:
        raise SystemExit(f"a page has {times} places for the tree, but must have 1, between {BEGIN} and {END}")
    return changed


def main() -> None:
    """Write the trees."""
    argparse.ArgumentParser(prog="tools/tree.py", description=__doc__.partition("\n")[0]).parse_args()
    for name, tree in PAGES.items():
        page = ROOT / name
        page.write_text(with_tree(page.read_text(encoding="utf-8"), tree(ROOT)), encoding="utf-8")


if __name__ == "__main__":
    main()

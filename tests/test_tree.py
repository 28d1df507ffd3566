"""What is where in README.md and CONTRIBUTING.md is what the docstrings say."""

from pathlib import Path

import pytest

from tools import tree

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", tree.PAGES)
def test_the_page_is_current(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    assert page == tree.with_tree(page, tree.PAGES[name](ROOT)), f"the tree in {name} is old: run `make tree`"


@pytest.mark.parametrize("name", tree.PAGES)
def test_lines_are_short_and_every_package_or_module_is_there(name):
    lines = tree.PAGES[name](ROOT)
    assert max(map(len, lines)) <= tree.WIDTH
    text = "\n".join(lines)
    parts = tree.PACKAGES if name == "README.md" else [path.stem for path in (ROOT / "elq").rglob("*.py")]
    assert [part for part in parts if not part.startswith("__") and part not in text] == []


def test_a_new_docstring_changes_the_tree(tmp_path):
    for name in tree.PACKAGES:
        folder = tmp_path / "elq" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "elq" / "model" / "spans.py").write_text('"""Spans: ' + "word " * 40 + '. Another.\n\nMore.\n"""\n')
    (tmp_path / "elq" / "types.py").write_text('"""Records."""\n')
    line = next(line for line in tree.full_tree(tmp_path) if "spans.py" in line)
    assert line.startswith("  spans.py              Word word")
    assert line.endswith("word …")
    assert len(line) <= tree.WIDTH
    (tmp_path / "elq" / "model" / "units").mkdir()
    (tmp_path / "elq" / "model" / "units" / "__init__.py").write_text('"""Units."""\n')
    (tmp_path / "elq" / "model" / "units" / "plain.py").write_text('"""A plain unit."""\n')
    lines = tree.full_tree(tmp_path)
    place = next(number for number, line in enumerate(lines) if line.split() == ["units/", "Units"])
    assert lines[place + 1].split() == ["plain.py", "A", "plain", "unit"]
    (tmp_path / "elq" / "other").mkdir()
    (tmp_path / "elq" / "other" / "__init__.py").write_text('"""Another."""\n')
    with pytest.raises(SystemExit, match="other: in elq/ or in PACKAGES"):
        tree.full_tree(tmp_path)


def test_a_page_without_the_two_comments_is_refused():
    with pytest.raises(SystemExit, match="0 places"):
        tree.with_tree("# A page\n", ["a line"])

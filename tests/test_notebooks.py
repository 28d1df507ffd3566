"""The notebooks run from top to bottom in an empty folder, and print what they show."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LINES = 15  # of the output of a cell


def printed(cell: nbformat.NotebookNode) -> str:
    """What a cell prints on standard output."""
    return "".join(output["text"] for output in cell.outputs if output.get("name") == "stdout")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_short_and_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}  # nothing about the machine on which it ran
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}
        assert all(output.output_type != "error" and output.get("name") != "stderr" for output in cell.outputs)
        assert len(printed(cell).splitlines()) <= LINES
        assert all(len(line) < 140 for line in cell.source.splitlines())
    assert str(ROOT.parent) not in json.dumps(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom_and_prints_its_links(path, tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the kernel starts in an empty folder
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "work").mkdir()
    shown, run = (nbformat.read(path, as_version=4) for _ in range(2))
    [install] = [cell for cell in run.cells if "install" in cell.metadata.get("tags", [])]
    assert install.source.startswith("%pip install")
    install.source = ""  # elq is here already
    place = {"metadata": {"path": str(tmp_path / "work")}}
    NotebookClient(run, timeout=120, kernel_name="python3", coalesce_streams=True, resources=place).execute()
    compared = [(a, b) for a, b in zip(shown.cells, run.cells, strict=True) if "links" in a.metadata.get("tags", [])]
    assert len(compared) > 5
    for expected, found in compared:
        assert printed(found) == printed(expected) != "", expected.source

"""A command whose libraries are not installed names the extra that installs them."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
from elq.commands import run
sys.exit(run(sys.argv[2], sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("hydra", ["train", "experiment=starter"]),
        ("lightning", ["train", "experiment=starter"]),
        ("lightning", ["fit", "--config", "config.yaml"]),
        ("jsonargparse", ["test", "--help"]),
    ],
)
def test_a_missing_extra_is_one_sentence(module, command, tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT, module, *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1:] == [
        f"elq: this command needs {module}, which is not installed: pip install 'elq[train]'"
    ]
    assert "Traceback" not in done.stderr


def test_another_missing_module_is_not_hidden(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT, "yaml", "train"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "No module named 'yaml" in done.stderr

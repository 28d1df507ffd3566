"""Provenance: with which version of elq, from which git commit and with which experiment a model is trained."""

import subprocess
from pathlib import Path

import elq

ROOT = Path(__file__).resolve().parents[2]  # the checkout, if elq runs from one
CODE = ("elq", "conf", "train.py")


def made_with() -> dict[str, str | None]:
    """The version of elq, the git commit of its checkout and the experiment of the running training; None: unknown."""
    return {"elq": elq.__version__, "commit": commit_of(ROOT), "experiment": experiment()}


def commit_of(folder: Path) -> str | None:
    """The git commit of a checkout, with ``+changes`` if its code differs from it; None: the folder is no checkout."""
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", *CODE)
    except (OSError, subprocess.SubprocessError):
        return None  # there is no git, or no commit yet
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def experiment() -> str | None:
    """The experiment that `elq train` was given; None: there is none, or the training was started in another way."""
    from hydra.core.hydra_config import HydraConfig

    chosen = HydraConfig.get().runtime.choices.get("experiment") if HydraConfig.initialized() else None
    return None if chosen is None else str(chosen)

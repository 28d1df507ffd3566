"""Entity linking for questions: one encoder pass finds the mentions and links them to a catalogue."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elq.errors import ElqError
    from elq.linking.linker import Linker
    from elq.types import Candidate, Link, Question

__version__ = "0.1.0"
__all__ = ["Candidate", "ElqError", "Link", "Linker", "Question", "__version__"]

_HOME = {
    "Linker": "elq.linking.linker",
    "ElqError": "elq.errors",
    "Candidate": "elq.types",
    "Link": "elq.types",
    "Question": "elq.types",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import elq`` stays quick and quiet."""
    if name not in _HOME:
        raise AttributeError(f"module 'elq' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)

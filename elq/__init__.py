"""Entity linking for questions: one encoder pass finds the mentions and links them to a catalogue."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elq.disambiguation.disambiguator import Disambiguator
    from elq.entities.build import build_entities
    from elq.errors import ElqError
    from elq.evaluation.evaluate import evaluate
    from elq.hub.push import push_to_hub
    from elq.linking.linker import Linker
    from elq.links import LinkedQuestions, Links
    from elq.multimodal.disambiguator import MultimodalDisambiguator
    from elq.threads import set_threads
    from elq.types import Candidate, Entity, Link, Mention, Question

__version__ = "0.1.0"
_MODULES = {
    "Candidate": "elq.types",
    "Disambiguator": "elq.disambiguation.disambiguator",
    "ElqError": "elq.errors",
    "Entity": "elq.types",
    "Link": "elq.types",
    "LinkedQuestions": "elq.links",
    "Linker": "elq.linking.linker",
    "Links": "elq.links",
    "Mention": "elq.types",
    "MultimodalDisambiguator": "elq.multimodal.disambiguator",
    "Question": "elq.types",
    "build_entities": "elq.entities.build",
    "evaluate": "elq.evaluation.evaluate",
    "push_to_hub": "elq.hub.push",
    "set_threads": "elq.threads",
}
__all__ = [
    "Candidate",
    "Disambiguator",
    "ElqError",
    "Entity",
    "Link",
    "LinkedQuestions",
    "Linker",
    "Links",
    "Mention",
    "MultimodalDisambiguator",
    "Question",
    "__version__",
    "build_entities",
    "evaluate",
    "push_to_hub",
    "set_threads",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import elq`` is quick and quiet."""
    if name not in _MODULES:
        raise AttributeError(f"module 'elq' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)

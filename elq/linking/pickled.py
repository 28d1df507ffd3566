"""Pickled linkers: what a pickle of a linker holds, and how another process opens the linker again."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from elq.encoding.computing import Computing
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import MANIFEST, open_entities
from elq.errors import ElqError
from elq.linking.balance import Balance
from elq.linking.calls import Calls
from elq.linking.exports import open_network
from elq.linking.folder import MODEL_FILES
from elq.linking.retriever import Retriever

if TYPE_CHECKING:
    from elq.linking.linker import Linker

SETTINGS = ("threshold", "mention_threshold", "candidates", "batch_size", "calibration", "balance", "concepts")


class Pickled(Calls):
    """The part of :class:`elq.linking.linker.Linker` that makes it picklable. A pickle holds paths and settings, no weights."""

    type_score_weight: float
    balance: Balance
    folders: tuple[Path, Path] | None = None  # the model folder and the entities folder; None: it was made of parts in memory

    def opened_from(self, model: Path | None) -> Self:
        """Note the model folder from which this linker was opened, and return the linker."""
        self.folders = None if model is None else (model.resolve(), self.entities.folder.resolve())
        return self

    def __copy__(self) -> Self:
        made = object.__new__(type(self))  # the same network and entities
        made.__dict__.update(self.__dict__)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folders is None:
            raise ElqError(
                "the linker was made of parts in memory, so it cannot be pickled: open a model folder with"
                " Linker.from_pretrained, or a catalogue with Linker.from_catalogue"
            )
        settings = {name: getattr(self, name) for name in SETTINGS}
        settings |= {"score_mode": self.scorer.score_mode, "max_mentions": self.scorer.max_mentions}
        settings |= {"reranker": self.scorer.reranker, "type_score_weight": self.type_score_weight}
        encoder = self.scorer.model.encoder
        computing = Computing(str(self.scorer.device), encoder.backend, encoder.dtype)
        return reopened, (type(self), *map(str, self.folders), computing, settings)


def reopened(kind: type["Linker"], model: str, entities: str, computing: Computing, settings: Mapping[str, Any]) -> "Linker":
    """Open the linker of a pickle. Linkers of the same folders share one network and one catalogue in a process.

    Args:
        kind: the class of the linker.
        model: the model folder, whose network and tokenizer are read.
        entities: the entities folder.
        computing: the device, the backend and the number format of the encoder.
        settings: the further arguments of the constructor.

    Raises:
        ElqError: a folder is not there any more, or cannot be opened.
    """
    needed = [Path(model) / name for name in MODEL_FILES] + [Path(entities) / MANIFEST]
    if gone := next((file.parent for file in needed if not file.is_file()), None):
        raise ElqError(
            f"the linker was pickled when its files were in {gone}, but they are not there now: open it again, with"
            " Linker.from_pretrained or Linker.from_catalogue"
        )
    versions = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in needed)
    tokenizer, retriever = _opened(model, entities, computing, versions)
    dictionary = retriever.dictionary
    return kind(retriever.model, tokenizer, retriever.entities, dictionary=dictionary, **settings).opened_from(Path(model))


@lru_cache(maxsize=1)  # a pool sends the linker with every task, and a large catalogue takes seconds to open
def _opened(
    model: str, entities: str, computing: Computing, versions: tuple[tuple[int, int], ...]
) -> tuple[QuestionTokenizer, Retriever]:
    """Open what linkers share. ``versions`` are the times and sizes of the files: a changed folder is opened again."""
    return load_tokenizer(model), Retriever(open_network(Path(model), computing), open_entities(entities))

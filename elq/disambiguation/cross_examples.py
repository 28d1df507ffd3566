"""Training examples of a cross-encoder: annotated mentions with the candidates that a first stage finds for them.

They are written into a folder, one line for each text, so that they are made only once, and a killed run goes on.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from elq.encoding.pretrained import GENERAL
from elq.entities.manifest import Entities
from elq.errors import ElqError
from elq.files import continuing, digest_of
from elq.linking.linker import Linker
from elq.model.cross_config import FirstStage
from elq.progress import track
from elq.types import Link, Question

log = logging.getLogger(__name__)

CHUNK = 256  # texts whose candidates are found and written together


class FindsCandidates(Protocol):
    """What a cross-encoder works behind: a linker or a bi-encoder, which find candidates for given mentions."""

    entities: Entities

    def link(self, texts: Sequence[str], *, mentions: Any, candidates: int) -> Sequence[Sequence[Link]]:
        """One link for each given mention, with its candidates."""
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """An annotated mention with the candidates of the first stage."""

    text: str
    start: int
    end: int
    gold: str
    candidates: tuple[str, ...]  # ids, best first
    log_probs: tuple[float, ...]  # log p(entity | mention) of each

    @property
    def target(self) -> int:
        """The place of the gold entity among the candidates, from 0; −1 if it is not there."""
        return self.candidates.index(self.gold) if self.gold in self.candidates else -1


def within(example: Example, margin: float | None) -> Example:
    """An example with only those candidates whose log p is not lower than that of the best one by more than the margin.

    >>> within(Example("paris", 0, 5, "Q90", ("Q90", "Q8"), (-0.1, -7.0)), 5.0).candidates
    ('Q90',)
    """
    if margin is None or not example.candidates:
        return example
    kept = [place for place, log_prob in enumerate(example.log_probs) if log_prob >= max(example.log_probs) - margin]
    return replace(
        example,
        candidates=tuple(example.candidates[place] for place in kept),
        log_probs=tuple(example.log_probs[place] for place in kept),
    )


def kind_of(folder: str | Path) -> str:
    """The kind of a first stage, ``linker`` or ``biencoder``, by its config.json.

    Raises:
        ElqError: the folder is a cross-encoder, or has no config.json.
    """
    if str(folder) == GENERAL:
        return "linker"
    try:
        values = json.loads((Path(folder).expanduser() / "config.json").read_text(encoding="utf-8"))
        kind = str(values.get("kind", "linker"))
    except (OSError, ValueError, AttributeError) as error:
        raise ElqError(
            f"data.behind is {folder}, but its config.json cannot be read ({error}): give the model folder of a linker or of a"
            " bi-encoder, such as runs/webqsp/latest/model"
        ) from None
    if kind not in ("linker", "biencoder"):
        raise ElqError(f"data.behind is {folder}, of the kind {kind}: give the model folder of a linker or of a bi-encoder")
    return kind


def open_first_stage(folder: str | Path, catalogue: str | None = None) -> FindsCandidates:
    """Open what a cross-encoder is trained behind.

    Args:
        folder: the model folder of a linker or of a bi-encoder, or ``elq/general``.
        catalogue: a catalogue file; a linker then links over it, and not over its own entities.
    """
    if kind_of(folder) == "biencoder":
        from elq.disambiguation.disambiguator import Disambiguator

        if catalogue is not None:
            raise ElqError(f"data.catalogue is {catalogue}, but a bi-encoder has its own entities: leave out data.catalogue")
        first: FindsCandidates = Disambiguator.from_pretrained(folder)
        return first
    return Linker.from_pretrained(folder) if catalogue is None else Linker.from_catalogue(catalogue, model=folder)


def find_examples(
    first: FindsCandidates, questions: Sequence[Question], candidates: int, folder: Path, name: str, key: str
) -> list[Example]:
    """The annotated mentions of questions, with their candidates. Mentions without a gold entity in the catalogue are left out.

    Args:
        first: finds the candidates.
        questions: annotated questions.
        candidates: K.
        folder: where the candidates are kept.
        name: what the questions are, for the name of the file and the progress bar.
        key: a text that differs where the first stage or the questions differ.
    """
    known = _known(first, questions)
    chosen = json.dumps([key, candidates, [[q.text, [(m.start, m.end, m.entity) for m in q.mentions]] for q in known]])
    digest = digest_of([], chosen)[:16]
    file = folder / f"{name}-{digest}.jsonl"
    if not file.is_file():
        log.info("finding %d candidates of each mention of %s, which are kept in %s", candidates, name, file)
        with continuing(file, {"made_from": digest}, CHUNK) as (stream, done):
            left = iter(known[done:])
            with_progress = track(iter(lambda: list(islice(left, CHUNK)), []), f"candidates of {name}", -(-len(known) // CHUNK))
            for chunk in with_progress:
                stream.writelines(json.dumps(line) + "\n" for line in _found(first, chunk, candidates))
                stream.flush()
    return [*_read(file)]


def _known(first: FindsCandidates, questions: Sequence[Question]) -> list[Question]:
    """The questions with only those mentions whose entity is in the catalogue, without questions that have none."""
    ids = sorted({m.entity for question in questions for m in question.mentions if m.entity is not None})
    there = {one for one, row in zip(ids, first.entities.catalogue.rows(ids).tolist(), strict=True) if row >= 0}
    kept = (replace(q, mentions=tuple(m for m in q.mentions if m.entity in there)) for q in questions)
    return [question for question in kept if question.mentions]


def _found(first: FindsCandidates, questions: Sequence[Question], candidates: int) -> Iterator[Mapping[str, Any]]:
    spans = [[(m.start, m.end) for m in question.mentions] for question in questions]
    links = first.link([question.text for question in questions], mentions=spans, candidates=candidates)
    for question, of_question in zip(questions, links, strict=True):
        mentions = [
            [m.start, m.end, m.entity, [c.entity for c in link.candidates], [c.score for c in link.candidates]]
            for m, link in zip(question.mentions, of_question, strict=True)
        ]
        yield {"text": question.text, "mentions": mentions}


def _read(file: Path) -> Iterator[Example]:
    with file.open(encoding="utf-8") as stream:
        for line in map(json.loads, stream):
            for start, end, gold, candidates, log_probs in line["mentions"]:
                yield Example(line["text"], start, end, gold, tuple(candidates), tuple(log_probs))


def log_probs_of(examples: Sequence[Example], candidates: int) -> Tensor:
    """log p of the candidates of Q examples, (Q, K), −inf where an example has fewer."""
    found = torch.full((len(examples), candidates), -torch.inf)  # (Q, K)
    for q, example in enumerate(examples):
        found[q, : len(example.log_probs)] = torch.tensor(example.log_probs[:candidates])
    return found


def targets_of(examples: Iterable[Example]) -> Tensor:
    """The places of the gold entities, (Q,) int64; −1 where it is not among the candidates."""
    return torch.tensor([example.target for example in examples], dtype=torch.int64)


def stage_of(folder: str | Path, candidates: int, margin: float | None) -> FirstStage:
    """The first stage in a folder, with the cross-encoder's scores alone as long as no weights were fitted."""
    path = Path(folder).expanduser()
    name = str(folder) if not path.is_dir() else "/".join(path.resolve().parts[-3:])
    return FirstStage(folder=name, kind=kind_of(folder), candidates=candidates, margin=margin)

"""The spaCy component: links the documents of a spaCy pipeline, ``nlp.add_pipe("elq", config={"model": FOLDER})``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import raise_error

from elq.errors import ElqError
from elq.integrations import spacy_spans
from elq.integrations.spacy_settings import DEFAULTS, Settings
from elq.types import Link

if TYPE_CHECKING:
    from elq.linking.linker import Linker

MODEL = "model"  # the folder of the model in a saved pipeline

spacy_spans.register()


@Language.factory(
    "elq", default_config=DEFAULTS, assigns=["doc.ents", "doc.spans", "doc._.elq", "span._.elq", "token.ent_kb_id"]
)
def make_linker(
    nlp: Language,
    name: str,
    model: Any,
    catalogue: Any,
    columns: Any,
    threshold: Any,
    min_probability: Any,
    nil: Any,
    span_key: Any,
    ents: Any,
    label: Any,
    device: Any,
) -> "LinkingPipe":
    """Make the component; spaCy calls it. The arguments are those of :class:`Settings`."""
    settings = Settings(
        model=model,
        catalogue=catalogue,
        columns=columns,
        threshold=threshold,
        min_probability=min_probability,
        nil=nil,
        span_key=span_key,
        ents=ents,
        label=label,
        device=device,
    )
    return LinkingPipe(name, settings)


class LinkingPipe:
    """Links documents. A model that is not on this machine is opened later: from a saved pipeline, or for the first document.

    Args:
        name: the name of the component in its pipeline.
        settings: its settings.
        linker: an opened linker. If it is None, the component opens one.
    """

    def __init__(self, name: str, settings: Settings, linker: "Linker | None" = None) -> None:
        self.name, self.settings = name, settings
        self._linker, self._saved = linker, ""  # the folder of a saved pipeline from which the linker was opened
        self._error_handler: Callable[..., Any] = raise_error
        if linker is None and settings.are_here:
            self._linker = self._opened(None)

    @property
    def linker(self) -> "Linker":
        """The linker.

        Raises:
            ElqError: the model or the catalogue cannot be opened.
        """
        if self._linker is None:
            self._linker = self._opened(None)
        return self._linker

    def _opened(self, folder: Path | None) -> "Linker":
        """Open the model folder in a saved pipeline; without one, what the settings name."""
        from elq.linking.opening import open_linker

        said = self.settings
        if folder is not None:
            linker = open_linker(folder, device=said.device)
        else:
            linker = open_linker(said.model, said.catalogue, columns=said.columns, device=said.device)
        linker.link([], threshold=said.threshold, min_probability=said.min_probability, nil=said.nil)  # checks them
        return linker

    def __call__(self, doc: Doc) -> Doc:
        """Link one document."""
        self._link([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Link documents, ``batch_size`` of them in one call of the linker, and yield them in their order."""
        documents = iter(stream)
        while docs := list(islice(documents, batch_size)):
            try:
                self._link(docs)
            except Exception as error:
                self._error_handler(self.name, self, docs, error)
            else:
                yield from docs

    def _link(self, docs: Sequence[Doc]) -> None:
        said, texts = self.settings, [doc.text for doc in docs]
        if said.ents == "given":
            mentions = [[(entity.start_char, entity.end_char) for entity in doc.ents] for doc in docs]
            for doc, found in zip(docs, self._answers(texts, mentions), strict=True):
                self._identify(doc, found)
            return
        answers = self.linker.link(texts, threshold=said.threshold, min_probability=said.min_probability, nil=said.nil)
        for doc, links in zip(docs, answers, strict=True):
            placed = spacy_spans.place(doc, links, said.label)
            self._keep(doc, placed)
            if said.ents == "add":
                spacy_spans.add_entities(doc, placed)
            elif said.ents == "replace":
                spacy_spans.replace_entities(doc, placed)

    def _keep(self, doc: Doc, placed: Sequence[tuple[Link, Span]]) -> None:
        spacy_spans.store(doc, placed, self.name)
        doc.spans[self.settings.span_key] = [span for _, span in placed]

    def _identify(self, doc: Doc, links: Sequence[Link | None]) -> None:
        """Give the entities of a document the ids of their links."""
        placed, said = [], self.settings
        rule = self.linker.rule(said.threshold, said.min_probability, nil=said.nil)
        only_likely = said.threshold is None and said.min_probability is not None  # then 0 keeps every one
        keeps = rule.likely if only_likely else rule.shows
        for entity, link in zip(list(doc.ents), links, strict=True):
            if link is not None and keeps(link.mention_score, link.score):
                spacy_spans.identify(entity, link.entity)
                placed += spacy_spans.place(doc, [link], entity.label_)
        self._keep(doc, placed)

    def _answers(self, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[Link | None]]:
        """One link for each entity; None for one without a token that the model reads, such as a blank."""
        linker = self.linker
        try:
            return linker.link(texts, mentions=mentions, nil=self.settings.nil)
        except ElqError:
            if len(texts) > 1:
                return [self._answers([text], [spans])[0] for text, spans in zip(texts, mentions, strict=True)]
            if len(mentions[0]) > 1:
                return [[self._answers(texts, [[span]])[0][0] for span in mentions[0]]]
            return [[None]]

    def set_error_handler(self, error_handler: Callable[..., Any]) -> None:
        """Set what is called with documents that could not be linked; spaCy calls it."""
        self._error_handler = error_handler

    def get_error_handler(self) -> Callable[..., Any]:
        """What is called with documents that could not be linked."""
        return self._error_handler

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the model folder, with its entities, in the folder of a pipeline. The settings are in its config.cfg.

        Args:
            path: the folder of the component.
            exclude: with ``"model"``, nothing is saved.
        """
        from elq.linking.model_folder import link_model_folder

        folder = Path(path) / MODEL
        Path(path).mkdir(parents=True, exist_ok=True)
        if MODEL not in exclude and (folders := self.linker.folders) and folders[0] != folder.resolve():
            link_model_folder(folder, model=folders[0], entities=folders[1])

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "LinkingPipe":
        """Open the model folder in the folder of a pipeline, if there is one."""
        folder = Path(path) / MODEL
        if MODEL not in exclude and folder.is_dir():
            self._open_saved(folder)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The path of the model folder in a saved pipeline, if the model was opened from one. Bytes hold no model."""
        return json.dumps({MODEL: self._saved}).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "LinkingPipe":
        """Open the model folder that :meth:`to_bytes` names."""
        if folder := json.loads(data)[MODEL]:
            self._open_saved(Path(folder))
        return self

    def _open_saved(self, folder: Path) -> None:
        if self._linker is None or not _is_opened(self._linker, folder):
            self._linker = self._opened(folder)
        self._saved = str(folder.resolve())

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"_saved": self._saved, "_error_handler": self._error_handler}
        return type(self), (self.name, self.settings, self._linker), state


def _is_opened(linker: "Linker", folder: Path) -> bool:
    """Whether a linker was opened from files with the content of this model folder."""
    from elq.entities.manifest import Manifest
    from elq.files import digest_of
    from elq.linking.decision import Decision
    from elq.linking.folder import ENTITIES, MODEL_FILES

    if linker.folders is None:
        return False
    (model, _), entities = linker.folders, replace(linker.entities.manifest, encoder="")
    same = digest_of([model / name for name in MODEL_FILES]) == digest_of([folder / name for name in MODEL_FILES])
    decided = Decision.load(model) == Decision.load(folder)
    return same and decided and replace(Manifest.load(folder / ENTITIES), encoder="") == entities

"""Push: uploads a model folder to the Hub in one commit, so that the model there is never half an old and half a new one."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from elq.encoding.hub import refusal
from elq.encoding.pretrained import WEIGHTS
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.hub.card import model_card
from elq.hub.contents import CARD, Content, contents_of, outdated
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES, resolve_model

log = logging.getLogger(__name__)

MAIN = "main"


def push_to_hub(
    model: str | Path,
    name: str,
    *,
    entities: str | Path | None = None,
    decision: Decision | None = None,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    message: str | None = None,
    evaluations: Sequence[str | Path] = (),
) -> str:
    """Upload a model folder to the Hub, with a model card. A file that the Hub has already is not sent again.

    The card is ``README.md`` of the folder, if there is one, and otherwise it is written from the files of the folder and from
    the evaluations.

    Args:
        model: the model folder.
        name: the repository, ``owner/name``; it is made if there is none.
        entities: the entities folder; None: the one in the model folder.
        decision: how scores become links; None: the decision of the folder.
        private: whether only you may see it; None: as your account has it. A repository that is there stays as it is.
        token: a token with the right to write; None: that of HF_TOKEN or of `hf auth login`.
        revision: the branch to push to, which is made if there is none; None: ``main``.
        message: the message of the commit.
        evaluations: files of ``elq evaluate --output``, for the scores in the card.

    Returns:
        The address of the commit.

    Raises:
        ElqError: the folder is not complete, a file is no evaluation of this model, or the Hub refuses the push.
    """
    _check_name(name)
    folder = resolve_model(model)
    place = Path(entities) if entities else folder / ENTITIES
    open_entities(place)  # a damaged folder is not uploaded
    contents = contents_of(folder, place, decision or Decision.load(folder))
    contents[CARD] = _card(folder, place, name, evaluations)
    with _told(f"{model} cannot be pushed to {name}"):
        return _upload(contents, name, private, token, revision or MAIN, message)


def _check_name(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
        owner = name.count("/") == 1
    except HFValidationError:
        owner = False
    if not owner:
        raise ElqError(
            f"the name on the Hub is {name!r}, but must be owner/name, of letters, digits, -, _ and .: give your user name or"
            " your organisation, a slash, and a name for the model"
        )


def _card(folder: Path, entities: Path, name: str, evaluations: Sequence[str | Path]) -> Content:
    own = folder / CARD
    if not own.is_file() or folder == WEIGHTS:  # its card describes the weights without a catalogue
        return model_card(folder, entities=entities, name=name, evaluations=evaluations).encode()
    if evaluations:
        raise ElqError(
            f"{own} is the card of this model, so the evaluation {evaluations[0]} is not used: leave it out, or remove the card"
        )
    return own


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn every error of huggingface_hub in the block into an ElqError that begins with ``what``."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*commit a data file")  # a catalogue is part of a model of elq
            yield
    except ElqError:
        raise
    except Exception as error:  # of any kind that huggingface_hub raises
        why = refusal(error)
        raise ElqError(f"{what} ({why.reason}): {why.remedy}") from None


def _upload(
    contents: Mapping[str, Content], name: str, private: bool | None, token: str | None, revision: str, message: str | None
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(token=token)
    api.create_repo(name, private=private, exist_ok=True)
    if private and not api.model_info(name).private:
        raise ElqError(
            f"{name} is public, but the model is to be private: make it private in its settings on the Hub, or give another"
            " name"
        )
    if revision != MAIN:
        api.create_branch(name, branch=revision, exist_ok=True)
    known = api.model_info(name, revision=revision)
    old = outdated([file.rfilename for file in known.siblings or ()], contents)
    # In one commit: upload_folder makes several of a slow upload, and between them the model would be broken.
    made = api.create_commit(
        name,
        [
            *(CommitOperationAdd(file, content) for file, content in sorted(contents.items())),
            *(CommitOperationDelete(file) for file in old),
        ],
        commit_message=message or "Push a model of elq",
        revision=revision,
        parent_commit=known.sha,
    )
    log.info("%s has %d files at %s", name, len(contents), made.commit_url)
    return str(made.commit_url)

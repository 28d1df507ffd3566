"""The Hub: downloads files of a repository, and says in words why the Hub refused something."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Refusal(NamedTuple):
    """Why the Hub did not do what it was asked for, and what helps."""

    reason: str
    remedy: str


LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
BY_KIND = {  # name of an exception of huggingface_hub → the refusal; the first that fits counts
    "HFValidationError": Refusal("it has not the form owner/name", "correct the name or the path"),
    "IncompleteSnapshotError": Refusal("the cache has only a part of it", "connect to the Hub, so that the rest is downloaded"),
    "OfflineModeIsEnabled": Refusal(
        "it is not in the cache, and HF_HUB_OFFLINE forbids a connection", "unset HF_HUB_OFFLINE to use the Hub"
    ),
    "GatedRepoError": Refusal("its owner has to grant you access", "ask for access on its page"),
    "RevisionNotFoundError": Refusal("it has no such revision", "give a branch, a tag or a commit that it has"),
    "RepositoryNotFoundError": Refusal(
        "there is no such repository, or it is private and you have no token that may read it",
        f"correct the name, or {LOG_IN}",
    ),
}
BY_STATUS = {
    401: Refusal("the Hub does not accept the token (401)", LOG_IN),
    403: Refusal(
        "the token has no right to do this (403)", "take a token with the right to write, or a name whose owner you are"
    ),
    404: Refusal("the Hub does not find it (404)", "correct the name"),
    409: Refusal("it is being changed by somebody else (409)", "try again"),
    412: Refusal("somebody else has changed it meanwhile (412)", "try again"),
}
UNREACHED = Refusal("the Hub cannot be reached", "check the connection, HF_ENDPOINT and the proxy")
UNREACHED_KINDS = {"TransportError", "ConnectionError", "TimeoutError"}  # of httpx and of Python


def download(name: str, patterns: Sequence[str], *, revision: str | None = None, token: str | None = None) -> Path:
    """Download the files of a repository into the cache of the Hub; what is there already is not fetched again.

    Args:
        name: the repository, ``owner/name``.
        patterns: only files that match one of these are fetched.
        revision: a branch, a tag or a commit; None: the branch ``main``.
        token: the token that the Hub gave you; None: that of HF_TOKEN or of `hf auth login`.

    Returns:
        The folder with the files of this revision.

    Raises:
        Exception: whatever huggingface_hub raises; :func:`refusal` says it in words.
    """
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns), token=token))


def refusal(error: BaseException) -> Refusal:
    """Say in words why a call of huggingface_hub failed.

    >>> refusal(ConnectionError("no route")).reason
    'the Hub cannot be reached'
    """
    chain = list(_causes(error))
    kinds = {kind.__name__ for each in chain for kind in type(each).__mro__}
    if known := next((known for kind, known in BY_KIND.items() if kind in kinds), None):
        return known
    for each in chain:
        if (answer := getattr(each, "response", None)) is not None:
            return _of_status(int(answer.status_code), str(answer.headers.get("Retry-After", "")))
    return UNREACHED if kinds & UNREACHED_KINDS else _other(chain[-1])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those from which it was raised, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_status(status: int, wait: str) -> Refusal:
    if status == 429:
        return Refusal("too many requests were sent (429)", f"try again in {wait} seconds" if wait.isdigit() else "try later")
    if status >= 500:
        return Refusal(f"the Hub has an error of its own ({status})", "try again later")
    return BY_STATUS.get(status, Refusal(f"the Hub answers {status}", "look at the name and the token"))


def _other(error: BaseException) -> Refusal:
    words = " ".join(str(error).split()) or "no reason is given"
    return Refusal(f"{type(error).__name__}: {words}", "remove the cause")

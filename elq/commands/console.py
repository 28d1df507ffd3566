"""What the commands share: how errors are said, and options that several commands read."""

import errno
import os
import sys
from collections.abc import Callable

from elq.errors import ElqError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
EXTRAS = {  # module → the extra of elq that brings it
    **dict.fromkeys(("lightning", "hydra", "omegaconf", "antlr4", "jsonargparse", "torchmetrics"), "train"),
}
FREE_SPACE = "free space or choose another place, and give the command again; what was finished is kept"


def speak(command: Callable[[], object]) -> int:
    """Run a command; say in one sentence what was wrong with the input. Returns the exit code: 0, or 2 for bad input."""
    try:
        command()
    except ElqError as error:
        print(f"elq: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (said := missing_extra(error)) is None:
            raise  # our own fault
        print(f"elq: {said}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as in `elq predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno in FULL:
            print(f"elq: a file could not be written ({error.strerror}): {FREE_SPACE}", file=sys.stderr)
            return 2
        if error.filename is None:
            raise  # no file's fault
        print(f"elq: {error.filename} cannot be used ({error.strerror}): give another path, or mend this one", file=sys.stderr)
        return 2
    return 0


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install for a module that is not there; None where no extra of elq brings it.

    >>> missing_extra(ModuleNotFoundError(name="hydra.core"))
    "this command needs hydra, which is not installed: pip install 'elq[train]'"
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return f"this command needs {module}, which is not installed: pip install 'elq[{EXTRAS[module]}]'"


def parse_columns(text: str) -> dict[str, str]:
    """Our field → their column, from ``id=qid,title=name``.

    >>> parse_columns("id=qid,title=name")
    {'id': 'qid', 'title': 'name'}
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := next((pair for pair in pairs if not (pair[0] and pair[2])), None):
        raise ElqError(f"--columns has {''.join(wrong)!r}, but must be FIELD=COLUMN pairs such as id=qid,title=name")
    return {field.strip(): column.strip() for field, _, column in pairs}

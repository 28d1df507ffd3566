"""The tokenizer file: opens the tokenizer.json of an encoder, and says in one sentence if it cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from elq.errors import ElqError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def open_tokenizer(path: str | Path) -> "Tokenizer":
    """Read ``tokenizer.json``. The tokenizer neither cuts texts nor fills them up.

    Raises:
        ElqError: the file is missing or does not contain a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ElqError(
            f"{path} is not a readable tokenizer.json ({error}): give a folder whose tokenizer.json is whole"
        ) from None
    made.no_padding()
    made.no_truncation()
    return made


@contextmanager
def usable() -> Iterator[None]:
    """Raise an ElqError where the tokenizers library raises a bare Exception, since tokenizer.json contradicts itself."""
    try:
        yield
    except Exception as error:
        raise ElqError(
            f"the tokenizer of an encoder cannot be used ({error}): put a whole tokenizer.json into the folder of the encoder"
        ) from None

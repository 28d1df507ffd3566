"""Datasets: reads the records of a dataset of the library `datasets`, from a folder, its cache or the Hub."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "hf:"
FORM = "hf:NAME, hf:NAME:SPLIT, hf:NAME:CONFIG:SPLIT or hf:FOLDER:SPLIT"
SAVED = ("dataset_dict.json", "state.json")  # files of a folder that save_to_disk wrote
SHOWN = 300  # characters of a message of the library that ours shows


def is_dataset(source: str) -> bool:
    """Whether a name means a dataset.

    >>> is_dataset("hf:squad:validation"), is_dataset("questions.jsonl")
    (True, False)
    """
    return source.startswith(SOURCE)


def parts_of(source: str) -> tuple[str, str | None, str | None]:
    """The name or folder, the configuration and the split of a dataset; None: not given.

    >>> parts_of("hf:user/name:test"), parts_of("hf:user/name:en:test")
    (('user/name', None, 'test'), ('user/name', 'en', 'test'))

    Raises:
        ElqError: the name is empty, or has too many parts.
    """
    text = source.removeprefix(SOURCE)
    folder, _, split = text.rpartition(":")
    if text and Path(text).is_dir():
        return text, None, None
    if folder and Path(folder).is_dir():
        return folder, None, split or None
    name, *more = text.split(":")
    if not name or len(more) > 2 or not all(more):
        raise ElqError(f"the dataset is {source!r}, but must be {FORM}: correct it")
    return name, more[0] if len(more) == 2 else None, more[-1] if more else None


def open_dataset(source: str) -> "Dataset":
    """Open one split of a dataset.

    A folder is one that ``save_to_disk`` wrote, or has files that the library reads. A name is looked up on the Hub and,
    offline, in the library's cache.

    Args:
        source: the dataset, in one of the forms of FORM. Without a split, it must have only one.

    Raises:
        ElqError: it cannot be opened, or has several splits of which none is chosen.
    """
    name, config, split = parts_of(source)
    from datasets import Dataset, load_dataset, load_from_disk

    try:
        saved = any((Path(name) / file).is_file() for file in SAVED)
        found = load_from_disk(name) if saved else load_dataset(name, config)
    except Exception as error:  # the library raises errors of many classes: no such name, no connection, a damaged file
        said = " ".join(str(error).split())[:SHOWN]
        raise ElqError(
            f"the dataset {source} could not be opened ({type(error).__name__}: {said}): give the name of one on the Hub or in"
            f" the cache, or a folder that save_to_disk wrote, as {FORM}"
        ) from None
    if isinstance(found, Dataset):
        if split is not None:
            raise ElqError(f"{name} is one dataset without splits, but the split {split} is asked for: leave out :{split}")
        return found
    splits = [str(one) for one in found]
    if split is None and len(splits) == 1:
        split = splits[0]
    if split not in splits:
        said = "no split is given" if split is None else f"there is no split {split}"
        example = source_with(splits[0], name, config)
        raise ElqError(f"{source} has the splits {', '.join(splits)}, but {said}: give one of them, as {example}")
    chosen: Dataset = found[split]
    return chosen


def source_with(split: str, name: str, config: str | None) -> str:
    """The source of a split.

    >>> source_with("test", "user/name", None)
    'hf:user/name:test'
    """
    return SOURCE + ":".join(part for part in (name, config, split) if part)


def records_of(dataset: "Dataset") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place and the values of each row. Columns of lists, images and other values with parts are left out."""
    from datasets import Value

    simple = [name for name, feature in dataset.features.items() if isinstance(feature, Value)]
    for number, record in enumerate(dataset.select_columns(simple), 1):
        yield f"record {number}", record

"""Encoding: the vectors of many pictures, from the store or, the first time, from the tower."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from elq.progress import track
from elq.tensors import Array
from elq.vision.boxes import Box, draw_box
from elq.vision.pictures import LIMITS, Limits, Source, content_key, decode, name_of, open_picture, read_source
from elq.vision.problems import PictureProblem, Problems
from elq.vision.store import FeatureStore
from elq.vision.tower import PictureVectors

if TYPE_CHECKING:
    from PIL.Image import Image

Item = TypeVar("Item")

BATCH = 8  # pictures that the tower encodes together
CHUNK = 64  # pictures that are added to the store together; a killed process loses at most so many


@dataclass(frozen=True, slots=True)
class View:
    """What is to be encoded: a picture, the part of it in a box, or all of it with the box drawn (``drawn``)."""

    source: Source
    box: Box | None = None
    drawn: bool = False


def open_view(view: View, limits: Limits = LIMITS) -> "Image":
    """The picture of a view.

    Raises:
        PictureProblem: the picture cannot be used.
    """
    picture = open_picture(view.source, None if view.drawn else view.box, limits)
    return draw_box(picture, view.box) if view.drawn and view.box is not None else picture


def encode_pictures(
    views: Sequence[View | None],
    store: FeatureStore,
    *,
    problems: Problems | None = None,
    limits: Limits = LIMITS,
) -> Array:
    """The rows of N pictures in the store. Pictures that the store lacks are encoded by its tower and added.

    A run that was killed continues where it stopped. Several processes may do this with the same store.

    Args:
        views: what is to be encoded; None counts as no picture.
        store: the store, which knows the tower.
        problems: collects the pictures that cannot be used.
        limits: the largest picture that is opened.

    Returns:
        (N,) int64 rows for :meth:`FeatureStore.vectors`; −1 where there is no picture, or one that cannot be used.
    """
    problems, before = (Problems(), 0) if problems is None else (problems, problems.count)
    keys: list[bytes] = []
    known: dict[object, bytes | PictureProblem] = {}
    todo: dict[bytes, list[View]] = {}  # pictures with the same content are encoded once
    for view in track(views, "reading pictures"):
        key = b"" if view is None else _key(view, known, problems, limits)
        if view is not None and key and store.rows([key])[0] < 0:
            todo.setdefault(key, []).append(view)
        keys.append(key)
    for chunk in track([*batched(todo.items(), CHUNK)], f"encoding pictures, {CHUNK} at a time"):
        _encode(chunk, store, problems, limits)
    if problems.count > before:
        problems.report(len(views))
    return store.rows(keys)


def _key(view: View, known: MutableMapping[object, bytes | PictureProblem], problems: Problems, limits: Limits) -> bytes:
    """The key of a view; empty if its picture cannot be read. ``known`` has what was found of earlier views.

    So the picture of a text with many mentions is read once.
    """
    source = view.source if isinstance(view.source, str | Path) else id(view.source)
    place = (source, view.box and (*view.box,), view.drawn)
    if place not in known:
        try:
            data = read_source(view.source, limits)
            if not isinstance(data, bytes):
                data = decode(data, None, limits)  # Pillow may not have read its pixels yet, which may be damaged
            known[place] = content_key(data, view.box, view.drawn)
        except PictureProblem as problem:
            known[place] = problem
    found = known[place]
    if isinstance(found, PictureProblem):
        problems.add(found)
        return b""
    return found


def _encode(chunk: Sequence[tuple[bytes, list[View]]], store: FeatureStore, problems: Problems, limits: Limits) -> None:
    """Encode some pictures, and add them to the store."""
    keys: list[bytes] = []
    parts: list[PictureVectors] = []
    for batch in batched(_opened(chunk, problems, limits), BATCH):
        keys += [key for key, _ in batch]
        parts.append(store.tower.encode([picture for _, picture in batch]))
    if parts:
        whole, patches = (torch.cat([part[place] for part in parts]) for place in (0, 1))
        store.add(keys, PictureVectors(whole, patches))


def _opened(chunk: Sequence[tuple[bytes, list[View]]], problems: Problems, limits: Limits) -> Iterator[tuple[bytes, "Image"]]:
    """The keys and pictures of a chunk. A picture is opened when it is asked for: one of a telephone takes 36 MB of memory."""
    for key, views in chunk:
        try:
            yield key, open_view(views[0], limits)
        except PictureProblem as problem:
            for view in views:
                problems.add(PictureProblem(name_of(view.source), problem.reason))


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most ``size``."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk

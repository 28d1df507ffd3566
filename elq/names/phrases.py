"""Runs of words: finds which runs of words of a text are names, without a lookup of each run.

A text of n words has n² / 2 runs of words, and nearly all of them are no names. So at each word, all names with which the rest
of the text begins are found at once. A run is looked up (elq/names/lookup.py) only where this says that it may be a name.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from itertools import accumulate

from elq.names.lookup import NameIndex
from elq.names.spelling import COUNTED, JOINING, NUMBERS, ROMAN, UNSPOKEN, stem

Run = tuple[int, int]  # the words [first, after) of a text


def names_of_runs(
    words: Sequence[str], most: int, index: NameIndex, *, every: bool = False
) -> Iterator[tuple[int, int, str, bool]]:
    """Yield the runs of 2 to ``most`` words that may be a name or a part of one.

    Each is given as its first word, the word after its last, its key, and whether it may be another spelling of a name.

    Args:
        words: the folded words of a text of ASCII characters.
        most: the largest number of words.
        index: the names.
        every: also yield the other runs, which may match a name in a further way.
    """
    line = " ".join(words)
    ends = [*accumulate((len(word) + 1 for word in words), initial=0)]  # where each word begins, and the end
    stems = [stem(word) for word in words]
    numbers = [stem(ROMAN.get(word) or NUMBERS.get(word) or word) for word in words]
    ordered, ending = _in_order(words, stems, most, index), set() if every else _ending(words, most, index)
    for first in range(len(words) - 1):
        last = min(first + most, len(words))
        tail = line[ends[first] : ends[last] - 1]
        whole, forms = index.names_before(tail), index.forms_before(tail)
        joined, beginning = _as_one_word(words, stems, numbers, first, last, index), not every
        for after in range(first + 2, last + 1):
            length = ends[after] - 1 - ends[first]
            beginning = beginning and index.count_beginning(tail[:length]) > 0
            respelled = length in forms or after in joined or (first, after) in ordered
            if every or respelled or beginning or length in whole or (first, after) in ending:
                yield first, after, tail[:length], respelled


def _ending(words: Sequence[str], most: int, index: NameIndex) -> set[Run]:
    """The runs with which longer names end."""
    found: set[Run] = set()
    for after in range(2, len(words) + 1):
        text = words[after - 1]
        if index.count_ending(text):
            for first in range(after - 2, max(after - most, 0) - 1, -1):
                text = f"{text} {words[first]}"
                if not index.count_ending(text):
                    break
                found.add((first, after))
    return found


def _as_one_word(
    words: Sequence[str], stems: Sequence[str], numbers: Sequence[str], first: int, last: int, index: NameIndex
) -> set[int]:
    """The ends of the runs from ``first`` that may be a name in the form of :func:`elq.names.spelling.spelling`."""
    spoken = [
        word not in UNSPOKEN or (word == "s" and place > 0 and len(words[first + place - 1]) == 1)
        for place, word in enumerate(words[first:last])
    ]
    text = "".join(word for word, said in zip(words[first:last], spoken, strict=True) if said)
    lengths = index.forms_before(text) | index.names_before(text)
    found: set[int] = set()
    before, final, fits = "", "", True  # the spoken words but the last, the last, and whether they may be a name
    for after, said in enumerate(spoken, first + 1):
        if said:
            before, final = before + final, words[after - 1]
            ending = (numbers if before else stems)[after - 1]
            known = final.startswith(ending)  # then it is one of the lengths
            fits = len(before) + len(ending) in lengths if known else index.is_form(before + ending)
        if fits:
            found.add(after)
    return found


def _in_order(words: Sequence[str], stems: Sequence[str], most: int, index: NameIndex) -> set[Run]:
    """The runs that may be a name in the form of :func:`elq.names.spelling.reordered`."""
    found: set[Run] = set()
    content = [place for place, word in enumerate(words) if word not in JOINING]
    plain = [stems[place].isalpha() and stems[place] not in COUNTED for place in content]
    for number, place in enumerate(content):
        before = content[number - 1] + 1 if number else 0  # a run may begin with joining words
        chosen: list[str] = []
        for other in range(number, len(content)):
            if not plain[other] or content[other] - place >= most:
                break
            insort(chosen, stems[content[other]])
            if len(chosen) > 1 and index.begins_form(f"{chosen[0]} {chosen[1]}") and index.is_form(" ".join(chosen)):
                behind = content[other + 1] if other + 1 < len(content) else len(words)
                found |= {
                    (first, after) for first in range(before, place + 1) for after in range(content[other] + 1, behind + 1)
                }
    letters = [len(word) == 1 for word in words]
    for place in range(len(words) - 1):
        if letters[place] and letters[place + 1]:  # they become one word
            found |= {(first, after) for first in range(place + 1) for after in range(place + 2, len(words) + 1)}
    return found

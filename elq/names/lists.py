"""Lists of names: finds the gaps between the names of a text that consists of nothing else."""

from collections.abc import Collection

from elq.names.words import words


def gaps(text: str, names: Collection[tuple[int, int]]) -> list[int]:
    """The places of the spaces between the names of a text such as "Paris London Berlin"; none if it has other words.

    Models are trained on sentences, and take the words of such a text for one name. With a sign in each gap they do not.

    Args:
        text: a question.
        names: the names in the text, as characters [start, end). At each word the longest is taken.

    >>> gaps("Paris New York", {(0, 5), (6, 9), (6, 14), (10, 14)}), gaps("is Paris big", {(3, 8)}), gaps("Paris", {(0, 5)})
    ([5], [], [])
    """
    found = words(text)
    longest: dict[int, int] = {}  # start → end of the longest name
    for start, end in names:
        longest[start] = max(end, longest.get(start, 0))
    places, reached = [], 0
    for before, word in zip([None, *found], found, strict=False):
        if word.end <= reached:  # inside a name
            continue
        if word.start not in longest:
            return []
        if before is not None and text[before.end : word.start].isspace():
            places.append(before.end)
        reached = longest[word.start]
    return places

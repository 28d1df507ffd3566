"""Lists of names: finds the gaps between the names of a text that consists of nothing else."""

from collections.abc import Callable

from elq.names.words import words


def gaps(text: str, longest: Callable[[int], int]) -> list[int]:
    """The places of the spaces between the names of a text such as "Paris London Berlin"; none if it has other words.

    Models are trained on sentences, and take the words of such a text for one name. With a sign in each gap they do not.

    Args:
        text: a question.
        longest: gives the end of the longest name that begins with the word of a number, as a character; 0 if there is none.

    >>> gaps("Paris New York", [5, 14, 14].__getitem__), gaps("is Paris big", [0, 8, 0].__getitem__)
    ([5], [])
    """
    found = words(text)
    places, reached = [], 0
    for number, word in enumerate(found):
        if word.end <= reached:  # inside a name
            continue
        if not (end := longest(number)):
            return []
        if number and text[found[number - 1].end : word.start].isspace():
            places.append(found[number - 1].end)
        reached = end
    return places

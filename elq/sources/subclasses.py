"""Subclasses: finds the classes of Wikidata that are below others, by the statements "subclass of" (P279) of a dump."""

from array import array
from collections.abc import Iterable

import numpy as np

SUBCLASS_OF = "P279"


class Subclasses:
    """The statements "subclass of" of a dump: 16 bytes of memory for each, and as much again while :meth:`below` runs."""

    def __init__(self) -> None:
        self._children, self._parents = array("q"), array("q")

    def __len__(self) -> int:
        return len(self._children)

    def add(self, child: str, parent: str) -> None:
        """Note that one class is a subclass of another. What is no id of an item is passed over."""
        if child[:1] == parent[:1] == "Q" and child[1:].isdecimal() and parent[1:].isdecimal():
            self._children.append(int(child[1:]))
            self._parents.append(int(parent[1:]))

    def below(self, classes: Iterable[str]) -> list[str]:
        """The ids of these classes and of all classes below them, in any number of steps. Circles do no harm.

        >>> known = Subclasses()
        >>> for child, parent in (("Q515", "Q486972"), ("Q1549591", "Q515"), ("Q486972", "Q1549591")):
        ...     known.add(child, parent)
        >>> known.below(["Q515"]), known.below(["Q5"])
        (['Q515', 'Q486972', 'Q1549591'], ['Q5'])
        """
        parents = np.frombuffer(self._parents, dtype=np.int64) if len(self) else np.empty(0, dtype=np.int64)
        children = np.frombuffer(self._children, dtype=np.int64) if len(self) else np.empty(0, dtype=np.int64)
        order = parents.argsort(kind="stable")
        parents, children = parents[order], children[order]
        found = dict.fromkeys(int(one[1:]) for one in classes)
        waiting = [*found]
        while waiting:
            parent = waiting.pop()
            first, after = np.searchsorted(parents, parent, "left"), np.searchsorted(parents, parent, "right")
            new = [child for child in dict.fromkeys(children[first:after].tolist()) if child not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return [f"Q{number}" for number in sorted(found)]

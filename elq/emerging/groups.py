"""Groups: puts mentions without an entity together that seem to mean one new entity.

Mentions with the same folded name are one group where their vectors agree, in the order in which they come: each joins the
group with the nearest mean, or begins a new one. At the end, the group of a name that is the beginning or the end of a longer
name ("Gretzky" of "Janet Gretzky") joins the group of that name where the vectors agree too.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from elq.errors import ElqError
from elq.names.surface import is_name
from elq.names.words import folded
from elq.tensors import Array

POSSESSIVE = re.compile(r"(?<=\w)['’]s?$")

Name = tuple[str, ...]  # folded words


@dataclass(frozen=True, slots=True)
class Context:
    """Characters ``[start, end)`` of a text, which are a mention."""

    text: str
    start: int
    end: int

    @property
    def form(self) -> str:
        """The mention as it is written, without the ending of a possessive."""
        written = " ".join(self.text[self.start : self.end].split())
        return POSSESSIVE.sub("", written) or written


@dataclass(frozen=True, slots=True)
class Group:
    """Mentions that seem to mean one new entity.

    ``label`` is its longest name, as it is most often written (of equal ways one with capitals), and ``aliases`` are its other
    names, most frequent first. ``agreement`` says how alike the vectors of the mentions are: the norm of their mean, 1 if they
    are equal.
    """

    label: str
    aliases: tuple[str, ...]
    mentions: int
    agreement: float
    contexts: tuple[Context, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """When mentions are put together.

    Args:
        same_name: the least cosine of a mention's vector and the mean of a group with the same name; −1: names decide alone.
        part: the least cosine of the means of two groups, of which one has a part of the other's name; above 1: never.
        contexts: the number of contexts of a group that are kept, the first ones.

    Raises:
        ElqError: a value is outside its limits.
    """

    same_name: float = 0.5
    part: float = 0.5
    contexts: int = 5

    def __post_init__(self) -> None:
        for name in ("same_name", "part"):
            if not -1 <= (value := getattr(self, name)) <= 2:  # also for NaN
                raise ElqError(f"{name} is {value}, but must be a cosine from -1 to 1: give a number such as 0.5")
        if self.contexts < 0:
            raise ElqError(f"contexts is {self.contexts}, but must be at least 0: give a number of contexts to keep")


def name_of(form: str) -> Name:
    """The folded words of a mention.

    >>> name_of("Zoë  Gretzky"), name_of("IT")
    (('zoe', 'gretzky'), ('it',))
    """
    return tuple(folded(form).lower().split())


def parts_of(name: Name) -> Iterator[Name]:
    """The beginnings and ends of a name that could be names themselves, without the name.

    >>> [*parts_of(("queen", "of", "spain"))]
    [('queen',), ('spain',), ('queen', 'of'), ('of', 'spain')]
    """
    for length in range(1, len(name)):
        yield from (part for part in dict.fromkeys((name[:length], name[-length:])) if is_name(" ".join(part)))


@dataclass(slots=True)
class _Cluster:
    """Mentions with the same folded name, and what was merged into them."""

    name: Name
    total: Array  # (D,) sum of the unit vectors
    forms: Counter[str] = field(default_factory=Counter)
    mentions: int = 0
    contexts: list[Context] = field(default_factory=list)
    joins: "_Cluster | None" = None

    @property
    def mean(self) -> Array:
        """The unit vector (D,) of the mean."""
        return np.asarray(self.total / max(float(np.linalg.norm(self.total)), 1e-12))


class Grouper:
    """Groups mentions one by one. It keeps one vector and a few contexts for each group, and no mention.

    Args:
        settings: when mentions are put together.
    """

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.settings = settings or GroupSettings()
        self._of: defaultdict[Name, list[_Cluster]] = defaultdict(list)

    def add(self, context: Context, vector: Array) -> None:
        """Add a mention with its vector, (D,), of any norm. A mention without a letter or a digit is passed over."""
        if not (name := name_of(context.form)):
            return
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12)  # (D,)
        own, cosines = self._of[name], [float(unit @ cluster.mean) for cluster in self._of[name]]
        if not own or max(cosines) < self.settings.same_name:
            own.append(_Cluster(name, np.zeros_like(unit)))
            cosines.append(2.0)
        cluster = own[cosines.index(max(cosines))]
        cluster.total = cluster.total + unit  # (D,)
        cluster.forms[context.form] += 1
        cluster.mentions += 1
        if len(cluster.contexts) < self.settings.contexts:
            cluster.contexts.append(context)

    def groups(self) -> list[Group]:
        """The groups of all mentions so far: most mentions first, of equal numbers those whose vectors agree best first."""
        clusters = [cluster for of_name in self._of.values() for cluster in of_name]
        longer: defaultdict[Name, list[_Cluster]] = defaultdict(list)
        for cluster in clusters:
            for part in parts_of(cluster.name):
                longer[part].append(cluster)
        for cluster in clusters:
            cluster.joins = self._longer(cluster, longer[cluster.name])
        together: defaultdict[int, list[_Cluster]] = defaultdict(list)
        for cluster in clusters:
            together[id(_root(cluster))].append(cluster)
        found = [self._group(of_one) for of_one in together.values()]
        return sorted(found, key=lambda group: (-group.mentions, -group.agreement))

    def _longer(self, cluster: _Cluster, longer: Iterable[_Cluster]) -> _Cluster | None:
        """The group of a longer name that this group joins: the nearest one that is near enough."""
        near = [(float(cluster.mean @ other.mean), other) for other in longer]
        best = max(near, key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] >= self.settings.part else None

    def _group(self, clusters: list[_Cluster]) -> Group:
        """One group of a longest name and of those that joined it."""
        ordered = sorted(clusters, key=lambda cluster: cluster.joins is not None)  # the longest name first
        own = ordered[0].forms
        label = max(own, key=lambda form: (own[form], form != form.lower()))
        forms: Counter[str] = Counter()
        for cluster in ordered:
            forms.update(cluster.forms)
        names = {name_of(label)}
        aliases = []
        for form, _ in forms.most_common():
            if (name := name_of(form)) not in names:
                names.add(name)
                aliases.append(form)
        mentions = sum(cluster.mentions for cluster in clusters)
        total = np.sum([cluster.total for cluster in clusters], axis=0)  # (D,)
        contexts = [context for cluster in ordered for context in cluster.contexts][: self.settings.contexts]
        return Group(label, tuple(aliases), mentions, float(np.linalg.norm(total)) / mentions, tuple(contexts))


def _root(cluster: _Cluster) -> _Cluster:
    """The group of the longest name. A group joins only a longer name, so there is no circle."""
    while cluster.joins is not None:
        cluster = cluster.joins
    return cluster

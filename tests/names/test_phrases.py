"""Tests of runs of words: no run that is a name, or may mean one, is left out."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from elq.names.joined import JoinedNames
from elq.names.lookup import NameIndex
from elq.names.phrases import names_of_runs
from elq.names.surface import FUNCTION_WORDS
from elq.names.writing import NameCollector, in_memory

WORDS = "the and s a of in j r one ii 4 hampton awards diaries john star wars warsaw tolkien x".split()
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


def index_of(*parts: list[str]) -> NameIndex:
    """The index of names in several parts."""
    made = []
    for place, names in enumerate(parts):
        collector = NameCollector(first=10 * place)
        collector.add(list(dict.fromkeys(names)), 1.0)
        made.append(in_memory(collector))
    return NameIndex(made[0] if len(made) == 1 else JoinedNames(made), FUNCTION_WORDS)


@settings(max_examples=300, deadline=None)
@given(names=st.lists(TEXTS, min_size=1, max_size=6), text=TEXTS, most=st.integers(1, 6), parts=st.booleans())
@example(names=[["j", "r", "tolkien"]], text=["tolkien", "j", "r"], most=6, parts=False)  # letters become one word
@example(names=[["hampton", "the", "wars"]], text=["the", "hampton", "wars", "and"], most=4, parts=False)
@example(names=[["wars", "4"]], text=["john", "wars", "the", "iv"], most=3, parts=False)
@example(names=[["star", "diary"]], text=["diaries", "of", "the", "star"], most=6, parts=True)
@example(names=[["john", "of", "hampton"]], text=["star", "of", "hampton"], most=6, parts=False)
def test_no_run_is_left_out(names, text, most, parts):
    keys = [" ".join(name) for name in names]
    index = index_of(keys[::2], keys[1::2]) if parts and len(keys) > 1 else index_of(keys)
    found = {(first, after): (key, respelled) for first, after, key, respelled in names_of_runs(text, most, index)}
    for first in range(len(text)):
        for after in range(first + 2, min(first + most, len(text)) + 1):
            key = " ".join(text[first:after])
            kind = index.kind(key)
            if (first, after) in found:
                assert found[first, after][0] == key
                assert index.kind(key, found[first, after][1]) == kind
            else:
                assert kind == -1

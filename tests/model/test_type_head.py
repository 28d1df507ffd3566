"""The type head: the pass through the hierarchy equals loops over the types, and gives the published examples."""

import json

import pytest
import torch

from elq.entities.hierarchy import Hierarchy
from elq.errors import ElqError
from elq.model.config import FORMAT, read_config
from elq.model.network import ELQ
from elq.model.type_head import NORMS, TYPE_KINDS, TypeHead, bottom_up, levels_of

PARENTS = [-1, 0, 1, 1, 2, 2, 2, 3, -1, 8, 8, 8, 10, 10]
VALUES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.5, 0.3, 0.7, 0.9, 0.2, 0.1]
BY_MAX = [0.8, 0.8, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8, 0.9, 0.3, 0.2, 0.9, 0.2, 0.1]
BY_SUM = [1.0, 1.0, 1.0, 0.8, 0.5, 0.6, 0.7, 0.8, 1.0, 0.3, 0.3, 0.9, 0.2, 0.1]


def slow(values, parents, norm, *, own, weights=None):
    """The pass with loops: every type after its children, which stand behind it."""
    found, weights = list(values), weights or [1.0] * len(values)
    for place in reversed(range(len(parents))):
        children = [weights[child] * found[child] for child in range(len(parents)) if parents[child] == place]
        if children:
            every = [found[place], *children] if own else children
            found[place] = max(every) if norm == "goedel" else min(1.0, sum(every))
    return found


@pytest.mark.parametrize(("norm", "expected"), [("goedel", BY_MAX), ("lukasiewicz", BY_SUM)])
def test_the_published_examples(norm, expected):
    found = bottom_up(torch.tensor([VALUES]), levels_of(PARENTS), norm, own=False)
    torch.testing.assert_close(found, torch.tensor([expected]))
    assert slow(VALUES, PARENTS, norm, own=False) == pytest.approx(expected)


def test_an_own_value_is_kept_only_where_it_is_asked_for():
    """Type 10 has .7 and children with .2 and .1: the published pass forgets that it is probable."""
    ours, theirs = (bottom_up(torch.tensor([VALUES]), levels_of(PARENTS), "goedel", own=own)[0, 10] for own in (True, False))
    assert (ours.item(), theirs.item()) == (pytest.approx(0.7), pytest.approx(0.2))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("norm", ["goedel", "lukasiewicz"])
def test_the_pass_equals_loops_over_the_types(norm, own):
    generator = torch.Generator().manual_seed(5)
    for size in (1, 2, 9, 40):
        parents = [int(torch.randint(-1, n, (1,), generator=generator)) if n else -1 for n in range(size)]
        values, weights = torch.rand(6, size, generator=generator) ** 3, torch.rand(size, generator=generator)
        for given in (None, weights):
            factors = None if given is None else given.tolist()
            expected = [slow(row, parents, norm, own=own, weights=factors) for row in values.tolist()]
            found = bottom_up(values, levels_of(parents), norm, own=own, weights=given)
            torch.testing.assert_close(found, torch.tensor(expected))
            if own and given is None:  # then no type is less probable than a type below it
                assert all((found[:, parent] >= found[:, n]).all() for n, parent in enumerate(parents) if parent >= 0)


@pytest.mark.parametrize("norm", ["goedel", "lukasiewicz"])
def test_gradients_are_those_of_the_loops(norm):
    values = (0.3 * torch.rand(1, len(PARENTS), generator=torch.Generator().manual_seed(2))).double()
    weights = torch.rand(len(PARENTS), generator=torch.Generator().manual_seed(3)).double()
    inputs = (values.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(lambda v, w: bottom_up(v, levels_of(PARENTS), norm, weights=w), inputs)


HIERARCHY = Hierarchy(tuple("abcdefghijklmn"), tuple(PARENTS))


@pytest.mark.parametrize("kind", TYPE_KINDS[1:])
def test_the_head_is_a_linear_map_a_sigmoid_and_the_pass(kind):
    head = TypeHead(4, HIERARCHY, kind=kind, own=False)
    torch.nn.init.normal_(head.linear.weight, std=2.0)
    torch.nn.init.normal_(head.linear.bias)
    vectors = torch.randn(3, 6)  # two columns belong to the prior
    plain = (vectors[:, :4] @ head.linear.weight.T + head.linear.bias).sigmoid()
    expected = plain.tolist()
    if kind in NORMS:
        weights = None if head.weight is None else [torch.tensor(2.0).sigmoid().item()] * 14
        norm = kind.removeprefix("weighted_")
        expected = [slow(row, PARENTS, norm, own=False, weights=weights) for row in plain.tolist()]
    assert (head.weight is not None) == kind.startswith("weighted_")
    torch.testing.assert_close(head(vectors), torch.tensor(expected))
    shown = head.most_probable(head(vectors)).of(1)
    order = torch.tensor(expected[1]).sort(descending=True, stable=True).values[:5]
    assert [*shown.values()] == pytest.approx([p for p in order.tolist() if p >= 0.05], abs=1e-5)
    assert all(expected[1][HIERARCHY.names.index(name)] == pytest.approx(p, abs=1e-5) for name, p in shown.items())


def test_every_type_is_improbable_at_first():
    assert (TypeHead(4, HIERARCHY, kind="lukasiewicz")(torch.randn(2, 4)) < 0.05).all()


@pytest.mark.parametrize("kind", ["goedel", "weighted_lukasiewicz"])
def test_save_then_load_keeps_the_types(kind, encoder_folder, tokenizer, tmp_path):
    model = ELQ.from_encoder(encoder_folder, types=kind, own_type_scores=False)
    assert model.types is None
    model.add_types(HIERARCHY)
    torch.nn.init.normal_(model.types.linear.weight)
    head = model.types
    model.add_types(HIERARCHY)
    assert model.types is head
    model.save_pretrained(tmp_path, tokenizer)
    again = ELQ.from_pretrained(tmp_path)
    vectors = torch.randn(5, 32)
    assert again.config == model.config
    assert (again.types.hierarchy, again.types.own) == (HIERARCHY, False)
    assert torch.equal(again.types(vectors), model.types(vectors))
    further = ELQ.from_encoder(tmp_path, types=kind, own_type_scores=False)
    further.add_types(HIERARCHY)
    assert torch.equal(further.types(vectors), model.types(vectors))  # a training goes on with the same head
    for settings in ({"types": "none"}, {"types": "flat"}, {"own_type_scores": True}):
        assert ELQ.from_encoder(tmp_path, **settings).types is None


def test_a_model_without_types_is_written_as_before(encoder_folder, tokenizer, tmp_path):
    model = ELQ.from_encoder(encoder_folder, own_type_scores=False)
    model.save_pretrained(tmp_path, tokenizer)
    text = (tmp_path / "config.json").read_text()
    assert not any(word in text for word in ("types", "hierarchy", "own_type"))
    assert not any(name.startswith("types") for name in model.state_dict())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"types": "tree"}, "types is 'tree', but must be one of none, flat, goedel"),
        ({"own_type_scores": 1}, "own_type_scores is 1, but must be true or false"),
        ({"types": "flat", "hierarchy": {"names": ["a"], "parents": [0]}}, "is no topological order"),
        ({"types": "flat", "hierarchy": {"name": ["a"]}}, "has a hierarchy of types with other keys than names and parents"),
        ({"hierarchy": {"names": ["a"], "parents": [-1]}}, "there is a hierarchy of types, but types is 'none'"),
    ],
)
def test_odd_values_are_one_sentence(values, message, tmp_path):
    (path := tmp_path / "config.json").write_text(json.dumps({"format": FORMAT, "encoder": {}, **values}))
    with pytest.raises(ElqError, match=message):
        read_config(path)

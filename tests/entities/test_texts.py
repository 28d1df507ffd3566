import pytest

from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.types import Entity

TITANIC = Entity("Q44578", "Titanic (1997 film)", "Titanic", "film by Cameron", ("A", "B", "C", "D"), ("film", "x", "y", "z"))


def test_every_field_and_limit_is_a_knob():
    assert EntityText()(TITANIC) == "Titanic (1997 film) (A, B, C): film by Cameron"
    assert EntityText(fields=("label", "types"))(TITANIC) == "Titanic [film, x, y]"
    assert EntityText(fields=("title", "label", "description"))(TITANIC) == "Titanic (1997 film) / Titanic: film by Cameron"
    assert EntityText(max_aliases=1)(TITANIC) == "Titanic (1997 film) (A): film by Cameron"
    assert EntityText(fields=("title", "types"), max_types=1)(TITANIC) == "Titanic (1997 film) [film]"
    assert EntityText(max_aliases=0)(Entity("Q1", "One", "One")) == "One"


def test_bad_fields():
    with pytest.raises(ElqError, match="field 'name'"):
        EntityText(fields=("title", "name"))
    with pytest.raises(ElqError, match="max_aliases is -1"):
        EntityText(max_aliases=-1)
    with pytest.raises(ElqError, match="needs title or label"):
        EntityText(fields=("description",))


def test_the_chinese_form_has_label_types_and_aliases():
    paris = Entity("Q90", "巴黎 (法国)", "巴黎", "法国首都", ("花都", "光之城"), ("城市", "首都"))
    assert EntityText(form="chinese")(paris) == "巴黎; 类型: 城市、首都; 别名: 花都、光之城"
    assert EntityText(form="chinese", max_aliases=0, max_types=1)(paris) == "巴黎; 类型: 城市"
    with pytest.raises(ElqError, match="the form of an entity text is 'french', but must be one of description, chinese"):
        EntityText(form="french")

from elq.disambiguation.split import is_development, part_of
from elq.questions.annotated import read_questions
from elq.types import Mention, Question


def test_a_text_is_in_each_part_with_its_own_mentions_only():
    both = Question("1", "Universe and Obama and nobody", (Mention(0, 8, "Q1"), Mention(13, 18, "Q76"), Mention(23, 29, None)))
    train, development = (part_of([both], development=part) for part in (False, True))
    assert [question.mentions for question in train] == [(Mention(13, 18, "Q76"),)]
    assert [question.mentions for question in development] == [(Mention(0, 8, "Q1"),)]
    assert part_of([Question("2", "nobody", (Mention(0, 6, None),))], development=True) == []


def test_a_fifth_of_the_entities_is_for_development():
    assert 180 < sum(is_development(f"Q{number}") for number in range(1000)) < 215


def test_no_entity_of_the_captions_is_in_both_parts(shared):
    captions = read_questions(shared / "questions" / "captions.jsonl")
    train, development = (
        [m.entity for question in part_of(captions, development=part) for m in question.mentions] for part in (False, True)
    )
    assert not {*train} & {*development}
    assert len(train) + len(development) == 7171
    assert 0.15 < len(development) / 7171 < 0.25

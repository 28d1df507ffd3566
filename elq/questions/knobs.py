"""Knobs: the probabilities that shape template questions (elq/questions/templates.py)."""

from dataclasses import astuple, dataclass, fields

from elq.errors import ElqError


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The probabilities that shape template questions.

    Args:
        no_mention: a question has no mention. No public set has such questions, and a model that was trained without them
            links words in every question.
        two_mentions: a question has two mentions (fewer have them if the catalogue has no second entity that fits).
        alias: an alias is used instead of the label, if the record has an alias of at least 3 characters with a letter.
        name_part: a part of the name is used, such as Heathrow for London Heathrow Airport. The part has no first or last words
            that very many names of the catalogue contain, and it may lack further words at the beginning.
        lower_case: the whole question is in lower case, as most people type.
        misspelling: a mention of at least 5 letters has one wrong letter.
        bare_possessive: "obamas wife" is written if the template sentence has "obama's wife".
        question_mark: the "?" of the template sentence is written.
        namesake: an entity is accepted although its name also belongs to an earlier row. Names in questions mostly mean the
            most famous entity of that name, and the first row is assumed to be that entity (the lowest Wikidata id is right
            for 82% of the ambiguous names in WebQSP).
        fame: an entity is drawn with a probability proportional to 1 / sqrt(row), since people ask about famous entities more
            often. The other entities are drawn uniformly, so that a model also learns about the rest of the catalogue.
        clue: a question is about an entity that shares its label or surname with others, and words of its description or types
            stand beside the name, so that the context decides (elq/questions/namesakes.py). Such a question has one mention,
            and names in the words beside it are no negatives. The other probabilities hold for the rest of the questions.
        unknown: a question without a clue is about a name that no entity has, but whose two parts are in names of entities: a
            surname with a first name of somebody else, or "Battle of …" with another place (elq/questions/unknown.py). It has
            one mention, without an entity.
    """

    no_mention: float = 0.03
    two_mentions: float = 0.15
    alias: float = 0.25
    name_part: float = 0.0
    lower_case: float = 0.9
    misspelling: float = 0.05
    bare_possessive: float = 0.3
    question_mark: float = 0.5
    namesake: float = 0.1
    fame: float = 0.5
    clue: float = 0.0
    unknown: float = 0.0

    def __post_init__(self) -> None:
        for knob, value in zip(fields(self), astuple(self), strict=True):
            if not 0 <= value <= 1:
                raise ElqError(f"{knob.name} is {value}, but it is a probability: give a number from 0 to 1")
        if (total := self.no_mention + self.two_mentions) > 1:
            raise ElqError(f"no_mention and two_mentions add up to {total}, but their sum must be at most 1: lower one of them")

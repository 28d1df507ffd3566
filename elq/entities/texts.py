"""Entity texts: makes the text that the encoder reads from a catalogue record."""

from dataclasses import dataclass

from elq.encoding.marked import chinese_entity
from elq.errors import ElqError
from elq.types import Entity

FORMS = ("description", "chinese")


@dataclass(frozen=True)  # no slots: the training parser reads its __dict__
class EntityText:
    """Makes the text of an entity: ``title (aliases) [types]: description``, of which only the chosen fields are written.

    The form ``chinese`` is ``label; 类型: types; 别名: aliases``, see :func:`elq.encoding.marked.chinese_entity`. Of the
    settings, it reads only ``max_aliases`` and ``max_types``.

    >>> EntityText()(Entity("Q1", "Paris", "Paris", "capital of France", ("City of Light",), ("city",)))
    'Paris (City of Light): capital of France'
    >>> EntityText(fields=("title", "types"))(Entity("Q1", "Paris", "Paris", "capital of France", (), ("city",)))
    'Paris [city]'
    """

    fields: tuple[str, ...] = ("title", "aliases", "description")
    max_aliases: int = 3
    max_types: int = 3
    separator: str = ": "  # before the description
    form: str = "description"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ElqError(f"the form of an entity text is {self.form!r}, but must be one of {', '.join(FORMS)}: choose one")
        known = ("title", "label", "aliases", "types", "description")
        for field in self.fields:
            if field not in known:
                raise ElqError(
                    f"the entity text names the field {field!r}, but the fields are {', '.join(known)}: use only these"
                )
        if min(self.max_aliases, self.max_types) < 0:
            raise ElqError(
                f"max_aliases is {self.max_aliases} and max_types is {self.max_types}, but both must be at least 0: raise them"
            )
        if not {"title", "label"} & set(self.fields):
            raise ElqError(f"the entity text has the fields {list(self.fields)}, but it needs title or label: add one of them")

    def __call__(self, entity: Entity) -> str:
        """The text of one entity."""
        if self.form == "chinese":
            return chinese_entity(entity, self.max_aliases, self.max_types)
        names = [name for field, name in (("title", entity.title), ("label", entity.label)) if field in self.fields]
        text = " / ".join(dict.fromkeys(names))
        if "aliases" in self.fields and entity.aliases[: self.max_aliases]:
            text += f" ({', '.join(entity.aliases[: self.max_aliases])})"
        if "types" in self.fields and entity.types[: self.max_types]:
            text += f" [{', '.join(entity.types[: self.max_types])}]"
        if "description" in self.fields and entity.description:
            text += f"{self.separator}{entity.description}"
        return text

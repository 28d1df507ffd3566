"""The contract: the records of requests and answers, which the OpenAPI document shows."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from elq.errors import ElqError

CANDIDATES = 100  # the largest K of a request
EXAMPLE: JsonDict = {"question": "who directed titanic?"}
SEVERAL: JsonDict = {"questions": ["who directed titanic?", "how old is paris"], "threshold": -2.5}
Span = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Record(BaseModel):
    """Fields that have no other names, and values that are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LinkRequest(Record):
    """One question, or several, with the options that hold for all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE, SEVERAL]})

    question: str | None = Field(None, description="one question; either this or `questions` is given")
    questions: list[str] | None = Field(None, description="several questions, at least one")
    threshold: float | None = Field(
        None,
        le=0,
        allow_inf_nan=False,
        description="the threshold γ, the lowest score of a link, a natural logarithm; by default that of the model",
    )
    min_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="the lowest probability of a link, instead of the model's threshold; with `threshold`, a link needs both",
    )
    candidates: int | None = Field(
        None, ge=1, le=CANDIDATES, description="K, the number of entities that are considered for a mention"
    )
    mentions: list[Span] | list[list[Span]] | None = Field(
        None,
        description="link these mentions and no others: for `question` a list of [start, end], for `questions` a list of such"
        " lists; code points, counted from 0, and end is the place after the last one",
        examples=[[[13, 20]]],
    )
    types: list[str] | None = Field(None, description="only entities that have one of these types", examples=[["film"]])
    ids: list[str] | None = Field(None, description="only entities with one of these ids", examples=[["Q44578", "Q25173"]])
    nil: bool = Field(False, description="whether NIL (not in the catalogue) is a candidate; not every model has it")
    concepts: Literal["keep", "drop"] | None = Field(
        None, description='whether generic nouns, such as "high school", are links; by default as the model says'
    )
    context: list[str] | None = Field(
        None,
        description="earlier turns of a conversation, oldest first, only with `question`: they are read, never linked; the"
        " oldest are left out if not all fit into one window of the encoder",
        examples=[["i watch films"]],
    )
    with_candidates: bool = Field(False, description="whether each link carries its candidates and the score of NIL")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.question is None) == (self.questions is None):
            both = "both question and questions are" if self.question is not None else "neither question nor questions is"
            raise ElqError(f'{both} given: give one of them, such as {{"question": "who directed titanic?"}}')
        if self.context is not None and self.question is None:
            raise ElqError("context is given with questions, but belongs to one question: give question instead of questions")
        if self.questions is not None and self.mentions is not None and len(self.mentions) != len(self.questions):
            raise ElqError(
                f"there are {len(self.questions)} questions, but mentions has {len(self.mentions)} lists: give one for each"
            )
        return self

    @property
    def texts(self) -> list[str]:
        """The questions."""
        return [self.question] if self.question is not None else list(self.questions or ())

    @property
    def spans(self) -> list[Any] | None:
        """The given mentions of each question; None if mentions are not given."""
        return [self.mentions] if self.mentions is not None and self.question is not None else self.mentions


class CandidateAnswer(Record):
    """One of the K entities that were considered for a mention."""

    entity: str = Field(description="the id of the entity")
    title: str
    description: str
    types: list[str]
    score: float | None = Field(description="log p(entity | mention), a natural logarithm; null where it is not finite")


class LinkAnswer(Record):
    """A linked mention."""

    start: int = Field(description="the first character of the mention, in code points of the text, counted from 0")
    end: int = Field(description="the place after the last character of the mention")
    mention: str = Field(description="the characters of the mention")
    entity: str = Field(description='the id of the entity, or "NIL"')
    title: str
    description: str
    score: float | None = Field(description="log p(mention) + log p(entity | mention); null where it is not finite")
    mention_score: float | None = Field(description="log p(mention); null where it is not finite")
    probability: float | None = Field(description="how likely the link is right; null if the model has no calibration")
    types: list[str] = Field(description="the types of the entity")
    data: dict[str, str] = Field(description="the further columns of the catalogue")
    candidates: list[CandidateAnswer] | None = Field(None, description="best first; only if `with_candidates` was asked for")
    nil_score: float | None = Field(
        None,
        description="log p(NIL | mention): NIL means that the entity is not in the catalogue; only if `with_candidates` was"
        " asked for; null if the model has no NIL. The rest of the probability belongs to entities that are no candidates",
    )
    type_scores: dict[str, float] | None = Field(
        None, description="the types that the model predicts for the mention, with probabilities; only if it learned types"
    )


class ResultAnswer(Record):
    """The links of one question, in reading order."""

    text: str
    windows: int = Field(description="the number of windows in which the text was read: 1, or more for a long text")
    links: list[LinkAnswer]


class Answer(Record):
    """The answer to a request."""

    catalogue: str = Field(description="the name of the catalogue")
    version: str = Field(description="changes when the model or its entities change")
    results: list[ResultAnswer] = Field(description="one for each question, in their order")


class ErrorAnswer(Record):
    """What is wrong, in one sentence: the value, the limit and the remedy."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": "the body is not JSON (…): send a JSON object"}]})

    error: str


class StateAnswer(Record):
    """The state of the server."""

    status: str = Field(description="ok, ready, starting or stopping")


class CatalogueAnswer(Record):
    """A served catalogue."""

    entities: int = Field(description="the number of entities")
    version: str = Field(description="changes when the model or its entities change")
    threshold: float | None = Field(description="the threshold γ of the model; null where it is not finite")
    candidates: int = Field(description="K, the number of entities that are considered for a mention")
    calibration: bool = Field(description="whether links have a probability")
    nil: bool = Field(description="whether NIL can be asked for")
    reload_error: str | None = Field(description="why the newest files are not served; null if they are")


class LimitsAnswer(Record):
    """The limits of a request."""

    body_bytes: int
    questions: int
    text_characters: int
    candidates: int
    timeout_seconds: float
    queue_questions: int


class InfoAnswer(Record):
    """What the server serves."""

    elq: str = Field(description="the version of elq")
    default: str = Field(description="the catalogue of POST /link")
    catalogues: dict[str, CatalogueAnswer]
    limits: LimitsAnswer

"""Parts: what a linker consists of, as attributes that can be read."""

import torch

from elq.encoding.tokens import QuestionTokenizer
from elq.linking.balance import Balance
from elq.linking.decision import DEFAULTS
from elq.linking.scorer import Scorer
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary


class Parts:
    """The parts of :class:`elq.linking.linker.Linker`, whose constructor sets the scorer."""

    scorer: Scorer
    concepts: str

    @property
    def model(self) -> ELQ:
        """The network."""
        return self.scorer.model

    @property
    def tokenizer(self) -> QuestionTokenizer:
        """The tokenizer of questions."""
        return self.scorer.tokenizer

    @property
    def dictionary(self) -> Dictionary | None:
        """The names of the catalogue; None for a model that does not use them."""
        return self.scorer.retriever.dictionary

    @property
    def score_mode(self) -> str:
        """The entities over which p(entity | mention) is normalised, see elq/linking/scoring.py."""
        return self.scorer.score_mode

    @property
    def type_score_weight(self) -> float:
        """The weight of types in the score of candidates, see elq/linking/type_fit.py; 0: they do not count."""
        types = self.scorer.retriever.types_in_score
        return 0.0 if types is None else types.weight

    @property
    def balance(self) -> Balance:
        """How much names, NIL and small letters count."""
        return self.scorer.retriever.balance

    def further(self) -> list[tuple[str, float | str]]:
        """The settings of a decision that differ from their defaults, and that not every model has: name and value."""
        found: dict[str, float | str] = {
            "nil_shift": self.balance.nil_shift,
            "name_factor": self.balance.name_factor,
            "small_shift": self.balance.small_shift,
            "concepts": self.concepts,
        }
        return [(name, value) for name, value in found.items() if value != DEFAULTS[name]]

    @property
    def device(self) -> torch.device:
        """The device on which the encoder runs."""
        return self.scorer.device

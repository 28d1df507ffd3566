"""Settings: what a user says about the spaCy component, and its checks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.linking.inputs import check_probability, check_threshold, shown

ENTS = ("add", "replace", "none", "given")
NEEDED = ("span_key", "device")  # these texts cannot be left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the component; docs/spacy.md explains them.

    Raises:
        ElqError: a value is not allowed.
    """

    model: str | None = None
    catalogue: str | None = None
    columns: Mapping[str, str] | None = None
    threshold: float | None = None
    min_probability: float | None = None
    nil: bool = False
    span_key: str = "elq"
    ents: str = "add"
    label: str | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("model", "catalogue", "label", "span_key", "device"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value) and (value is not None or name in NEEDED):
                raise ElqError(f"{name} of the spaCy component is {shown(value)}, but must be a text: give a string")
        if self.ents not in ENTS:
            raise ElqError(
                f"ents of the spaCy component is {shown(self.ents)}, but must be one of {', '.join(ENTS)}: choose one"
            )
        if not isinstance(self.nil, bool):
            raise ElqError(f"nil of the spaCy component is {shown(self.nil)}, but must be true or false: give one of them")
        if self.columns is not None and (self.catalogue is None or not isinstance(self.columns, Mapping)):
            raise ElqError(
                f"columns of the spaCy component is {shown(self.columns)}, but must be pairs of our field and a column of the"
                ' catalogue, such as {"id": "sku"}: correct it, and give catalogue'
            )
        if self.threshold is not None:
            check_threshold(self.threshold)
        if self.min_probability is not None:
            check_probability(self.min_probability)

    @property
    def are_here(self) -> bool:
        """Whether the model and the catalogue are on this machine."""
        named = [name for name in (self.model, self.catalogue) if name not in (None, GENERAL)]
        return all(Path(str(name)).expanduser().exists() for name in named)


DEFAULTS = asdict(Settings())

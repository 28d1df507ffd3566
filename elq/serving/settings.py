"""Settings: the flags of `elq serve`, each of which is an environment variable too."""

import argparse
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from elq.errors import ElqError
from elq.linking.inputs import CONCEPTS, MOST_TYPE_SCORE_WEIGHT

PREFIX = "ELQ_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a catalogue: it is a part of the path /v1/NAME/link
DEFAULT = "default"  # the name of a model folder or catalogue that is given without a name
LEAST: Mapping[str, float] = {  # of the others: 1
    "port": 0,
    "max_wait_ms": 0,
    "reload_seconds": 0,
    "timeout": 0.01,
    "type_score_weight": 0,
}
MOST: Mapping[str, float] = {
    "port": 65_535,
    "max_wait_ms": 10_000,
    "timeout": 86_400,
    "reload_seconds": 86_400,
    "type_score_weight": MOST_TYPE_SCORE_WEIGHT,
}


def _flag(default: Any, help: str, metavar: str | None = None, *, shown: bool = True) -> Any:
    return field(default=default, repr=shown, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a server; the help of each is in its metadata, from which the flags are made.

    Raises:
        ElqError: a value is outside its limits, or the server would listen to other machines without a token.
    """

    model: tuple[str, ...] = _flag((), "serve this model folder; may be repeated, with a name for each", "[NAME=]DIR")
    catalogue: tuple[str, ...] = _flag(
        (), "serve this catalogue file with the general model; may be repeated, with a name for each", "[NAME=]FILE"
    )
    pictures: str = _flag("", "serve this model for mentions with pictures too, at /pictures", "DIR")
    picture_files: str = _flag(
        "", "folder of the catalogue file with the entities' pictures, so that the page shows them", "DIR"
    )
    host: str = _flag("127.0.0.1", "address to listen at; one that other machines reach needs a token")
    port: int = _flag(8080, "port to listen at; 0 takes a free one")
    token: str = _flag("", "token that each request must bring (Authorization: Bearer …); better in ELQ_TOKEN", shown=False)
    max_queue: int = _flag(2000, "questions that may wait; beyond it the answer is 429", "QUESTIONS")
    max_batch_tokens: int = _flag(4096, "tokens, with padding, that the encoder reads in one pass", "TOKENS")
    max_wait_ms: float = _flag(4.0, "longest time for which a question waits for others of its batch", "MS")
    timeout: float = _flag(30.0, "longest time for an answer; after it the answer is 504", "SECONDS")
    max_body: int = _flag(1_048_576, "largest body of a request", "BYTES")
    max_picture: int = _flag(8_388_608, "largest file of a picture in a request", "BYTES")
    max_questions: int = _flag(1000, "largest number of questions in one request", "N")
    max_text: int = _flag(10_000, "longest text of a question", "CHARACTERS")
    reload_seconds: float = _flag(5.0, "how often to look for a changed model folder or catalogue; 0: never", "SECONDS")
    device: str = _flag("cpu", "where the encoder runs: cpu, cuda, auto, …")
    backend: str = _flag("torch", "what computes the encoder: torch, or onnx or openvino after `elq export`")
    dtype: str = _flag("fp32", "number format of the encoder: fp32, bf16 (torch, openvino), int8 (onnx), auto")
    type_score_weight: float = _flag(0.0, "weight of types in the score of candidates, for models with types", "W")
    concepts: str = _flag("", "whether generic nouns are links: keep or drop; not given: as each model says", "keep|drop")
    feedback: str = _flag("", "file to which the page's corrections are written as annotated questions", "FILE")
    tracing: bool = _flag(False, "send traces with OpenTelemetry, to the address in OTEL_EXPORTER_OTLP_ENDPOINT")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                _check_number(each.name, value)
        if self.concepts not in ("", *CONCEPTS):
            raise ElqError(f"{_named('concepts')} is {self.concepts!r}, but must be keep or drop: give one of them")
        if not self.token and not is_loopback(self.host):
            raise ElqError(
                f"{_named('host')} is {self.host}, which other machines can reach, but no token is set: set ELQ_TOKEN to a long"
                " random text, or listen at 127.0.0.1"
            )
        if self.token and (not self.token.isascii() or not self.token.isprintable() or " " in self.token):
            raise ElqError("the token (ELQ_TOKEN) has spaces or other characters than ASCII: take letters and digits")

    @property
    def opening(self) -> dict[str, Any]:
        """How linkers are opened: what computes the encoder, how much types count, and what becomes of generic nouns."""
        found = {name: getattr(self, name) for name in ("device", "backend", "dtype", "type_score_weight")}
        return found | ({"concepts": self.concepts} if self.concepts else {})


def _named(name: str) -> str:
    return f"--{name.replace('_', '-')} (ELQ_{name.upper()})"


def _check_number(name: str, value: float) -> None:
    least, most = LEAST.get(name, 1), MOST.get(name, math.inf)
    if not (math.isfinite(value) and least <= value <= most):
        limit = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise ElqError(f"{_named(name)} is {value:g}, but must be a number {limit}: give such a number")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting to the arguments of a command. A flag that is not given has the value None."""
    for each in fields(Settings):
        name, help, metavar = f"--{each.name.replace('_', '-')}", each.metadata["help"], each.metadata["metavar"]
        if each.type is bool:
            parser.add_argument(name, action="store_const", const="true", help=help)
        elif isinstance(each.default, tuple):
            parser.add_argument(name, action="append", metavar=metavar, help=help)
        else:
            shown = f" (default: {each.default:,})" if isinstance(each.default, int) and each.name != "port" else ""
            shown = shown or (f" (default: {each.default:g})" if isinstance(each.default, float) else "")
            shown = shown or (f" (default: {each.default})" if each.default else "")
            parser.add_argument(name, metavar=metavar or each.name.rpartition("_")[2].upper(), help=help + shown)


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings from the flags of a command, the environment and the defaults, in this order.

    >>> read_settings({"port": "8081"}, {"ELQ_PORT": "8082", "ELQ_MODEL": "a=one,b=two"}).port
    8081

    Args:
        flags: name of the setting → text, list of texts, or None where the flag was not given.
        environment: the environment variables. A list has commas between its values.

    Raises:
        ElqError: a value is not of its type, or is outside its limits.
    """
    values = {}
    for each in fields(Settings):
        given, variable = flags.get(each.name), environment.get(f"{PREFIX}{each.name.upper()}", "")
        if given is None and variable:
            given = [part for part in variable.split(",") if part] if isinstance(each.default, tuple) else variable
        if given is not None:
            values[each.name] = _value(each, given)
    return Settings(**values)


def _value(setting: "Field[Any]", given: Any) -> Any:
    """A setting from its text."""
    default: Any = setting.default
    kind = type(default)
    if kind is bool:
        if (text := str(given).strip().lower()) not in (answers := {"true": True, "1": True, "false": False, "0": False}):
            raise ElqError(f"{_named(setting.name)} is {given!r}, but must be true or false: give one of them")
        return answers[text]
    if kind in (int, float):
        try:
            return kind(given)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            example = f"{default:g}" if kind is float else str(default)
            raise ElqError(f"{_named(setting.name)} is {given!r}, but must be {what}: give {example}, for example") from None
    return kind(given)


def named_sources(given: tuple[str, ...], flag: str) -> dict[str, str]:
    """The name and the path of each value of ``--model`` or ``--catalogue``.

    >>> named_sources(("shop=products.csv",), "--catalogue"), named_sources(("runs/a=1/model",), "--model")
    ({'shop': 'products.csv'}, {'default': 'runs/a=1/model'})

    Raises:
        ElqError: two values have the same name.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (equals and path and NAME.fullmatch(name)):
            name, path = DEFAULT, text
        if name in found:
            raise ElqError(f"{flag} gives the name {name} twice: give each its own name, as in {flag} NAME={path}")
        found[name] = path
    return found

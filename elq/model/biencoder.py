"""The bi-encoder: two towers that give a marked mention and an entity text vectors with a large inner product if they fit.

Source: BLINK (Wu et al. 2020, section 4.1). The entity tower is an ordinary encoder, so an ordinary entities folder is made
with it.

File format of a saved network: ``config.json`` (:class:`BiEncoderConfig`), ``model.safetensors`` (the context tower and the
scale), ``tokenizer.json``, and ``entity_encoder/``, the folder of the entity tower.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.marked import BLINK, CHINESE, MarkedTexts, Rows, with_markers
from elq.encoding.packed import load_weights, pack_exactly
from elq.encoding.pretrained import encoder_values, load_tokenizer, resolve_encoder
from elq.encoding.transformer import Encoder, cls_vectors, mean_vectors
from elq.entities.manifest import ENTITY_ENCODER
from elq.errors import ElqError
from elq.files import write_json
from elq.model.network import save_weights

KIND, FORMAT = "biencoder", 1
MARKERS = {"blink": BLINK, "chinese": CHINESE}
TOWERS, POOLINGS = ("own", "tied", "frozen"), ("mean", "cls", "mention")
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class BiEncoderSettings:
    """The settings of the network apart from its encoder.

    Args:
        entity_tower: ``own`` (both towers are trained, and start with the same weights), ``tied`` (one tower encodes both
            mentions and entities), or ``frozen`` (the vectors of an entities folder are used as they are, so no entity is
            encoded again).
        pooling: the vector of a text: ``mean`` (the mean of its tokens), ``cls`` (its first token), or ``mention`` (of a
            context, the mean of its tokens plus the mean of the tokens of the mention with its markers; of an entity, the mean
            of its tokens). Vectors other than ``cls`` have unit norm.
        scale: the value at which the learned scale of inner products starts; it is not used with ``cls``.
        context_tokens: the length of the longest context, in tokens with the special tokens and the markers.
        entity_tokens: the length of the longest entity text, in tokens with the special tokens.
        markers: ``blink`` ([unused0] …) or ``chinese`` ([ENT_S] …).
    """

    entity_tower: str = "own"
    pooling: str = "mention"
    scale: float = 20.0
    context_tokens: int = 64
    entity_tokens: int = 64
    markers: str = "blink"

    def __post_init__(self) -> None:
        for name, allowed in (("entity_tower", TOWERS), ("pooling", POOLINGS), ("markers", tuple(MARKERS))):
            if getattr(self, name) not in allowed:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}: choose one")
        if type(self.scale) not in (int, float) or not 0 < self.scale < math.inf:
            raise ElqError(f"scale is {self.scale!r}, but must be a number above 0: set it to 20.0, the default")

    @property
    def entity_pooling(self) -> str:
        """The pooling of entity texts, as an entities folder knows it."""
        return "cls" if self.pooling == "cls" else "mean"


@dataclass(frozen=True, kw_only=True)
class BiEncoderConfig(BiEncoderSettings):
    """Everything from which the towers are built before their weights are loaded: also the configuration of their encoder."""

    encoder: dict[str, Any]
    kind: str = KIND
    format: int = FORMAT


def read_config(folder: str | Path) -> BiEncoderConfig:
    """Read ``config.json`` of the folder of a bi-encoder.

    Raises:
        ElqError: the file is missing, is not that of a bi-encoder, or has unknown keys or values that are not allowed.
    """
    path = Path(folder) / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): give the folder of a bi-encoder, such as runs/…/model") from None
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("format") != FORMAT:
        raise ElqError(
            f"{path} is not the configuration of a bi-encoder of format {FORMAT}: give a folder that `elq train"
            " experiment=biencoder` made"
        )
    known = {field.name for field in fields(BiEncoderConfig)}
    if unknown := sorted(values.keys() - known):
        raise ElqError(
            f"{path} has the unknown keys {', '.join(unknown)}, but the keys are {', '.join(sorted(known))}: remove the unknown"
            " keys, or install the version of elq that wrote the file"
        )
    if not isinstance(values.get("encoder"), dict):
        raise ElqError(f"{path} lacks encoder, the settings of the towers: put a whole copy of the file in its place")
    return BiEncoderConfig(**values)


def mention_vectors(hidden: Tensor, rows: Rows, markers: Tensor) -> Tensor:
    """The mean of each context plus the mean of its mention with both markers, with unit norm.

    Args:
        hidden: (B, T, D) token vectors.
        rows: the ids of B contexts.
        markers: (2,) the ids of the markers before and behind the mention; each is in every row once.
    """
    first, last = ((rows.ids == marker).int().argmax(-1, keepdim=True) for marker in markers)  # (B, 1) twice
    places = torch.arange(rows.ids.shape[1], device=hidden.device)  # (T,)
    inside = (places >= first) & (places <= last)  # (B, T)
    whole = mean_vectors(hidden, rows.attention)  # (B, D)
    return nn.functional.normalize(whole + mean_vectors(hidden, inside), dim=-1)  # (B, D)


class BiEncoder(nn.Module):
    """Two towers, and the scale of their inner products.

    Args:
        config: the configuration.
        trained: whether the network will be trained. If not, most encoders need no transformers, whose import takes seconds.
        entity_tower: whether the network has an entity tower. Linking does not need one, since entities are in a table.
    """

    def __init__(self, config: BiEncoderConfig, *, trained: bool = True, entity_tower: bool = True) -> None:
        super().__init__()
        self.config = config
        self.context = Encoder(config.encoder, trained=trained)
        self.entity: Encoder | None = None
        if entity_tower and config.entity_tower != "frozen":
            self.entity = self.context if config.entity_tower == "tied" else Encoder(config.encoder, trained=trained)
        self.scale = nn.Parameter(torch.tensor(1.0 if config.pooling == "cls" else float(config.scale)).log())
        self.scale.requires_grad_(config.pooling != "cls")
        self.register_buffer("markers", torch.zeros(2, dtype=torch.int64))  # the ids around a mention
        for name in ("context_tokens", "entity_tokens"):
            if (value := getattr(config, name)) > self.context.max_tokens:
                raise ElqError(f"{name} is {value}, but the encoder takes {self.context.max_tokens} tokens: lower {name}")

    @property
    def width(self) -> int:
        """D, the width of a vector."""
        return self.context.width

    def context_vectors(self, rows: Rows) -> Tensor:
        """Vectors (B, D) fp32 of B contexts, times the scale."""
        hidden: Tensor = self.context(rows.ids, rows.attention)  # (B, T, D)
        if self.config.pooling == "cls":
            return cls_vectors(hidden, rows.attention)  # (B, D)
        if self.config.pooling == "mean":
            return self.scale.exp() * mean_vectors(hidden, rows.attention)  # (B, D)
        assert isinstance(self.markers, Tensor)
        return self.scale.exp() * mention_vectors(hidden, rows, self.markers)  # (B, D)

    def entity_vectors(self, rows: Rows) -> Tensor:
        """Vectors (B, D) fp32 of B entity texts."""
        assert self.entity is not None
        hidden: Tensor = self.entity(rows.ids, rows.attention)  # (B, T, D)
        return (cls_vectors if self.config.pooling == "cls" else mean_vectors)(hidden, rows.attention)  # (B, D)

    @classmethod
    def from_encoder(cls, name: str | Path, **settings: Any) -> tuple["BiEncoder", MarkedTexts]:
        """Make a network from a pretrained encoder, whose weights both towers start with.

        Args:
            name: folder or name of an encoder.
            settings: fields of :class:`BiEncoderSettings`.

        Returns:
            The network, and what turns texts into its ids.
        """
        folder, wanted = resolve_encoder(name), BiEncoderSettings(**settings)
        values = encoder_values(folder)
        tokenizer, markers = with_markers(load_tokenizer(folder), MARKERS[wanted.markers])
        start = with_words(Encoder.from_pretrained(folder), tokenizer.size if tokenizer.size > values["vocab_size"] else 0)
        network = cls(BiEncoderConfig(encoder=start.config, **asdict(wanted)))
        for tower in (network.context, network.entity):
            if tower is not None:
                tower.load_state_dict(start.state_dict())
        network.markers = torch.tensor([markers.mention_start, markers.mention_end])
        texts = MarkedTexts(tokenizer, markers, context_tokens=wanted.context_tokens, entity_tokens=wanted.entity_tokens)
        return network, texts

    def save_pretrained(self, folder: str | Path, texts: MarkedTexts) -> None:
        """Write the network and its tokenizer into an existing folder, and the entity tower into ``entity_encoder`` there."""
        folder = Path(folder)
        write_json(folder / CONFIG, asdict(self.config))
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("entity.")}
        save_weights(folder / WEIGHTS, pack_exactly(own))
        texts.tokenizer.save(folder / TOKENIZER)
        if self.entity is not None:
            (folder / ENTITY_ENCODER).mkdir(exist_ok=True)
            write_json(folder / ENTITY_ENCODER / CONFIG, self.entity.config)
            save_weights(folder / ENTITY_ENCODER / WEIGHTS, pack_exactly(self.entity.transformer.state_dict()))
            texts.tokenizer.save(folder / ENTITY_ENCODER / TOKENIZER)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, trained: bool = False, entity_tower: bool = False
    ) -> tuple["BiEncoder", MarkedTexts]:
        """Read a network from the files that :meth:`save_pretrained` wrote.

        Args:
            folder: the folder.
            trained: whether the network will be trained.
            entity_tower: whether the entity tower is read too.

        Raises:
            ElqError: a file is missing or unreadable, or the weights are not those that config.json describes.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        config = read_config(folder)
        try:
            network = cls(config, trained=trained, entity_tower=entity_tower)
        except ElqError:
            raise
        except Exception as error:  # transformers raises many kinds for a config.json that is damaged
            raise ElqError(
                f"{folder}/config.json describes no network ({' '.join(str(error).split())[:200]}): put a whole copy of the"
                " file in its place, or train the model again"
            ) from None
        try:
            weights = load_weights(folder / WEIGHTS)
            if network.entity is not None:
                tower = load_weights(folder / ENTITY_ENCODER / WEIGHTS)
                weights |= {f"entity.transformer.{name}": value for name, value in tower.items()}
            network.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ElqError(
                f"{folder} cannot be read ({' '.join(str(error).split())[:200]}): put whole copies of its files in their place,"
                " or train the model again"
            ) from None
        tokenizer, markers = with_markers(load_tokenizer(folder), MARKERS[config.markers])
        lengths = {name: getattr(config, name) for name in ("context_tokens", "entity_tokens")}
        return network.eval(), MarkedTexts(tokenizer, markers, **lengths)


def with_words(encoder: Encoder, size: int) -> Encoder:
    """An encoder with word vectors for at least ``size`` ids. The new ones are the mean of the others."""
    words = encoder.transformer.get_input_embeddings().weight  # (V, D)
    if size <= len(words):
        return encoder
    grown, weights = Encoder({**encoder.config, "vocab_size": size}), encoder.state_dict()
    name = next(key for key, value in weights.items() if key.endswith("word_embeddings.weight") and value.shape == words.shape)
    weights[name] = torch.cat([words, words.mean(0).expand(size - len(words), -1)]).detach()  # (size, D)
    grown.load_state_dict(weights)
    return grown

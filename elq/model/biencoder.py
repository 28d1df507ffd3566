"""The bi-encoder: two towers that give a marked mention and an entity text vectors with a large inner product if they fit.

Source: BLINK (Wu et al. 2020, section 4.1). The entity tower is an ordinary encoder, so an ordinary entities folder is made
with it.

File format of a saved network: ``config.json`` (:class:`BiEncoderConfig`), ``model.safetensors`` (the context tower and the
scale), ``tokenizer.json``, and ``entity_encoder/``, the folder of the entity tower.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.added_words import AddedWords, add_words, first_values, with_words, without_added, words_of
from elq.encoding.marked import MarkedTexts, Rows, with_markers
from elq.encoding.packed import load_weights, pack_exactly
from elq.encoding.pretrained import encoder_values, load_tokenizer, resolve_encoder
from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder, cls_vectors, mean_vectors
from elq.entities.manifest import ENTITY_ENCODER
from elq.errors import ElqError
from elq.files import write_json
from elq.model.biencoder_config import CONFIG, MARKERS, BiEncoderConfig, BiEncoderSettings, read_config
from elq.model.network import save_weights

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


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


def marked_texts(config: BiEncoderConfig, tokenizer: QuestionTokenizer) -> MarkedTexts:
    """What turns texts into the ids of a network. The tokenizer need not know the markers."""
    marked, markers = with_markers(tokenizer, MARKERS[config.markers])
    return MarkedTexts(
        marked,
        markers,
        context_tokens=config.context_tokens,
        entity_tokens=config.entity_tokens,
        plain=tokenizer if config.added_words else None,
        cut=config.markers == "chinese",
    )


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
        if config.added_words:
            add_words(self.context, config.added_words)
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
        return self.pooled(self.context(rows.ids, rows.attention), rows)  # (B, D)

    def pooled(self, hidden: Tensor, rows: Rows) -> Tensor:
        """The vectors (B, D) fp32 of B contexts from their token vectors (B, T, D), times the scale."""
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
        start, plain = Encoder.from_pretrained(folder), load_tokenizer(folder)
        tokenizer, markers = with_markers(plain, MARKERS[wanted.markers])
        new = [name for name in MARKERS[wanted.markers] if plain.id_of(name) is None] if wanted.markers == "chinese" else []
        if not new:
            larger = tokenizer.size > encoder_values(folder)["vocab_size"]
            start = with_words(start, tokenizer.size if larger else 0)
        network = cls(BiEncoderConfig(encoder=start.config, added_words=len(new), **asdict(wanted)))
        for tower in (network.context, network.entity):
            if tower is not None:
                tower.load_state_dict({**tower.state_dict(), **start.state_dict()})
        words = words_of(network.context)
        if isinstance(words, AddedWords):
            words.added.data, words.first = first_values(start, plain, new), torch.tensor(plain.size)
        network.markers = torch.tensor([markers.mention_start, markers.mention_end])
        return network, marked_texts(network.config, plain)

    def save_pretrained(self, folder: str | Path, texts: MarkedTexts) -> None:
        """Write the network and its tokenizer into an existing folder, and the entity tower into ``entity_encoder`` there."""
        folder = Path(folder)
        values = asdict(self.config)
        write_json(folder / CONFIG, {name: value for name, value in values.items() if name != "added_words" or value})
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("entity.")}
        save_weights(folder / WEIGHTS, pack_exactly(own))
        texts.plain.save(folder / TOKENIZER)
        if self.entity is not None:
            (folder / ENTITY_ENCODER).mkdir(exist_ok=True)
            write_json(folder / ENTITY_ENCODER / CONFIG, self.entity.config)
            tower = without_added(self.entity.transformer.state_dict())
            save_weights(folder / ENTITY_ENCODER / WEIGHTS, pack_exactly(tower))
            texts.plain.save(folder / ENTITY_ENCODER / TOKENIZER)

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
                if network.entity is network.context:
                    own = "context.transformer."
                    tower = {k.removeprefix(own): v for k, v in weights.items() if k.startswith(own)} | tower
                weights |= {f"entity.transformer.{name}": value for name, value in tower.items()}
            network.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ElqError(
                f"{folder} cannot be read ({' '.join(str(error).split())[:200]}): put whole copies of its files in their place,"
                " or train the model again"
            ) from None
        return network.eval(), marked_texts(config, load_tokenizer(folder))

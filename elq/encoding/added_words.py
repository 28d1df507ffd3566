"""Added words: the vectors of tokens that a vocabulary lacks, in a small table beside the word vectors of an encoder.

So the added vectors can be trained while the word vectors stay as they are, and these keep their size in a file.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder

SEED = 20  # of the first values
OWN = ("added", "first")  # the names of what an encoder has with added words, and lacks without them
LIKE = {"[ENT_S]": "【", "[ENT_E]": "】"}  # an added token starts as a token that is used in a similar way


class AddedWords(nn.Embedding):
    """Word vectors, and those of A added tokens, which have the ids from ``first`` on.

    Args:
        words: the word vectors of an encoder.
        count: A.
    """

    def __init__(self, words: nn.Embedding, count: int) -> None:
        super().__init__(words.num_embeddings, words.embedding_dim, padding_idx=words.padding_idx, _weight=words.weight)
        self.added = nn.Parameter(words.weight.new_zeros(count, words.embedding_dim))  # (A, D)
        self.register_buffer("first", torch.tensor(words.num_embeddings))

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors (B, T, D) of ids (B, T)."""
        assert isinstance(self.first, Tensor)
        new = ids >= self.first  # (B, T)
        if not new.any():
            return super().forward(ids)
        own = nn.functional.embedding((ids - self.first).clamp_min(0), self.added)  # (B, T, D)
        return torch.where(new.unsqueeze(-1), own, super().forward(ids.masked_fill(new, 0)))  # (B, T, D)


def words_of(encoder: Encoder) -> nn.Embedding:
    """The word vectors of an encoder."""
    words: nn.Embedding = encoder.transformer.get_input_embeddings()
    return words


def add_words(encoder: Encoder, count: int) -> None:
    """Put added words in the place of the word vectors of an encoder. Their values are 0."""
    words = words_of(encoder)
    for parent in [*encoder.transformer.modules()]:
        for name, child in [*parent.named_children()]:
            if child is words:
                setattr(parent, name, AddedWords(words, count))


def without_added(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an encoder as if no words had been added to it.

    >>> sorted(without_added({"words.weight": torch.ones(1), "words.added": torch.ones(1), "words.first": torch.ones(1)}))
    ['words.weight']
    """
    return {name: value for name, value in weights.items() if name.rpartition(".")[2] not in OWN}


def first_values(encoder: Encoder, tokenizer: QuestionTokenizer, names: list[str]) -> Tensor:
    """The vectors (A, D) with which the training of added tokens starts.

    A token starts with the vector of a token that is used in a similar way. If there is none, it starts with a random vector
    that has the mean norm of the word vectors.
    """
    words = words_of(encoder).weight.detach()  # (V, D)
    drawn = torch.randn(len(names), words.shape[1], generator=torch.Generator().manual_seed(SEED))  # (A, D)
    made: Tensor = nn.functional.normalize(drawn, dim=-1) * words.norm(dim=-1).mean()  # (A, D)
    for place, name in enumerate(names):
        if (like := tokenizer.id_of(LIKE.get(name, ""))) is not None:
            made[place] = words[like]
    return made


def with_words(encoder: Encoder, size: int) -> Encoder:
    """An encoder with word vectors for at least ``size`` ids. The new ones are the mean of the others."""
    words = words_of(encoder).weight  # (V, D)
    if size <= len(words):
        return encoder
    grown, weights = Encoder({**encoder.config, "vocab_size": size}), encoder.state_dict()
    name = next(key for key, value in weights.items() if key.endswith("word_embeddings.weight") and value.shape == words.shape)
    weights[name] = torch.cat([words, words.mean(0).expand(size - len(words), -1)]).detach()  # (size, D)
    grown.load_state_dict(weights)
    return grown

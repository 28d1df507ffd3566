"""Name vectors: the vectors that a model makes of names in short questions, with which an approximate index is measured."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer, token_finder
from elq.entities.catalogue import Catalogue
from elq.entities.prior import prior_columns
from elq.model.network import ELQ
from elq.names.surface import names_of
from elq.search.mentions import QUERIES, Mentions
from elq.tensors import Spans

QUESTIONS = ("what is {}?", "who made {}", "where is {} from?", "tell me about {}", "when did {} start", "how old is {}?")
BATCH = 64


def name_vectors(folder: Path) -> Callable[[Catalogue], Mentions]:
    """A function that makes vectors of mentions of a catalogue: names that are chosen at random stand in questions.

    Args:
        folder: the model folder. The model is opened when the function is called.
    """

    def make(catalogue: Catalogue) -> Mentions:
        model, tokenizer, chosen = ELQ.from_pretrained(folder), load_tokenizer(folder), random.Random(0)
        texts, mentions = [], []
        for number, row in enumerate(chosen.choices(range(len(catalogue)), k=QUERIES)):
            name = chosen.choice([*names_of(catalogue[row])] or [catalogue[row].title])
            before, after = QUESTIONS[number % len(QUESTIONS)].split("{}")
            texts.append(before + name + after)
            mentions.append((len(before), len(before) + len(name)))
        with torch.inference_mode():
            found = [
                _vectors(model, tokenizer, texts[at : at + BATCH], mentions[at : at + BATCH]) for at in range(0, QUERIES, BATCH)
            ]
        return Mentions(torch.cat(found), prior_columns(model.config.prior), "made by the model of names in short questions")

    return make


def _vectors(
    model: ELQ, tokenizer: QuestionTokenizer, texts: Sequence[str], mentions: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """The vectors (B, D) with which a linker would search for one mention of each of B texts."""
    tokens = tokenizer(texts)
    places = []
    for b, (start, end) in enumerate(mentions):
        find = token_finder(tokens.offsets[b], tokens.text_mask[b].tolist())
        places.append((b, *(find(start, end) or find(0, len(texts[b])) or (0, 1))))  # a name may have no token
    spans = Spans(*torch.tensor(places).unbind(-1))
    hidden = model.encode(tokens)  # (B, T, D)
    vectors = model.mention_vectors(hidden, spans)  # (B, D)
    return model.search_vectors(vectors, hidden, tokens.text_mask, spans).float()

"""Batches: groups questions, and makes their tokens, gold spans and table rows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Sampler

from elq.encoding.capitals import with_capitals
from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.names.dictionary import Dictionary, span_texts
from elq.tensors import Batch, Spans, TokenBatch
from elq.training.nouns import GenericNouns
from elq.types import Question

POOL = 8  # batches that are sorted together; with many, copies of a question would come into one batch
ALIKE = 16  # sizes that lie in the same interval of this length are not sorted


class ShuffledBatches(Sampler[list[int]]):
    """Batches of indices in an order that depends only on the seed and the epoch. Each process gets its share of every batch.

    Questions of similar size are put into the same batch, so that there is less padding: the questions of every ``POOL``
    batches in a row are sorted by size, and then all batches are shuffled. The shares of all processes together are the batch
    of one process with ``world`` times the batch size. Every process has the same number of batches. In the smaller batch at
    the end of an epoch's order, the share of a process may be empty.

    Args:
        sizes: sizes of the questions, in any unit.
        batch_size: number of questions in a batch of one process.
        seed: seed of the order.
        epoch: number of the epoch, from 0.
        rank: number of this process, from 0.
        world: number of processes.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, *, seed: int, epoch: int, rank: int = 0, world: int = 1) -> None:
        self.sizes, self.batch_size, self.seed, self.epoch = sizes, batch_size, seed, epoch
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return -(-len(self.sizes) // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.sizes), generator=generator).tolist()
        step = self.batch_size * self.world
        pools = (order[start : start + POOL * step] for start in range(0, len(order), POOL * step))
        alike = [i for pool in pools for i in sorted(pool, key=lambda i: self.sizes[i] // ALIKE)]
        for batch in torch.randperm(len(self), generator=generator).tolist():
            yield alike[batch * step : (batch + 1) * step][self.rank :: self.world]


class Collator:
    """Makes a training batch from questions: their tokens, gold spans and catalogue rows.

    Args:
        tokenizer: the tokenizer of the questions.
        rows: gold entity → its catalogue row.
        max_span_tokens: L, the largest number of tokens in a span.
        dictionary: finds the spans that are names. A model with ``names`` needs it, and so do partially annotated questions.
        names: whether the model uses names: the spans that are names, and the entities that a mention's name may mean.
        wrong_names: the largest number of names in a question that are no mentions and that become NIL mentions of the
            disambiguation loss.
        nouns: finds the generic nouns, which have a weight of their own in the mention loss; None: they have not.
    """

    def __init__(
        self,
        tokenizer: QuestionTokenizer,
        rows: Mapping[str, int],
        *,
        max_span_tokens: int,
        dictionary: Dictionary | None = None,
        names: bool = True,
        wrong_names: int = 0,
        nouns: GenericNouns | None = None,
    ) -> None:
        self.tokenizer, self.rows, self.max_span_tokens = tokenizer, rows, max_span_tokens
        self.dictionary, self.names, self.wrong_names, self.nouns = dictionary, names, wrong_names, nouns

    def __call__(self, questions: Sequence[Question]) -> Batch:
        """Make a batch. A gold mention that has more than L tokens, or that was cut off, has no part in the losses.

        The batch of no questions (the empty share of a smaller batch) has one empty text, which has no span and so no loss.
        """
        texts = [question.text for question in questions] or [""]
        tokens = with_capitals(texts, tokens_of(self.tokenizer, texts, self.dictionary))
        if not questions:
            tokens = replace(
                tokens, text_mask=torch.zeros_like(tokens.text_mask)
            )  # without this, the empty text has spans in score mode elq
        partial, named = [question.partial for question in questions], None
        if self.dictionary is not None and (self.names or any(partial)):
            named = self.dictionary.named(texts, tokens, self.max_span_tokens)
        tokens = replace(tokens, named=named if self.names else None)
        spans, rows = [], []
        for b, question in enumerate(questions):
            inside = tokens.text_mask[b].tolist()
            for mention in question.mentions:
                span = token_span(mention, tokens.offsets[b], inside)
                if span is not None and span[1] - span[0] <= self.max_span_tokens:
                    spans.append((b, *span))
                    rows.append(-1 if mention.entity is None else self.rows[mention.entity])
        question_of, start, end = torch.tensor(spans, dtype=torch.int64).view(-1, 3).unbind(-1)  # each (M,)
        mentions = Spans(question_of, start, end)
        unsure = None
        if named is not None and self.dictionary is not None:
            unsure = unsure_spans(self.dictionary.whole_names(named), mentions, partial)
        nouns = None if self.nouns is None else apart(self.nouns.marked(texts, tokens, self.max_span_tokens), mentions)
        unsure = unsure if unsure is None or nouns is None else unsure & ~nouns
        name_matches, wrong = None, 0
        if named is not None and self.wrong_names:
            more = wrong_names(named, mentions, unsure, self.wrong_names, [question.id for question in questions])
            wrong, rows = len(more.start), rows + [-1] * len(more.start)
            mentions += more
        if self.dictionary is not None and self.names:
            name_matches = self.dictionary.name_matches(span_texts(texts, tokens, mentions))
        gold_rows = torch.tensor(rows, dtype=torch.int64)
        return Batch(tokens, mentions, gold_rows, tuple(questions), unsure, name_matches, wrong=wrong, nouns=nouns)


def tokens_of(tokenizer: QuestionTokenizer, texts: Sequence[str], dictionary: Dictionary | None) -> TokenBatch:
    """The tokens of texts, which end where a name of the dictionary begins or ends inside a word."""
    return tokenizer(texts, cuts=None if dictionary is None else [*map(dictionary.cuts, texts)])


class QuestionCollator:
    """Makes a batch for linking from questions: tokens and the spans that are names, without gold spans.

    Args:
        tokenizer: the tokenizer of the questions. It reads them as the linker does.
        max_span_tokens: L, the largest number of tokens in a span.
        dictionary: finds the spans that are names, for a model with ``names``.
    """

    def __init__(self, tokenizer: QuestionTokenizer, *, max_span_tokens: int, dictionary: Dictionary | None = None) -> None:
        self.tokenizer, self.max_span_tokens, self.dictionary = tokenizer, max_span_tokens, dictionary

    def __call__(self, questions: Sequence[Question]) -> Batch:
        """Make a batch."""
        texts = [question.text for question in questions]
        tokens = tokens_of(self.tokenizer, texts, self.dictionary)
        if self.dictionary is not None:
            tokens = replace(tokens, named=self.dictionary.named(texts, tokens, self.max_span_tokens, longer=True))
        none = torch.empty(0, dtype=torch.int64)
        return Batch(tokens, Spans(none, none, none), none, tuple(questions))


def wrong_names(named: Tensor, mentions: Spans, unsure: Tensor | None, most: int, seeds: Sequence[str]) -> Spans:
    """Spans that are a name or a part of one and that overlap no gold mention, at most ``most`` of each question.

    Args:
        named: (B, T, L) the kinds of names.
        mentions: M gold mentions.
        unsure: (B, T, L) bool, spans that may be mentions without an annotation: they are left out. None: there are none.
        most: number of spans of a question.
        seeds: for each question, what its spans are drawn by, such as its id.
    """
    free = apart(named > 0 if unsure is None else (named > 0) & ~unsure, mentions)  # (B, T, L)
    chosen: list[tuple[int, int, int]] = []
    for b, seed in enumerate(seeds):
        cells = free[b].nonzero().tolist()
        chosen += [(b, t, t + n + 1) for t, n in random.Random(seed).sample(cells, min(most, len(cells)))]
    return Spans(*torch.tensor(chosen, dtype=torch.int64).view(-1, 3).unbind(-1))


def unsure_spans(named: Tensor, mentions: Spans, partial: Sequence[bool]) -> Tensor | None:
    """The names that overlap no annotated mention, in partially annotated questions: (B, T, L) bool.

    None if no question is partially annotated.

    Args:
        named: (B, T, L) bool from :meth:`elq.names.dictionary.Dictionary.whole_names`.
        mentions: M gold mentions.
        partial: whether each of the B questions is partially annotated.
    """
    if not any(partial):
        return None
    return apart(named & torch.tensor([*partial, *[False] * (len(named) - len(partial))]).view(-1, 1, 1), mentions)


def apart(spans: Tensor, mentions: Spans) -> Tensor:
    """The marked spans (B, T, L) bool that overlap none of M mentions."""
    first, kept = torch.arange(spans.shape[1]).unsqueeze(-1), spans.clone()  # (T, 1), (B, T, L)
    last = first + torch.arange(spans.shape[2])  # (T, L)
    for b, start, end in zip(mentions.question.tolist(), mentions.start.tolist(), mentions.end.tolist(), strict=True):
        kept[b] &= (last < start) | (first >= end)
    return kept

"""Makes catalogues and entity tables of any size, with a seed, whose statistics are those of a real catalogue and its vectors.

    python benchmarks/synthetic.py catalogue --entities 1000000 --output FOLDER
    python benchmarks/synthetic.py statistics --model MODEL --questions FILE --output statistics.npz
    python benchmarks/synthetic.py table --statistics statistics.npz --entities 1000000 --width 1024 --output FOLDER
    python benchmarks/synthetic.py clustered --model MODEL --questions FILE --entities 5900000 --output FOLDER

**Catalogues.** The records of a real catalogue are repeated. The first copy is the real catalogue in a random order. In every
further copy the words of all names are exchanged: a word becomes another word that is about as frequent, or a new word. One
word is exchanged in the same way in a whole copy. So each copy has the real numbers of words, letters and aliases, and in each
copy the same share of names belongs to several entities. As many words are new as Heaps' law says: V words in n records are
V · (N / n)^h words in N records, with h from the halves of the real catalogue.

**Tables.** The scores of the nearest entities decide how hard a search is, and whether rounding changes a link. So the scores
of real mention vectors with their nearest real entities are given (a *profile* for each mention, best first). For every
mention vector, a profile is drawn, and rows are made that have these inner products with it. All other rows are random, with
the spectrum of the real table. Such rows have no clusters, so they say nothing about an index that divides rows into lists.

**Clustered tables.** The first rows are those of a real table. Every further row is a real row, moved by the difference between
another real row and one of its nearest rows. So rows lie about as close to each other as real rows do, in the same directions.
A row that would come before the second-best entity of a real mention vector is drawn again. So these mention vectors keep their
two best entities and the margin between them, while the entities behind become many more.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.manifest import open_entities
from elq.files import write_json
from elq.names.surface import FUNCTION_WORDS, names_of
from elq.names.writing import collect, write_names
from elq.search.table import allocate_table
from elq.tensors import Array
from elq.types import QID, Entity

if TYPE_CHECKING:
    import torch

    from elq.linking.linker import Linker

REAL = Path("runs/entities/wikidata_154k")
LETTERS = re.compile(r"[^\W\d_]+")
COPIES = 1_000  # the Wikidata numbers of copies differ in their last digits
BLOCK = 65_536  # rows of a table that are made together
PAIRED, NEIGHBOURS = 16_384, 8  # rows whose differences from their nearest rows are used, and how many nearest rows
PROFILE = 64  # entities of a profile
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)


def words_in(entity: Entity) -> set[str]:
    """The words of all names of an entity, in lower case."""
    return {word.lower() for name in names_of(entity) for word in LETTERS.findall(name)}


def heaps(entities: Sequence[Entity]) -> float:
    """The exponent h of Heaps' law, from the words of all records and of half of them."""
    half, everything = (set().union(*map(words_in, some)) for some in (entities[::2], entities))
    return float(np.log2(len(everything) / len(half)))


class Words:
    """The words of the names of a catalogue, and what they are exchanged for in its copies.

    Args:
        entities: the real records.
        rng: the source of randomness.
    """

    def __init__(self, entities: Sequence[Entity], rng: np.random.Generator) -> None:
        self.rng, self.exponent = rng, heaps(entities)
        counts: dict[str, int] = {}
        for entity in entities:
            for word in words_in(entity):
                counts[word] = counts.get(word, 0) + 1
        self.counts = {word: count for word, count in counts.items() if word not in FUNCTION_WORDS}
        self.known = set(counts)
        self.pools: dict[int, list[str]] = {}  # number of binary digits of the count → words that are about as frequent
        for word, count in self.counts.items():
            self.pools.setdefault(count.bit_length(), []).append(word)

    def exchange(self, copy: int) -> dict[str, str]:
        """Word → the word that stands for it in a copy."""
        share = (copy + 1) ** self.exponent - copy**self.exponent  # of words that are new
        made, draws, places = {}, self.rng.random(len(self.counts)), self.rng.random(len(self.counts))
        for (word, count), draw, place in zip(self.counts.items(), draws.tolist(), places.tolist(), strict=True):
            pool = self.pools[count.bit_length()]
            other = pool[int(place * len(pool))]
            if draw < share:
                other = self._new(word, other)
                pool.append(other)
            made[word] = other
        return made

    def _new(self, word: str, other: str) -> str:
        """A word that begins like one word and ends like another."""
        middle = (len(word) + 1) // 2
        made = word[:middle] + other[len(other) // 2 :]
        while made in self.known:
            made += "aeiou"[int(self.rng.integers(5))]
        self.known.add(made)
        return made


def cased(word: str, pattern: str) -> str:
    """A word with the capitals of another."""
    return word.upper() if pattern.isupper() and len(pattern) > 1 else word.capitalize() if pattern[0].isupper() else word


def synthetic_entities(real: Iterable[Entity], count: int, seed: int = 0) -> Iterator[Entity]:
    """Yield ``count`` entities, see the head of this module."""
    rng = np.random.default_rng(seed)
    entities = list(real)
    words, order = Words(entities, rng), rng.permutation(len(entities)).tolist()
    for copy in range(-(-count // len(entities))):
        changed = words.exchange(copy) if copy else {}

        def change(match: re.Match[str], changed: dict[str, str] = changed) -> str:
            word = match[0]
            return word if (other := changed.get(word.lower())) is None else cased(other, word)

        for place in islice(order, count - copy * len(entities)):
            entity = entities[place]
            number = QID.fullmatch(entity.id)
            id_ = f"Q{int(number[1]) * COPIES + copy}" if number else f"{entity.id}-{copy}"
            title, label, *aliases = names = (entity.title, entity.label, *entity.aliases)
            if copy:
                title, label, *aliases = (LETTERS.sub(change, name) for name in names)
            yield replace(entity, id=id_, title=title, label=label, aliases=tuple(aliases))


def real_entities(folder: Path) -> Iterator[Entity]:
    """The records of an entities folder."""
    return iter(open_entities(folder).catalogue)


def write_folder(entities: Iterator[Entity], folder: Path) -> None:
    """Write ``catalogue.arrow`` and ``names.arrow``, the parts of an entities folder that need no encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_catalogue(entities, folder / "catalogue.arrow")
    digest = write_names(collect(Catalogue(folder / "catalogue.arrow").all_rows()), folder / "names.arrow")
    write_json(folder / "names.json", {"sha256": digest})


def margins(profiles: Array) -> Array:
    """The differences of the best and the second-best score of each mention."""
    return np.asarray(profiles[:, 0] - profiles[:, 1])


def spectrum_of(table: Array, rng: np.random.Generator, sample: int = 20_000) -> Array:
    """The singular values of a sample of rows, as shares of the largest, float32 (width,)."""
    rows = np.sort(rng.choice(len(table), min(sample, len(table)), replace=False))
    values = np.linalg.svd(np.asarray(table[rows], np.float32), compute_uv=False)
    return np.asarray(values / values[0], np.float32)


class SyntheticTable:
    """N rows of a width, among which the mention vectors find the profiles that were drawn for them.

    Args:
        mentions: mention vectors (Q, D).
        profiles: scores (P, PROFILE) of real mentions with their nearest entities, best first.
        rows: N.
        spectrum: the singular values of the random rows, as shares of the largest, of any width.
        norm: the length of a row. The mention vectors must be long enough for the best score of every profile.
        seed: the seed.
    """

    def __init__(
        self, mentions: Array, profiles: Array, rows: int, spectrum: Array, *, norm: float = 1.0, seed: int = 0
    ) -> None:
        self.rows, self.width, self.norm = rows, mentions.shape[1], norm
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        place = np.linspace(0, 1, self.width)
        self._shares = np.interp(place, np.linspace(0, 1, len(spectrum)), spectrum).astype(np.float32)
        self._basis = np.linalg.qr(self._rng.standard_normal((self.width, self.width)))[0].astype(np.float32)
        usable = min(len(mentions), rows // 2 // PROFILE)
        self.mentions = np.asarray(mentions[:usable], np.float32)
        self.profiles = profiles[self._rng.integers(0, len(profiles), usable)]
        self.planted = self._rng.permutation(rows)[: usable * PROFILE].reshape(usable, PROFILE)

    def _random(self, count: int, rng: np.random.Generator) -> Array:
        found = rng.standard_normal((count, self.width), np.float32) * self._shares @ self._basis
        return np.asarray(self.norm * found / np.linalg.norm(found, axis=1, keepdims=True))

    def blocks(self) -> Iterator[Array]:
        """Yield the rows in blocks, float32."""
        owner = np.full(self.rows, -1, np.int64)  # the mention and the rank of each planted row
        owner[self.planted.reshape(-1)] = np.arange(self.planted.size)
        for number, start in enumerate(range(0, self.rows, BLOCK)):
            rng = np.random.default_rng((self._seed, number))
            block = self._random(min(BLOCK, self.rows - start), rng)
            own = owner[start : start + len(block)]
            places = np.flatnonzero(own >= 0)
            block[places] = self._planted(block[places], *np.divmod(own[places], PROFILE))
            yield block

    def _planted(self, rows: Array, mention: Array, rank: Array) -> Array:
        """Rows that have the scores of profiles with their mentions; the rest of them stays random."""
        vectors = self.mentions[mention]
        squares = (vectors**2).sum(1, keepdims=True)
        scores = self.profiles[mention, rank][:, None]
        beside = rows - (rows * vectors).sum(1, keepdims=True) / squares * vectors
        left = np.sqrt(np.maximum(self.norm**2 - scores**2 / squares, 0.0))
        return np.asarray(scores / squares * vectors + left * beside / np.linalg.norm(beside, axis=1, keepdims=True))


@dataclass(frozen=True)
class Statistics:
    """What a synthetic table needs to know about a real one.

    Args:
        profiles: scores (P, PROFILE) of mentions with their nearest entities, best first.
        spectrum: the singular values of the table, as shares of the largest.
        length: the mean length of a mention vector.
    """

    profiles: Array
    spectrum: Array
    length: float

    def norm_for(self, length: float) -> float:
        """The length of a row, so that mention vectors of some length can have all these scores."""
        return max(1.0, 1.02 * float(self.profiles.max()) / length)


def read_statistics(path: Path) -> Statistics:
    with np.load(path) as found:
        return Statistics(found["profiles"], found["spectrum"], float(found["length"]))


def mention_vectors(linker: "Linker", texts: Sequence[str]) -> "torch.Tensor":
    """The search vectors (M, D) fp32 of all mentions above the linker's threshold, and in the order of the texts."""
    import torch

    from elq.model.spans import keep_spans

    vectors = []
    with linker.scorer.inference():
        for start in range(0, len(texts), 64):
            tokens = linker.scorer.tokens(texts[start : start + 64])
            hidden = linker.model.encode(tokens)
            logits = linker.scorer.mention_logits(hidden, tokens)
            spans, _ = keep_spans(logits, linker.threshold, linker.scorer.limits(tokens))
            found = linker.model.mention_vectors(hidden, spans)
            vectors.append(linker.model.search_vectors(found, hidden, tokens.text_mask, spans))
    return torch.cat(vectors)


def write_statistics(model: Path, questions: Path, output: Path) -> None:
    """Search for the mentions that a trained model finds in questions, and write the statistics."""
    from elq.linking.linker import Linker
    from elq.questions.annotated import read_questions

    linker = Linker.from_pretrained(model)
    texts = [question.text for question in read_questions(questions)]
    mentions = mention_vectors(linker, texts)
    profiles = linker.entities.index.search(mentions, PROFILE)[0].numpy()
    spectrum = spectrum_of(linker.entities.table.vectors, np.random.default_rng(0))
    length = float(mentions.norm(dim=-1).mean())
    np.savez(output, profiles=profiles, spectrum=spectrum, length=length)
    print(f"{len(texts)} questions, {len(mentions)} mentions, {len(mentions) / len(texts):.2f} a question, length {length:.2f}")
    print(f"margins of the real mentions: {quantiles(margins(profiles))}")


class ClusteredTable:
    """N rows that lie as close to each other as those of a real table, see the head of this module.

    Args:
        real: the rows (R, D) of the real table, float32.
        pairs: (P, 2) real rows, the second of which is one of the nearest to the first.
        mentions: real mention vectors (M, D).
        seconds: (M,) the score of each mention vector with its second-best real row.
        rows: N.
        seed: the seed.
    """

    def __init__(self, real: Array, pairs: Array, mentions: Array, seconds: Array, rows: int, *, seed: int = 0) -> None:
        self.real, self.pairs, self.mentions, self.seconds, self.rows = real, pairs, mentions, seconds, rows
        self._seed = seed

    def _drawn(self, count: int, rng: np.random.Generator) -> Array:
        own, pairs = rng.integers(0, len(self.real), count), self.pairs[rng.integers(0, len(self.pairs), count)]
        moved = self.real[own] + self.real[pairs[:, 1]] - self.real[pairs[:, 0]]
        lengths = np.linalg.norm(self.real[own], axis=1, keepdims=True) / np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved * lengths)

    def block(self, number: int) -> Array:
        """The block of rows with a number, float32."""
        start, rng = number * BLOCK, np.random.default_rng((self._seed, number))
        block = self._drawn(min(BLOCK, self.rows - start), rng)
        while len(wrong := np.flatnonzero((block @ self.mentions.T >= self.seconds).any(1))):
            block[wrong] = self._drawn(len(wrong), rng)
        first = self.real[start : start + len(block)]
        block[: len(first)] = first
        return block

    def blocks(self) -> Iterator[Array]:
        """Yield the rows in blocks, float32."""
        return map(self.block, range(-(-self.rows // BLOCK)))


def near_pairs(real: Array, rng: np.random.Generator) -> Array:
    """Pairs (P, 2) of rows: some rows at random, each with one of its nearest rows by cosine. The search is exact."""
    import torch

    unit = torch.nn.functional.normalize(torch.from_numpy(real), dim=-1)
    chosen = rng.choice(len(real), min(PAIRED, len(real)), replace=False)
    found = torch.cat([(unit[part] @ unit.T).topk(NEIGHBOURS + 1).indices for part in np.array_split(chosen, 16)]).numpy()
    return np.stack([np.repeat(chosen, NEIGHBOURS), found[:, 1:].reshape(-1)], axis=1)


def write_clustered(model: Path, questions: Path, rows: int, output: Path, *, seed: int = 0) -> None:
    """Write ``table.npy`` (float16) and ``mentions.npy`` (float32, real mention vectors) of a clustered table."""
    from elq.linking.linker import Linker
    from elq.questions.annotated import read_questions

    output.mkdir(parents=True, exist_ok=True)
    linker = Linker.from_pretrained(model)
    mentions = mention_vectors(linker, [question.text for question in read_questions(questions)])
    best = linker.entities.index.search(mentions, 2)[0].numpy()
    real = np.asarray(linker.entities.table.vectors, np.float32)
    made = ClusteredTable(real, near_pairs(real, np.random.default_rng(seed)), mentions.numpy(), best[:, 1], rows, seed=seed)
    allocate_table(output / "table.npy", rows, real.shape[1], "float16")
    table, start = np.lib.format.open_memmap(output / "table.npy", "r+"), 0
    for block in made.blocks():
        table[start : start + len(block)] = block
        start += len(block)
    table.flush()
    np.save(output / "mentions.npy", mentions.numpy())
    print(f"{rows:,} x {real.shape[1]}, {len(mentions)} mentions; margins {quantiles(best[:, 0] - best[:, 1])}")


def quantiles(values: Array) -> str:
    return ", ".join(f"{100 * q:g}%: {value:.3f}" for q, value in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True))


def write_table(statistics: Statistics, rows: int, width: int, output: Path, *, mentions: int = 1_024, seed: int = 0) -> None:
    """Write ``table.npy`` (float16) and ``mentions.npy`` (float32), and print the margins that a search finds."""
    output.mkdir(parents=True, exist_ok=True)
    directions = np.random.default_rng(seed).standard_normal((mentions, width)).astype(np.float32)
    vectors = statistics.length * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    norm = statistics.norm_for(statistics.length)
    made = SyntheticTable(vectors, statistics.profiles, rows, statistics.spectrum, norm=norm, seed=seed)
    allocate_table(output / "table.npy", rows, width, "float16")
    table, start = np.lib.format.open_memmap(output / "table.npy", "r+"), 0
    best = np.full((len(made.mentions), 2), -np.inf, np.float32)
    for block in made.blocks():
        table[start : start + len(block)] = block
        start += len(block)
        scores = np.concatenate([best, made.mentions @ block.astype(np.float16).astype(np.float32).T], axis=1)
        best = np.sort(np.partition(scores, -2, axis=1)[:, -2:], axis=1)
    table.flush()
    np.save(output / "mentions.npy", made.mentions)
    print(f"margins of {len(best)} synthetic mentions, {rows:,} x {width}: {quantiles(best[:, 1] - best[:, 0])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["catalogue", "statistics", "table", "clustered"])
    parser.add_argument("--entities", type=int, default=154_212)
    parser.add_argument("--real", type=Path, default=REAL, help="entities folder of a real catalogue")
    parser.add_argument("--model", type=Path, default=Path("runs/webqsp/latest/model"), help="a trained model, for statistics")
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions/webqsp_dev.jsonl"))
    parser.add_argument("--statistics", type=Path, help="the file of `synthetic.py statistics`")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "statistics":
        write_statistics(given.model, given.questions, given.output)
    elif given.what == "clustered":
        write_clustered(given.model, given.questions, given.entities, given.output, seed=given.seed)
    elif given.what == "table":
        write_table(read_statistics(given.statistics), given.entities, given.width, given.output, seed=given.seed)
    else:
        write_folder(synthetic_entities(real_entities(given.real), given.entities, given.seed), given.output)


if __name__ == "__main__":
    main()

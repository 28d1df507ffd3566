"""Added words: their vectors beside those of an encoder, against one table with all of them."""

import copy

import torch

from elq.encoding.added_words import AddedWords, add_words, first_values, with_words, words_of
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.transformer import Encoder


def test_two_tables_are_one(encoder_folder):
    start = Encoder.from_pretrained(encoder_folder).eval()
    size = len(words_of(start).weight)
    for trained in (True, False):
        one = with_words(Encoder.from_pretrained(encoder_folder), size + 2).eval()
        two = Encoder.from_pretrained(encoder_folder, trained=trained).eval()
        add_words(two, 2)
        words = words_of(two)
        assert isinstance(words, AddedWords)
        words.added.data = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
        words_of(one).weight.data[size:] = words.added.data
        for rows in ([[2, 9, 3]], [[2, size, 9, size + 1, 3], [2, 3, 0, 0, 0]]):
            ids = torch.tensor(rows)
            torch.testing.assert_close(two(ids, ids > 0), one(ids, ids > 0))


def test_ids_that_no_token_has_may_lie_before_the_added_ones():
    words = AddedWords(torch.nn.Embedding(9, 4), 2)
    words.added.data, words.first = torch.arange(8.0).view(2, 4), torch.tensor(6)
    found = words(torch.tensor([[5, 6, 7]]))
    assert torch.equal(found[0, 0], words.weight[5])
    assert torch.equal(found[0, 1:], words.added)


def test_only_the_added_vectors_are_trained_where_the_others_are_frozen(encoder_folder):
    tower = Encoder.from_pretrained(encoder_folder)
    add_words(tower, 2)
    words = words_of(tower)
    words.weight.requires_grad_(False)
    before = copy.deepcopy(words.weight.data)
    ids = torch.tensor([[2, int(words.first), 9, 3]])
    optimizer = torch.optim.AdamW(words.parameters(), lr=0.1, weight_decay=0.0)
    tower(ids, ids > 0).square().sum().backward()
    optimizer.step()
    assert torch.equal(words.weight, before)
    assert words.added[0].abs().min() > 0
    assert words.added[1].abs().max() == 0  # it is not in the text
    del ids
    plain = torch.tensor([[2, 9, 3]])
    assert not words(plain).requires_grad  # a text without them needs no gradient of the word vectors


def test_first_values_are_those_of_a_similar_token_or_have_the_usual_norm(encoder_folder, monkeypatch):
    encoder, tokenizer = Encoder.from_pretrained(encoder_folder), load_tokenizer(encoder_folder)
    words = words_of(encoder).weight
    monkeypatch.setattr("elq.encoding.added_words.LIKE", {"[A]": "queen", "[B]": "【"})
    made = first_values(encoder, tokenizer, ["[A]", "[B]", "[C]"])
    assert torch.equal(made[0], words[tokenizer.id_of("queen")])
    torch.testing.assert_close(made[1:].norm(dim=-1), words.norm(dim=-1).mean().expand(2))
    assert not torch.equal(made[1], made[2])
    assert torch.equal(made, first_values(encoder, tokenizer, ["[A]", "[B]", "[C]"]))

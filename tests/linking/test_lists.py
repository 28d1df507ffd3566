"""Tests that a text of names only is read with a sign between the names."""

import torch

from elq.linking.linker import Linker
from elq.model.network import ELQ


def test_the_encoder_reads_a_sign_between_the_names_of_a_list(encoder_folder, entities, tokenizer):
    torch.manual_seed(0)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, names=True)
    linker = Linker(model, tokenizer, entities, threshold=-50.0)
    assert torch.equal(linker.scorer.tokens(["Titanic Seine"]).ids, tokenizer(["Titanic | Seine"]).ids)
    assert torch.equal(linker.scorer.tokens(["is Titanic Seine"]).ids, tokenizer(["is Titanic Seine"]).ids)
    assert [link.mention for link in linker.link("Titanic Seine") if link.end < 8] == ["Titanic"]

"""Encoding without padding: the values and gradients of the padded computation, in a training on the processor only."""

import pytest
import torch
from torch import nn

from elq.encoding import transformer
from elq.encoding.bert import Bert
from elq.encoding.transformer import Encoder

CONFIG = {
    **{"model_type": "bert", "hidden_act": "gelu", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 64, "max_position_embeddings": 16, "type_vocab_size": 2, "vocab_size": 40, "pad_token_id": 0},
    **{"layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
}
LENGTHS = (3, 9, 1, 6)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    attention = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(-1)  # (B, T)
    return torch.randint(1, 40, attention.shape) * attention, attention


def encoder_of(**changes: float) -> Encoder:
    torch.manual_seed(1)
    encoder = Encoder({**CONFIG, **changes}).train()
    for weight in encoder.parameters():
        nn.init.normal_(weight, std=0.3)
    return encoder


def vectors_and_gradients(encoder: Encoder, *, bf16: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    ids, attention = batch()
    encoder.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        hidden = encoder(ids, attention)
    torch.manual_seed(2)
    (hidden * torch.randn(hidden.shape) * attention.unsqueeze(-1)).sum().backward()
    return hidden.detach(), {name: w.grad.clone() for name, w in encoder.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("of_transformers", [True, False])
def test_the_values_and_gradients_are_those_with_padding(of_transformers, bf16, monkeypatch):
    encoder = encoder_of()
    if not of_transformers:
        plain = Bert(CONFIG)
        plain.load_state_dict(encoder.transformer.state_dict())
        encoder.transformer = plain
    found, gradients = vectors_and_gradients(encoder, bf16=bf16)
    monkeypatch.setattr(Encoder, "_saves_padding", lambda *_: False)
    oracle, expected = vectors_and_gradients(encoder, bf16=bf16)
    real = batch()[1]
    close = {"rtol": 0.1, "atol": 0.1} if bf16 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(found[real], oracle[real], **close)
    assert not found[~real].any()
    assert gradients.keys() == expected.keys()
    assert len(gradients) == 2 * 16 + 5
    for name, gradient in expected.items():
        assert nn.functional.cosine_similarity(gradients[name].flatten(), gradient.flatten(), dim=0) > 0.995 or (
            gradient.abs().max() < 0.05  # the bias of the keys changes nothing, so its gradient is rounding
        ), name
        if not bf16:
            torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_both_kinds_of_dropout_are_drawn_by_the_seed(share):
    encoder, (ids, attention) = encoder_of(**{share: 0.3}), batch()
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(encoder(ids, attention))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=1e-2)


def test_only_a_training_with_padding_uses_it(monkeypatch):
    used = []
    real = transformer.encode_unpadded
    monkeypatch.setattr(transformer, "encode_unpadded", lambda *args, **kwargs: used.append(1) or real(*args, **kwargs))
    encoder, (ids, attention) = encoder_of(), batch()
    encoder(ids, attention)
    assert len(used) == 1
    encoder(ids[1:2], attention[1:2])  # one text has no padding
    encoder(ids, attention, torch.zeros_like(ids))
    with torch.no_grad():
        encoder(ids, attention)
    encoder.eval()(ids, attention)
    encoder_of(hidden_act="relu")(ids, attention)
    assert len(used) == 1

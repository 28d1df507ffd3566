"""The plain BERT computes what transformers computes, to the last bit, and is used only where that holds."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from elq.encoding.bert import Bert, is_plain
from elq.encoding.pretrained import DEFAULT, encoder_values, load_tokenizer, resolve_encoder
from elq.encoding.transformer import Encoder, without_memory
from elq.model.network import ELQ

TEXTS = ["who directed titanic?", "a", "what is the name of the queen of england, and who were her children in 1990?"]


@pytest.fixture(scope="module")
def pair() -> tuple[Encoder, Encoder]:
    """The default encoder, as it is for linking, and from transformers."""
    return Encoder.from_pretrained(DEFAULT, trained=False), Encoder.from_pretrained(DEFAULT)


def test_only_an_encoder_that_is_not_trained_is_plain(pair):
    plain, oracle = pair
    assert isinstance(plain.transformer, Bert)
    assert not isinstance(oracle.transformer, Bert)
    assert (plain.width, plain.max_tokens, plain.padding) == (oracle.width, oracle.max_tokens, oracle.padding) == (384, 512, 0)


def test_the_weights_have_the_names_and_values_of_transformers(pair):
    plain, oracle = (encoder.state_dict() for encoder in pair)
    assert list(plain) == list(oracle)
    assert all(torch.equal(plain[name], oracle[name]) for name in plain)
    assert {name for name, _ in pair[0].named_parameters()} == {name for name, _ in pair[1].named_parameters()}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS, TEXTS[2:] * 20])
def test_the_vectors_are_those_of_transformers(pair, texts, bf16, training):
    tokens = load_tokenizer(DEFAULT)(texts)
    found = []
    for encoder in pair:
        encoder.train(training)
        torch.manual_seed(1)  # of dropout
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            found.append(encoder(tokens.ids, tokens.attention)[tokens.attention])
    assert found[0].std() > 0.1
    assert torch.equal(*found)


def test_the_vectors_with_token_types_are_those_of_transformers(pair):
    tokens = load_tokenizer(DEFAULT)(TEXTS)
    types = (torch.arange(tokens.ids.shape[1]) >= 4).long().expand_as(tokens.ids)
    with torch.inference_mode():
        found = [encoder.eval()(tokens.ids, tokens.attention, types)[tokens.attention] for encoder in pair]
        without = pair[0](tokens.ids, tokens.attention)[tokens.attention]
    assert torch.equal(*found)
    assert not torch.allclose(found[0], without, atol=1e-2)


def test_the_gradients_are_those_of_transformers(pair):
    tokens = load_tokenizer(DEFAULT)(TEXTS)
    for encoder in pair:
        encoder.eval().zero_grad()
        encoder(tokens.ids, tokens.attention)[tokens.attention].square().sum().backward()
    expected = {name: weight.grad for name, weight in pair[1].named_parameters()}
    for name, weight in pair[0].named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-3, atol=1e-3)  # sums in another order


def test_a_longer_text_than_the_encoder_takes_is_no_plain_vector(pair):
    ids = torch.ones(1, 513, dtype=torch.int64)
    with pytest.raises(RuntimeError):
        pair[0](ids, ids > 0)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"hidden_act": []},
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
        {"dtype": "bfloat16"},
        {"hidden_size": 385},
        {"hidden_size": "384"},
        {"num_hidden_layers": True},
        {"num_attention_heads": 0},
        {"layer_norm_eps": None},
        {"hidden_dropout_prob": 1.5},
        {"pad_token_id": None},
        {"pad_token_id": 30522},
        {"a_key_of_another_version": 1},
    ],
)
def test_every_other_configuration_is_left_to_transformers(change):
    values = encoder_values(resolve_encoder(DEFAULT))
    assert is_plain(values)
    assert not is_plain({**values, **change})
    (key,) = change
    assert is_plain({name: value for name, value in values.items() if name != key}) == (
        key not in values or key in ("is_decoder", "position_embedding_type", "dtype")
    )


def test_the_weights_of_a_model_are_mapped_and_can_be_changed_without_changing_the_file(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path, tokenizer)
    file = tmp_path / "model.safetensors"
    before = file.read_bytes()
    opened = ELQ.from_pretrained(tmp_path)
    assert opened.encoder.is_plain
    with torch.no_grad():
        for weight in opened.parameters():
            weight.add_(1.0)
    assert file.read_bytes() == before
    again = ELQ.from_pretrained(tmp_path)
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in model.state_dict().items())


def test_networks_without_memory_import_no_compiler():
    """For many functions on tensors without memory, torch imports its compiler, which takes a second."""
    code = """
import sys
from elq.encoding.transformer import without_memory
from elq.model.config import read_config
from elq.model.network import ELQ
with without_memory():
    model = ELQ(read_config(sys.argv[1]), trained=False)
assert all(weight.is_meta for weight in model.state_dict().values())
print(*{"torch._dynamo", "sympy", "transformers"} & set(sys.modules))
"""
    config = Path(__file__).parents[2] / "elq" / "weights" / "config.json"
    done = subprocess.run([sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_start_values_of_tensors_with_memory_stay():
    with without_memory():
        weight = torch.nn.init.normal_(torch.zeros(1000, device="cpu"))
    assert weight.std() > 0.5

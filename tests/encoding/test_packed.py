"""Packed weights: a quarter of the size, nearly the same numbers, and two encoders in one file."""

import torch
from safetensors.numpy import save_file

from elq.encoding.packed import GROUP, load_weights, of_network, of_tower, pack, unpack, with_tower
from elq.encoding.transformer import Encoder
from elq.model.network import ELQ
from tests.conftest import TINY_CONFIG


def read_back(weights, file):
    save_file(pack(weights), file)
    return load_weights(file)


def test_every_number_is_rounded_to_a_step_of_its_own_group(tmp_path):
    torch.manual_seed(0)
    weights = {
        "m": torch.randn(7, 2 * GROUP + 5) * torch.logspace(-3, 3, 7).unsqueeze(-1),
        "v": torch.randn(9),
        "s": torch.tensor(2.5),
    }
    found = read_back(weights, tmp_path / "w.safetensors")
    assert torch.equal(found["v"], weights["v"])
    assert torch.equal(found["s"], weights["s"])
    for start in range(0, 2 * GROUP + 5, GROUP):
        part = slice(start, start + GROUP)
        step = weights["m"][:, part].abs().amax(-1, keepdim=True) / 127
        assert ((found["m"][:, part] - weights["m"][:, part]).abs() <= 0.52 * step + 1e-7).all()
    assert (tmp_path / "w.safetensors").stat().st_size < 0.45 * 4 * weights["m"].numel()


def test_zeros_stay_zeros():
    assert torch.equal(
        unpack({k: torch.from_numpy(v) for k, v in pack({"m": torch.zeros(3, 5)}).items()})["m"], torch.zeros(3, 5)
    )


def test_a_file_may_have_an_entity_tower(tmp_path, encoder_folder, tokenizer):
    torch.manual_seed(0)
    network = ELQ.from_encoder(encoder_folder, max_span_tokens=4)
    tower = {f"encoder.{name}": value.clone() for name, value in Encoder.from_pretrained(encoder_folder).state_dict().items()}
    with torch.no_grad():
        for weight in network.encoder.transformer.encoder.parameters():
            weight += 1.0  # as training does; the word vectors are those of the tower
    folder = tmp_path / "both"
    folder.mkdir()
    network.save_pretrained(folder, tokenizer)
    together = with_tower(network.state_dict(), tower)
    shared = "embeddings.word_embeddings.weight"
    assert f"encoder.transformer.{shared}" in together
    assert not any(name.startswith("tower.") and name.endswith(shared) for name in together)
    save_file(pack(together), folder / "model.safetensors")
    opened, entity_encoder = ELQ.from_pretrained(folder), Encoder.from_pretrained(folder)
    assert opened.state_dict().keys() == network.state_dict().keys()
    for made, exact in (
        (opened.state_dict(), network.state_dict()),
        ({f"encoder.{n}": v for n, v in entity_encoder.state_dict().items()}, tower),
    ):
        for name, value in made.items():
            assert torch.allclose(value, exact[name], atol=0.02 * float(exact[name].abs().max())), name
    assert not torch.allclose(
        next(iter(opened.encoder.transformer.encoder.parameters())),
        next(iter(entity_encoder.transformer.encoder.parameters())),
        atol=0.5,
    )


def test_without_a_tower_all_weights_belong_to_both():
    weights = {"a": torch.ones(1), "b": torch.zeros(1)}
    assert of_network(weights) == of_tower(weights) == weights
    assert TINY_CONFIG["hidden_size"] < GROUP  # so that matrices with less than one whole group are tried too

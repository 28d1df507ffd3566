"""Pictures: opens pictures of files, of bytes and of programs, and reports the ones that cannot be used.

A picture comes out as RGB with 8 bits a colour, upright (the orientation in its EXIF data is applied), on white where it was
transparent, and with the first frame alone where it was animated. Sizes are checked before anything is decoded.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from elq.errors import ElqError
from elq.vision.boxes import Box, checked_box, cut
from elq.vision.problems import PictureProblem, Problems

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = "str | Path | bytes | Image"

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")  # some others would start programs, such as EPS
ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is opened. A JPEG of a telephone has about 12 million pixels and 5 million bytes."""

    pixels: int = 50_000_000
    bytes: int = 50_000_000


LIMITS = Limits()


def read_source(source: Source, limits: Limits = LIMITS) -> "bytes | Image":
    """The bytes of a picture file; bytes and opened pictures as they are.

    Raises:
        PictureProblem: there is no such file, it cannot be read, or it has too many bytes.
        ElqError: it is neither a path, nor bytes, nor a picture of Pillow.
    """
    if not isinstance(source, str | Path | bytes):
        if not isinstance(source, require_pillow().Image):
            kind = type(source).__name__
            raise ElqError(
                f"a picture is of the type {kind}, but must be a path, bytes, or a picture of Pillow: give one of them"
            )
        opened: Image = source
        return opened
    path = Path() if isinstance(source, bytes) else Path(source)
    if isinstance(source, bytes):
        size = len(source)
    else:
        if str(source).partition("://")[0].lower() in ("http", "https", "ftp", "data"):
            raise PictureProblem(str(source)[:200], "is an address on the web: download it, and give the path of the file")
        try:
            if not path.is_file():
                raise PictureProblem(str(source), "is a folder or device" if path.exists() else "does not exist")
            size = path.stat().st_size
        except (OSError, ValueError) as error:  # a path may have too many characters, or a null character
            raise PictureProblem(str(source)[:200], f"cannot be read ({error})") from None
    if size > limits.bytes:
        raise PictureProblem(name_of(source), f"has too many bytes ({size:,}, at most {limits.bytes:,} are allowed)")
    if isinstance(source, bytes):
        return source
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureProblem(str(source), f"cannot be read ({error.strerror})") from None


def name_of(source: Source) -> str:
    """How messages name a picture: by its path, or by its kind and size."""
    if isinstance(source, bytes):
        return f"of {len(source):,} bytes"
    return str(source) if isinstance(source, str | Path) else f"of {source.width}×{source.height} pixels"


def open_picture(source: Source, box: Box | None = None, limits: Limits = LIMITS) -> "Image":
    """Open a picture: RGB, upright, on white.

    Args:
        source: the path of a file, the bytes of a file, or a picture of Pillow, which is not changed.
        box: the part of the upright picture that is wanted. Its edges are moved outwards to whole pixels, and what is
            outside the picture is cut off.
        limits: the largest picture that is opened.

    Raises:
        PictureProblem: the picture is missing, damaged, too large or of an unknown format, or the box lies outside it.
        ElqError: Pillow is not installed.
    """
    data = read_source(source, limits)
    return decode(data, box, limits, name_of(source))


def open_or_none(source: Source, problems: Problems, box: Box | None = None, limits: Limits = LIMITS) -> "Image | None":
    """The picture as :func:`open_picture` opens it; None if it cannot be used, which is added to ``problems``."""
    try:
        return open_picture(source, box, limits)
    except PictureProblem as problem:
        problems.add(problem)
        return None


def decode(data: "bytes | Image", box: Box | None = None, limits: Limits = LIMITS, name: str = "") -> "Image":
    """The picture of what :func:`read_source` has read. ``name`` is for messages; see :func:`open_picture`."""
    pillow = require_pillow()
    name = name or name_of(data)
    try:
        with warnings.catch_warnings(action="ignore"):  # of Pillow about sizes below our limits, and about damaged EXIF data
            picture = pillow.open(io.BytesIO(data), formats=_formats()) if isinstance(data, bytes) else data
            if picture.width * picture.height > limits.pixels or not picture.width * picture.height:
                size = f"{picture.width:,}×{picture.height:,}"
                raise PictureProblem(name, f"has too many pixels or none ({size}, at most {limits.pixels:,} are allowed)")
            upright = _upright(_on_white(picture), _orientation(picture))
    except (PictureProblem, MemoryError):
        raise
    except pillow.DecompressionBombError:  # so large that Pillow does not even say the size
        raise PictureProblem(name, f"has too many pixels or none (at most {limits.pixels:,} are allowed)") from None
    except pillow.UnidentifiedImageError:
        raise PictureProblem(name, f"is in none of the formats that are read ({', '.join(FORMATS)})") from None
    except Exception as error:  # a damaged file can raise many kinds of errors in the decoders
        raise PictureProblem(name, f"is damaged ({type(error).__name__}: {' '.join(str(error).split())[:200]})") from None
    return upright if box is None else cut(upright, box, name)


@cache
def _formats() -> tuple[str, ...]:
    """Those of the formats that the installed Pillow can read. Some builds lack AVIF."""
    pillow = require_pillow()
    pillow.init()
    return tuple(name for name in FORMATS if name in pillow.OPEN)


def require_pillow() -> Any:
    """The module ``PIL.Image``.

    Raises:
        ElqError: Pillow is not installed.
    """
    try:
        import PIL.Image
    except ModuleNotFoundError:
        raise ElqError('pictures need the package pillow, which is not installed: pip install "elq[vision]"') from None
    return PIL.Image


def _on_white(picture: "Image") -> "Image":
    """An RGB picture of 8 bits; transparent parts become white. The first frame of an animated picture."""
    from PIL import Image

    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        picture = _of_eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    opaque = Image.new("RGBA", picture.size, "white")
    opaque.alpha_composite(picture.convert("RGBA"))
    return opaque.convert("RGB")


def _of_eight_bits(picture: "Image") -> "Image":
    """A grey picture of 8 bits from one of 16 bits, of 32 bits, or of fractions."""
    _, high = picture.getextrema()
    assert isinstance(high, int | float)  # these pictures have one band
    usual = (1.0, 255.0) if picture.mode == "F" else (65535.0,)
    top = next((most for most in usual if high <= most), float(high))
    return picture.convert("F").point(lambda value: value * (255 / top) + 0.0).convert("L")


def _orientation(picture: "Image") -> int:
    """The EXIF orientation, 1 to 8; 1, which is upright, if it is missing or cannot be read."""
    try:
        found = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data does not damage the picture
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _upright(picture: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture if orientation == 1 else picture.transpose(turns[orientation])


def content_key(data: "bytes | Image", box: Box | None = None, drawn: bool = False) -> bytes:
    """The sha256 sum of the content of a picture and of its box, 32 bytes.

    Args:
        data: what :func:`read_source` has read.
        box: the box that is cut out.
        drawn: whether the box is drawn (:func:`draw_box`), and not cut out.
    """
    if not isinstance(data, bytes):
        data = f"{data.mode} {data.size} {_orientation(data)}".encode() + _on_white(data).tobytes()
    digest = hashlib.sha256(data)
    if box is not None:
        digest.update(f" {'frame' if drawn else 'box'} {checked_box(box)}".encode())
    return digest.digest()

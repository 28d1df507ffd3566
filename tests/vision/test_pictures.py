"""Pictures: every kind of file comes out as the same upright RGB picture, and what cannot be used is said and counted."""

import io
import logging
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from elq.errors import ElqError
from elq.vision.boxes import checked_box, draw_box
from elq.vision.pictures import Limits, content_key, decode, open_or_none, open_picture, read_source
from elq.vision.problems import PictureProblem, Problems


def painted(width=6, height=4) -> Image.Image:
    """A picture of which no two pixels are equal."""
    colours = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(colours)


def saved(picture: Image.Image, kind="PNG", **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pixels(picture: Image.Image) -> list:
    return np.asarray(picture).tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_path_bytes_and_picture_are_the_same(kind, tmp_path):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(painted(), kind, **options)
    (tmp_path / "one").write_bytes(data)  # the content says the format, and not the name
    expected = pixels(painted())
    for source in (data, tmp_path / "one", str(tmp_path / "one"), painted()):
        found = open_picture(source)
        assert found.mode == "RGB"
        assert pixels(found) == expected


def test_transparent_parts_are_white():
    layers = Image.new("RGBA", (3, 1))
    layers.putdata([(200, 0, 0, 255), (200, 0, 0, 0), (0, 0, 0, 128)])
    assert pixels(open_picture(saved(layers))) == [[[200, 0, 0], [255, 255, 255], [127, 127, 127]]]
    with_palette = Image.new("P", (2, 1))
    with_palette.putpalette([10, 20, 30, 40, 50, 60])
    with_palette.putdata([0, 1])
    assert pixels(open_picture(saved(with_palette, transparency=1))) == [[[10, 20, 30], [255, 255, 255]]]
    grey = Image.new("LA", (2, 1))
    grey.putdata([(9, 255), (9, 0)])
    assert pixels(open_picture(saved(grey))) == [[[9, 9, 9], [255, 255, 255]]]


def test_other_colours_become_rgb():
    assert pixels(open_picture(saved(Image.new("1", (1, 1), 1)))) == [[[255] * 3]]
    assert pixels(open_picture(saved(Image.new("L", (1, 1), 77)))) == [[[77] * 3]]
    assert pixels(open_picture(saved(Image.new("CMYK", (1, 1), (0, 0, 0, 255)), "TIFF"))) == [[[0] * 3]]


def test_grey_of_sixteen_bits_keeps_its_brightness():
    values = np.array([[0, 256 * 128, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF", "PPM"):
        found = pixels(open_picture(saved(Image.fromarray(values), kind)))[0]
        assert found[0] == [0] * 3
        assert found[1][0] in (127, 128)
        assert found[2] == [255] * 3


def test_dark_grey_of_sixteen_bits_stays_dark():
    values = np.full((1, 1), 200, dtype=np.uint16)  # nearly black, of 65,535
    assert pixels(open_picture(saved(Image.fromarray(values)))) == [[[0] * 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(painted(), exif=exif)
    assert pixels(open_picture(data)) == pixels(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    if orientation == 6:  # the telephone was turned to the left: the first column is the first row from the right
        assert pixels(open_picture(data))[0] == [row[0] for row in pixels(painted())][::-1]


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0no EXIF data"])
def test_damaged_exif_data_is_ignored(exif):
    assert open_picture(saved(painted(), "JPEG", exif=exif)).size == (6, 4)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animated_picture_the_first_frame_counts(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert pixels(open_picture(data))[0][0] == [255, 0, 0]


def test_the_given_picture_is_not_changed():
    layers = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    before = layers.tobytes()
    open_picture(layers, (0, 0, 1, 1))
    assert (layers.mode, layers.size, layers.tobytes()) == ("RGBA", (2, 2), before)


def test_grey_fractions_become_eight_bits():
    for high in (1.0, 255.0, 1000.0):
        found = pixels(open_picture(saved(Image.fromarray(np.array([[0, high]], dtype=np.float32)), "TIFF")))
        assert found == [[[0] * 3, [255] * 3]]


# --- boxes


def test_a_box_is_cut_out_and_its_edges_move_outwards():
    whole = np.asarray(painted())
    assert pixels(open_picture(painted(), (1, 2, 3, 4))) == whole[2:4, 1:3].tolist()
    assert pixels(open_picture(painted(), (1.5, 2.5, 2.5, 3.1))) == whole[2:4, 1:3].tolist()
    assert pixels(open_picture(painted(), (-5, -5, 100, 2))) == whole[:2].tolist()


def test_a_box_counts_the_pixels_of_the_upright_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(painted(6, 4), exif=exif)
    assert open_picture(data, (0, 4, 4, 6)).size == (4, 2)  # the picture is 4 wide and 6 high


def test_a_box_outside_the_picture_is_a_problem():
    with pytest.raises(PictureProblem, match="has no pixels in its box .*the picture has 6×4"):
        open_picture(painted(), (6, 0, 9, 4))


@pytest.mark.parametrize(
    "box",
    [None, "abcd", b"abcd", (1, 2, 3), (1, 2, 3, "4"), (1, 2, 3, float("nan")), (3, 1, 2, 2), (1, 3, 2, 3), [True] * 4, {1: 2}],
)
def test_a_box_that_is_none_is_refused(box):
    with pytest.raises(ElqError, match="box is .*correct it"):
        checked_box(box)


def test_a_drawn_box_has_a_frame_around_it():
    drawn = np.asarray(draw_box(Image.new("RGB", (50, 50), "white"), (10, 20, 30, 40)))
    red = (drawn == (255, 0, 0)).all(axis=2)
    assert red[18:42, 8:32].sum() == red.sum() == 24 * 24 - 20 * 20
    assert not red[20:40, 10:30].any()
    assert (drawn[~red] == 255).all()


@pytest.mark.parametrize(
    "box", [(0, 0, 50, 50), (-9, -9, 99, 99), (0, 0, 1, 1), (49, 0, 50, 50), (60, 60, 70, 70), (0.5, 0, 1.5, 9)]
)
def test_a_box_at_the_edge_is_drawn_within_the_picture(box):
    drawn = np.asarray(draw_box(Image.new("RGB", (50, 50), "white"), box))
    assert drawn.shape == (50, 50, 3)
    assert (drawn == (255, 0, 0)).all(axis=2).any() == (box[0] < 50)


# --- what cannot be used


def bomb(width: int, height: int) -> bytes:
    """A PNG file that says its size, and has no pixels: an error about pixels would say that it was decoded."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is in none of the formats"),
        (b"no picture", "is in none of the formats"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "is in none of the formats"),  # it would be run
        (saved(painted(200, 200))[:400], "is damaged"),
        (bomb(10_000, 5_001), r"has too many pixels or none \(10,000×5,001, at most 50,000,000"),
        (bomb(2**30, 2**30), "has too many pixels"),
    ],
)
def test_a_picture_that_cannot_be_used_says_why(data, reason):
    with pytest.raises(PictureProblem, match=f"^picture of {len(data):,} bytes {reason}"):
        open_picture(data)


def test_the_number_of_pixels_is_limited_exactly():
    assert open_picture(painted(6, 4), limits=Limits(pixels=24)).size == (6, 4)
    with pytest.raises(PictureProblem, match="6×4, at most 23"):
        open_picture(painted(6, 4), limits=Limits(pixels=23))


def test_the_number_of_bytes_is_limited_before_reading(tmp_path):
    data = saved(painted())
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        assert open_picture(source, limits=Limits(bytes=len(data))).size == (6, 4)
        with pytest.raises(PictureProblem, match=f"has too many bytes .{len(data)}, at most {len(data) - 1}"):
            open_picture(source, limits=Limits(bytes=len(data) - 1))
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 40)  # takes no room on the disk, but would not fit into memory
    with pytest.raises(PictureProblem, match="too many bytes"):
        open_picture(tmp_path / "large")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("absent.png", "does not exist"),
        (".", "is a folder or device"),
        ("/dev/zero", "is a folder or device"),
        ("a\0b", "cannot be read|does not exist"),
        ("x" * 10_000, "cannot be read|does not exist"),
        ("https://example.org/a.png", "is an address on the web: download it"),
    ],
)
def test_a_missing_file_says_why(source, reason):
    with pytest.raises(PictureProblem, match=reason):
        open_picture(source)


def test_problems_are_counted_and_the_first_ones_written_to_the_log(caplog):
    problems = Problems()
    with caplog.at_level(logging.WARNING):
        found = [open_or_none(source, problems) for source in [*(f"absent{n}.png" for n in range(8)), b"x", painted()]]
        problems.report(10)
    assert [picture is None for picture in found] == [True] * 9 + [False]
    assert problems.count == 9
    assert [problem.source for problem in problems.found][-2:] == ["absent7.png", "of 1 bytes"]
    assert len(caplog.messages) == 6
    assert caplog.messages[0] == "picture absent0.png does not exist; it counts as no picture"
    assert caplog.messages[-1].startswith(
        "9 of 10 pictures cannot be used and count as none: 8 × does not exist; 1 × is in none"
    )
    caplog.clear()
    Problems().report(10)
    assert caplog.messages == []


# --- keys


def test_the_key_depends_on_content_box_and_way_only(tmp_path):
    data = saved(painted())
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(data)
    key = content_key(read_source(tmp_path / "a.png"))
    assert len(key) == 32
    assert key == content_key(read_source(tmp_path / "b.png")) == content_key(data)
    boxes = [content_key(data, box, drawn) for box in ((0, 0, 1, 1), (0, 0, 1, 2)) for drawn in (False, True)]
    others = [content_key(saved(painted(5, 4))), content_key(painted()), content_key(painted(4, 6))]
    assert len({key, *boxes, *others}) == 8
    assert content_key(data, (0, 0, 1, 1)) == content_key(data, (0.0, 0.0, 1.0, 1.0)) == boxes[0]


def test_what_was_read_is_decoded_like_the_source(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(painted()))
    assert pixels(decode(read_source(tmp_path / "a.png"))) == pixels(open_picture(tmp_path / "a.png"))

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.image import MAX_SCANS, MAX_SIDE, OTHER_SIZE, decode_jpeg, read_header
from models.inference import InvalidImageError


def save(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def quadrants(mode: str = "RGB") -> Image.Image:
    """Red, green over blue, white: 48 wide, 32 high."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24] = (255, 0, 0)
    pixels[:16, 24:] = (0, 255, 0)
    pixels[16:, :24] = (0, 0, 255)
    pixels[16:, 24:] = (255, 255, 255)
    return Image.fromarray(pixels).convert(mode)


JPEG = save(quadrants(), quality=95)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_colours_come_out_as_rgb(options: dict[str, object]) -> None:
    image = decode_jpeg(save(quadrants(), quality=95, **options))
    assert image.shape == (32, 48, 3)
    assert image.dtype == np.uint8
    for y, x, colour in ((8, 8, (255, 0, 0)), (8, 40, (0, 255, 0)), (24, 8, (0, 0, 255)), (24, 40, (255,) * 3)):
        assert np.abs(image[y, x].astype(int) - colour).max() < 16


def test_grey_becomes_three_equal_channels() -> None:
    image = decode_jpeg(save(quadrants("L")))
    assert image.shape == (32, 48, 3)
    assert (image[..., :1] == image).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_luma_alone_is_that_of_the_colours(mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(quadrants(mode), quality=95, exif=exif, **({"subsampling": 0} if mode == "RGB" else {}))
    colours = decode_jpeg(data)
    luma = decode_jpeg(data, grey=True)
    assert luma.shape == colours.shape[:2]
    assert luma.dtype == np.uint8
    assert np.abs(luma - colours @ (0.299, 0.587, 0.114)).max() < 2


def test_exif_orientation_turns_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image = decode_jpeg(save(quadrants(), quality=95, exif=exif))
    assert image.shape == (48, 32, 3)
    assert np.abs(image[8, 24].astype(int) - (255, 0, 0)).max() < 16  # top left went to the top right


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"hello",
        b"<!DOCTYPE html>",
        JPEG[:100],
        JPEG[: len(JPEG) // 2],
        JPEG[:-20],
    ],
)
def test_what_is_no_whole_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImageError):
        decode_jpeg(data)


def test_other_formats_are_refused() -> None:
    for kind in ("PNG", "WEBP", "BMP", "GIF"):
        buffer = io.BytesIO()
        quadrants().save(buffer, kind)
        with pytest.raises(InvalidImageError, match="not a JPEG"):
            decode_jpeg(buffer.getvalue())


def test_cmyk_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="CMYK"):
        decode_jpeg(save(quadrants("CMYK")))


def test_a_large_picture_is_refused_by_its_header_alone() -> None:
    header = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 60_000, 60_000, 3) + bytes(9)
    with pytest.raises(InvalidImageError, match="60000 x 60000"):
        decode_jpeg(header)


def test_the_limit_is_on_the_number_of_pixels() -> None:
    assert decode_jpeg(JPEG, max_pixels=48 * 32).shape == (32, 48, 3)
    with pytest.raises(InvalidImageError):
        decode_jpeg(JPEG, max_pixels=48 * 32 - 1)


@pytest.mark.parametrize("size", [(65_500, 1), (1, 65_500), (32_767, 3), (MAX_SIDE + 1, 1)])
def test_a_long_strip_is_refused_however_few_pixels_it_has(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImageError, match="a side longer"):
        decode_jpeg(save(Image.new("RGB", size)))
    assert decode_jpeg(save(Image.new("RGB", (MAX_SIDE, 2)))).shape == (2, MAX_SIDE, 3)


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are `count`; decoders take them all."""
    jpeg = save(quadrants(), progressive=True)
    before, last = jpeg[: jpeg.rindex(b"\xff\xda")], jpeg[jpeg.rindex(b"\xff\xda") : -2]
    assert 6 <= before.count(b"\xff\xda") < MAX_SCANS
    return before + last * (count - before.count(b"\xff\xda")) + b"\xff\xd9"


def test_a_jpeg_may_have_as_many_scans_as_encoders_make_and_no_more() -> None:
    assert decode_jpeg(with_scans(MAX_SCANS)).shape == (32, 48, 3)
    for count in (MAX_SCANS + 1, 3000):
        with pytest.raises(InvalidImageError, match="scans"):
            decode_jpeg(with_scans(count))


@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_the_header_tells_the_size_that_decoding_gives(width: int, height: int, progressive: bool) -> None:
    jpeg = save(Image.new("RGB", (width, height)), progressive=progressive)
    header = read_header(jpeg)
    assert (header.height, header.width, header.components) == decode_jpeg(jpeg).shape


def test_no_segment_hides_another_header_from_the_check(capfd: pytest.CaptureFixture[str]) -> None:
    """Where decoders and the check go on reading at different places, a decoder would find the larger picture."""
    small, large = save(Image.new("L", (16, 16))), bytearray(save(Image.new("L", (16, 16))))
    size = large.index(b"\xff\xc0") + 5
    large[size : size + 4] = struct.pack(">HH", 300, 400)
    inside = bytes(large[2:-2])
    taken = 0
    for marker in range(256):
        for length in (0, 1, 2, 4, len(inside) + 1, len(inside) + 2, 65_535):
            jpeg = small[:2] + bytes([0xFF, marker]) + struct.pack(">H", length) + inside + small[2:]
            try:
                taken += decode_jpeg(jpeg, max_pixels=10_000).shape == (16, 16, 3)
            except InvalidImageError as error:
                assert str(error) != OTHER_SIZE, (marker, length)
    assert taken >= 17  # APP0-15 and a comment hold whatever they hold
    capfd.readouterr()  # what libjpeg has to say


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for jpeg in (data, b"\xff\xd8" + data, b"\xff\xd8\xff" + data):
        with pytest.raises(InvalidImageError):
            decode_jpeg(jpeg)


@given(st.data())
def test_a_damaged_jpeg_is_decoded_or_refused(data: st.DataObject) -> None:
    jpeg = bytearray(JPEG)
    for _ in range(data.draw(st.integers(1, 8))):
        jpeg[data.draw(st.integers(0, len(jpeg) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_jpeg(bytes(jpeg), max_pixels=10_000)
    except InvalidImageError:
        return
    assert image.ndim == 3
    assert image.shape[0] * image.shape[1] <= 10_000

"""Calls of the public interface drawn at random, of which it is known what has to come of them.

Pictures, masks and options of all kinds, some that cannot be used among them. ``scripts/random-calls`` makes thousands,
a test makes some. A call is told by a seed and its number, so any can be made again.
"""

from __future__ import annotations

import contextlib
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from rethined import (
    FileWarning,
    ImageError,
    ImageReadError,
    ImageWriteError,
    Inpainter,
    InpaintOptions,
    MaskError,
    MaskWarning,
    MemoryBudgetError,
    OptionError,
    RethinedError,
    inpaint,
    read_image,
    write_image,
)
from rethined.jpeg import is_installed
from rethined.types import HoleMap, Pixels, SizeHW

WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}
LOSSLESS = {"uint8": ("png", "tif", "webp", "bmp"), "uint16": ("png", "tif")}
GREY_ALPHA_8 = ("png", "tif", "webp")
Errors = tuple[type[RethinedError], ...]


@dataclass(frozen=True)
class Thing:
    """A picture or a mask as it is handed in.

    Attributes:
        given: The array, PIL image or whatever stands for it.
        meant: What it means: pixels in their own depth, or a map; of no use where it is ``wrong``.
        wrong: What it has to be refused with; nothing where it can be used.
    """

    given: Any
    meant: Any = None
    wrong: Errors = ()


@dataclass(frozen=True)
class Call:
    """One call and what is known of it.

    Attributes:
        way: Which of the public doors.
        picture, mask, forbid: What is handed in.
        options: Arguments of :class:`InpaintOptions`.
        wrong: Why it has to fail; nothing where it has to work.
        allowed: What it may fail with besides.
        filled: ``(H, W)`` bool, the pixels that may change; all of them where it is ``wrong``.
        is_twice: Whether it is made twice, with another number of threads.
        out: Suffixes of the file that goes in and of the one that comes out, of the way ``file``.
    """

    way: str
    picture: Thing
    mask: Thing
    forbid: Thing
    options: Mapping[str, Any]
    wrong: Errors
    allowed: Errors
    filled: HoleMap
    is_twice: bool
    out: tuple[str, str] = ("", "")

    def __str__(self) -> str:
        return (
            f"{self.way} {_described(self.picture.given)} mask {_described(self.mask.given)}"
            f" forbid {_described(self.forbid.given)} {dict(self.options)} {' to '.join(filter(None, self.out))}"
        )


@dataclass
class Bench:
    """What calls are made with.

    Attributes:
        inpainter: Of one thread.
        other: The same network with two.
        folder: An empty folder for files.
    """

    inpainter: Inpainter
    other: Inpainter
    folder: Path
    _count: int = field(default=0)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """A fresh folder, which is emptied afterwards."""
        self._count += 1
        place = self.folder / str(self._count)
        place.mkdir()
        try:
            yield place
        finally:
            for path in place.iterdir():
                path.unlink()
            place.rmdir()


# ---- drawing ----


def draw(seed: int, number: int) -> Call:
    """The call of this number."""
    chance, rng = random.Random(f"{seed} {number}"), np.random.default_rng([seed, number])
    way = chance.choices(
        ("call", "fill", "inplace", "sources", "explain", "inpaint", "file", "array to a file"),
        (30, 20, 14, 5, 5, 8, 16, 2),
    )[0]
    size_hw = _size(chance)
    picture = _picture(chance, rng, size_hw, way)
    hole = _hole(chance, rng, size_hw)
    mask = _mask(chance, hole)
    forbid = _mask(chance, _hole(chance, rng, size_hw)) if chance.random() < 0.3 else Thing(None)
    options, option_errors = _options(chance, size_hw)
    suffixes = _suffixes(chance, picture.meant) if way == "file" else ("", "")

    wrong: Errors = (*option_errors, *picture.wrong, *mask.wrong, *forbid.wrong, *_wrong_way(way, picture, suffixes))
    allowed: Errors = (MemoryBudgetError,) if "max_memory_mb" in options else ()
    if not is_installed() and options.get("jpeg") == "lossless" and suffixes in (("jpg", "jpg"), ("jpg", "same")):
        allowed = (*allowed, RethinedError)
    filled = np.ones(size_hw, bool)
    if wrong:
        allowed = (*allowed, MaskError)  # of a mask that can be read, and leaves nothing known
    else:
        filled = grown(mask.meant, options.get("grow_px", 0))
        wrong = _nothing_known(picture.meant, filled)
    return Call(way, picture, mask, forbid, options, wrong, allowed, filled, chance.random() < 0.1, suffixes)


def _size(chance: random.Random) -> SizeHW:
    """Mostly small; now and then one long side, or two."""

    def side(least_px: int, most_px: int) -> int:
        return round(math.exp(chance.uniform(math.log(least_px), math.log(most_px))))

    kind = chance.choices(("small", "medium", "thin", "large"), (680, 290, 20, 10))[0]
    if kind == "thin":
        sides = side(700, 2000), side(1, 40)
        return sides if chance.random() < 0.5 else (sides[1], sides[0])
    least_px, most_px = {"small": (1, 160), "medium": (16, 700), "large": (500, 2000)}[kind]
    return side(least_px, most_px), side(least_px, most_px)


def _values(chance: random.Random, rng: np.random.Generator, shape: tuple[int, ...]) -> Pixels:
    """``shape`` float64 in 0..1."""
    kind = chance.choice(("noise", "even", "ramp", "smooth", "stripes", "black and white", "black", "white"))
    if kind in ("noise", "black and white"):
        noise = rng.random(shape)
        return noise if kind == "noise" else np.rint(noise)
    y, x = np.mgrid[: shape[0], : shape[1]]
    plane = {
        "even": np.full(shape[:2], chance.random()),
        "ramp": (y + 2 * x) / (shape[0] + 2 * shape[1]),
        "smooth": cv2.resize(rng.random((4, 5)), shape[1::-1], interpolation=cv2.INTER_LINEAR),
        "stripes": (x // 3 + y // 5) % 4 / 3,
        "black": np.zeros(shape[:2]),
        "white": np.ones(shape[:2]),
    }[kind]
    return plane if len(shape) == 2 else np.stack([plane * (1 - i / 9) for i in range(shape[2])], axis=-1)


def _pixels(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW, dtype: str, channels: int) -> Pixels:
    """Pixels of any kind; 0 channels for no axis of channels."""
    values = _values(chance, rng, size_hw if not channels else (*size_hw, channels))
    if channels in (2, 4):
        alpha = chance.choices(("opaque", "clear", "some", "any", "half"), (30, 5, 25, 25, 15))[0]
        values[..., -1] = {
            "opaque": 1,
            "clear": 0,
            "some": rng.random(size_hw) < 0.8,
            "any": rng.random(size_hw),
            "half": np.arange(size_hw[1]) % 2,
        }[alpha]
    if dtype != "float32":
        return np.rint(values * WHITE[dtype]).astype(dtype)
    if chance.random() < 0.2:  # beyond black and white, as far as is allowed
        values = values * chance.uniform(-15, 15)
    return values.astype(np.float32)


def _picture(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW, way: str) -> Thing:
    if way == "file":
        return _file_picture(chance, rng, size_hw)
    # In place only arrays of their own are filled, so others are rare there.
    weights = (88, 4, 4, 4) if way == "inplace" else (64, 14, 18, 4)
    kind = chance.choices(("array", "view", "image", "wrong"), weights)[0]
    if kind == "image":
        return _pil_picture(chance, rng, size_hw)
    if kind == "wrong":
        return _wrong_picture(chance, rng, size_hw)
    dtype, channels = chance.choice(list(WHITE)), chance.choice((0, 1, 2, 3, 3, 3, 4))
    if kind == "array":
        pixels = _pixels(chance, rng, size_hw, dtype, channels)
        return Thing(pixels, pixels.copy())
    pixels = _pixels(chance, rng, (size_hw[0] * 2, size_hw[1] + 3), dtype, channels)
    view = chance.choice((pixels[::2, 3:], pixels[::-2, -4::-1], pixels[size_hw[0] :, 1:-2]))
    if chance.random() < 0.3:
        view = np.asfortranarray(view)
    if chance.random() < 0.3:
        view = view.view()
        view.flags.writeable = False
    return Thing(view, view.copy())


def _pil_picture(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW) -> Thing:
    mode = chance.choice(("L", "LA", "RGB", "RGBA", "I;16", "I", "P", "PA", "1", "HSV", "YCbCr", "CMYK", "F", "RGBX"))
    if mode in ("I;16", "I"):
        deep = _pixels(chance, rng, size_hw, "uint16", 0)
        image = Image.fromarray(deep)
        return Thing(image if mode == "I;16" else Image.fromarray(deep.astype(np.int32)), deep)
    if mode in ("L", "LA", "RGB", "RGBA"):
        pixels = _pixels(chance, rng, size_hw, "uint8", {"L": 0, "LA": 2, "RGB": 3, "RGBA": 4}[mode])
        return Thing(Image.fromarray(pixels), pixels)
    coloured = Image.fromarray(_pixels(chance, rng, size_hw, "uint8", 3))
    if mode == "PA":
        image = Image.merge("LA", [coloured.convert("L")] * 2).convert("PA")
    elif mode == "F":
        image = coloured.convert("L").convert("F")
    else:
        image = coloured.convert(mode)
    wrong = (ImageError,) if mode in ("CMYK", "F") else ()
    return Thing(image, None if wrong else np.array(image.convert("RGB")), wrong)


def _file_picture(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW) -> Thing:
    dtype = chance.choice(("uint8", "uint8", "uint16"))
    pixels = _pixels(chance, rng, size_hw, dtype, chance.choice((0, 3, 4) if dtype == "uint16" else (0, 2, 3, 4)))
    return Thing(pixels, pixels)


def _wrong_picture(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW) -> Thing:
    height, width = size_hw
    pixels = rng.random((height, width, 3)).astype(np.float32)
    place = chance.randrange(height), chance.randrange(width), chance.randrange(3)

    def with_a(value: float) -> Pixels:
        pixels[place] = value
        return pixels

    makers: Sequence[Callable[[], Any]] = (
        lambda: with_a(math.nan),
        lambda: with_a(math.inf),
        lambda: with_a(-math.inf),
        lambda: with_a(16.5),
        lambda: with_a(3e38),
        lambda: pixels.astype(np.float64),
        lambda: pixels.astype(np.float16),
        lambda: pixels > 0.5,
        lambda: pixels.astype(np.int32),
        lambda: pixels.astype(np.complex64),
        lambda: pixels.astype(object),
        lambda: pixels.astype(">f4"),
        lambda: pixels.astype("S3"),
        lambda: pixels[..., 0].ravel(),
        lambda: pixels[np.newaxis],
        lambda: pixels[:0],
        lambda: pixels[:, :, :0],
        lambda: np.concatenate([pixels, pixels], axis=2),
        lambda: np.float32(1),
        lambda: np.array(1, np.uint8),
        lambda: None,
        lambda: pixels.tolist(),
        lambda: 7,
        lambda: b"picture",
    )
    return Thing(chance.choice(makers)(), None, (ImageError,))


def _hole(chance: random.Random, rng: np.random.Generator, size_hw: SizeHW) -> HoleMap:
    """A map of any kind, the empty and the full one among them."""
    height, width = size_hw
    hole = np.zeros(size_hw, bool)
    y, x = np.mgrid[:height, :width]
    kind = chance.choices(
        ("boxes", "disc", "line", "hairlines", "border", "specks", "half", "chequers", "dot", "all but a dot", "none",
         "all"),
        (27, 12, 9, 9, 9, 9, 6, 3, 6, 4, 4, 2),
    )[0]  # fmt: skip
    dot = chance.randrange(height), chance.randrange(width)
    if kind == "boxes":
        for _ in range(chance.randint(1, 4)):
            top, left = chance.randrange(height), chance.randrange(width)
            hole[top : top + 1 + height // chance.randint(2, 8), left : left + 1 + width // chance.randint(2, 8)] = True
    elif kind == "disc":
        hole = (y - dot[0]) ** 2 + (x - dot[1]) ** 2 <= (min(size_hw) * chance.uniform(0.1, 0.6)) ** 2
    elif kind == "line":
        hole = np.abs(y * width - x * height) < max(size_hw)
    elif kind == "hairlines":
        hole = (x % chance.randint(2, 40) == 0) | (y % chance.randint(9, 60) == 0)
    elif kind == "border":
        depth_px = 1 + int(min(size_hw) * chance.uniform(0, 0.3))
        hole = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) < depth_px
    elif kind == "specks":
        hole = rng.random(size_hw) < chance.choice((0.001, 0.02, 0.3, 0.9))
    elif kind == "half":
        hole = x < width // 2 if chance.random() < 0.5 else y >= height // 2
    elif kind == "chequers":
        hole = (x + y) % 2 == 0
    elif kind in ("dot", "all but a dot"):
        hole[dot] = True
    return ~hole if kind in ("all but a dot", "all") else hole


def _mask(chance: random.Random, hole: HoleMap) -> Thing:
    """A map as masks come: in any type, as an image, soft, coloured, by its alpha, or of no use."""
    kind = chance.choices(("bool", "number", "image", "coloured", "alpha", "soft", "wrong"), (24, 36, 16, 7, 6, 7, 4))[
        0
    ]
    if kind == "wrong":
        return _wrong_mask(chance, hole)
    if kind == "bool":
        return Thing(hole[..., np.newaxis] if chance.random() < 0.2 else hole, hole)
    if kind == "image":
        image = Image.fromarray(hole * np.uint8(255)).convert(chance.choice(("1", "L", "RGB", "P")))
        return Thing(image, hole)
    if kind == "coloured" and hole.any() and not hole.all():
        return Thing(hole[..., np.newaxis] * np.array([200, 3, 0], np.uint8), hole)
    if kind == "alpha" and hole.any() and not hole.all():
        return Thing(np.dstack([np.full((*hole.shape, 3), 90, np.uint8), ~hole * np.uint8(255)]), hole)
    if kind == "soft":
        soft = cv2.GaussianBlur(hole * np.uint8(255), (0, 0), chance.uniform(0.5, 4))
        return Thing(soft, soft > (0.5 if soft.max() <= 1 else 127.5))
    dtype, white = chance.choice(
        (
            *((name, white) for name in ("uint8", "int16", "uint32", "int64", "float16", "float32", "float64")
              for white in (1, 255)),
            *((name, 65535) for name in ("uint16", "int32", "uint64", ">u2")),
            ("int8", 127),
        )
    )  # fmt: skip
    values = hole * np.dtype(dtype).type(white)
    return Thing(np.repeat(values[..., np.newaxis], 3, axis=2) if chance.random() < 0.15 else values, hole)


def _wrong_mask(chance: random.Random, hole: HoleMap) -> Thing:
    height, width = hole.shape
    numbers = hole.astype(np.float32)

    def with_a(value: float) -> Pixels:
        numbers[chance.randrange(height), chance.randrange(width)] = value
        return numbers

    makers: Sequence[Callable[[], Any]] = (
        lambda: with_a(math.nan),
        lambda: with_a(math.inf),
        lambda: with_a(-1),
        lambda: with_a(256),
        lambda: hole * np.int32(70_000) if hole.any() else with_a(-1),
        lambda: np.zeros((height + 1, width), bool),
        lambda: hole.T if height != width else hole[:-1],
        lambda: hole[:0],
        lambda: np.repeat(hole[..., np.newaxis], 2, axis=2),
        lambda: np.repeat(hole[..., np.newaxis], 5, axis=2),
        lambda: hole[np.newaxis],
        lambda: hole.astype(np.complex64),
        lambda: hole.astype(object),
        lambda: hole.astype(str),
        lambda: hole.astype("datetime64[s]"),
        lambda: Image.new("L", (width + 1, height)),
        lambda: hole.tolist(),
        lambda: 3.5,
        lambda: "no-such-mask.png",
        lambda: "",
        lambda: "a\0b",
    )
    given = chance.choice(makers)()
    return Thing(given, None, (ImageReadError,) if isinstance(given, str) else (MaskError,))


def _options(chance: random.Random, size_hw: SizeHW) -> tuple[dict[str, Any], Errors]:
    """Arguments of the options; many are left at their defaults."""
    most_px = 512 if math.prod(size_hw) < 10_000 else 24  # what `grown` does in a moment
    makers: dict[str, Callable[[], Any]] = {
        "preset": lambda: chance.choice(("fast", "balanced", "best")),
        "working_px": lambda: chance.choice((None, 512, 513, 700, 1024, 2048)),
        "candidates": lambda: chance.choice((1, 2, 3, 4, 5, 8, 64)),
        "grow_px": lambda: chance.choice((0, 1, 1, 2, 5, 1 + min(size_hw) // 9, chance.randint(0, most_px))),
        "feather_px": lambda: chance.choice((0, 1, 3, 10, chance.randint(0, 512))),
        "max_memory_mb": lambda: chance.choice((1, 20, chance.randint(1, 200), 1000, 1_000_000)),
        "strip": lambda: chance.random() < 0.5,
        "jpeg": lambda: chance.choice((None, "lossless", "reencode")),
    }
    options = {name: make() for name, make in makers.items() if chance.random() < 0.25}
    if chance.random() >= 0.03:
        return options, ()
    name = chance.choice(list(makers))
    wrong = {
        "preset": ("", "Best", None, 3, ["best"]),
        "working_px": (511, 8193, 0, -1, 600.0, True, "600", math.nan),
        "candidates": (65, 0, -4, None, 4.0, "4", True),
        "grow_px": (-1, 513, 1.5, None, "1", False, math.inf),
        "feather_px": (-1, 513, 1.5, None, "1", True),
        "max_memory_mb": (0, -1, 1_000_001, 1.5, "1", True),
        "strip": (None, 1, "yes", 0),
        "jpeg": ("", "Lossless", True, 1, ["reencode"]),
    }[name]
    return {**options, name: chance.choice(wrong)}, (OptionError,)


def _suffixes(chance: random.Random, pixels: Pixels) -> tuple[str, str]:
    """What a picture is written as, and what its filled one; an empty one for that of the picture."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    held = [
        suffix
        for suffix in LOSSLESS[pixels.dtype.name]
        if channels in (1, 3) or (suffix != "bmp" and (channels == 4 or suffix in GREY_ALPHA_8))
    ]
    if channels in (1, 3) and pixels.dtype == np.uint8:
        held.append("jpg")
    wrong = ("gif", "", "xyz", "png/deeper", "PNG.") if chance.random() < 0.05 else ()
    own = chance.choice(held)
    # WebP gives grey back as RGB, which not all can hold with its alpha.
    return own, chance.choice(wrong or (own, own, "same", *(("png", "tif") if own == "webp" else held)))


def _wrong_way(way: str, picture: Thing, suffixes: tuple[str, str]) -> Errors:
    """What the door itself refuses."""
    if way == "array to a file":
        return (OptionError,)
    if way == "inplace":
        given = picture.given
        if not isinstance(given, np.ndarray):
            return (OptionError,)
        if not (given.flags.writeable and given.flags.c_contiguous):
            return (ImageError,)
    if way == "file" and suffixes[1] in ("gif", "", "xyz", "png/deeper", "PNG."):
        return (ImageWriteError,)
    return ()


def _nothing_known(pixels: Pixels, filled: HoleMap) -> Errors:
    """Refused since nothing is left to fill from."""
    if filled.all():
        return (MaskError,)
    if filled.any() and pixels.ndim == 3 and pixels.shape[2] in (2, 4) and (filled | (pixels[..., -1] <= 0)).all():
        return (MaskError,)
    return ()


def grown(hole: HoleMap, px: int) -> HoleMap:
    """The map with all pixels within ``px`` of it, row by row of a disc."""
    result = hole.copy()
    height, width = hole.shape
    if not px or not hole.any():
        return result
    for dy in range(-min(px, height - 1), min(px, height - 1) + 1):
        reach_px = math.isqrt(px * px - dy * dy)
        moved = np.zeros_like(hole)
        moved[max(dy, 0) : height + min(dy, 0)] = hole[max(-dy, 0) : height + min(-dy, 0)]
        sums = np.pad(np.cumsum(moved, axis=1), ((0, 0), (1, 0)))
        columns = np.arange(width)
        right, left = np.minimum(columns + reach_px + 1, width), np.maximum(columns - reach_px, 0)
        result |= sums[:, right] > sums[:, left]
    return result


# ---- making ----


def complaints(call: Call, bench: Bench) -> list[str]:
    """What of a call did not come as it has to; nothing if all did."""
    before = [_fingerprint(thing.given) for thing in (call.picture, call.mask, call.forbid)]
    found: list[str] = []
    answers = []
    for inpainter in (bench.inpainter, bench.other)[: 1 + call.is_twice]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for category in (MaskWarning, FileWarning):
                warnings.simplefilter("ignore", category)
            try:
                answer = _made(call, inpainter, bench, found)
            except RethinedError as error:
                answer = None
                if not isinstance(error, (*call.wrong, *call.allowed)):
                    found.append(f"failed: {type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                answer = None
                found.append(f"an error of another tree: {type(error).__name__}: {error}")
            else:
                if call.wrong:
                    found.append(f"was expected to fail with {call.wrong[0].__name__}, and did not")
        answers.append(answer)
    if [_fingerprint(thing.given) for thing in (call.picture, call.mask, call.forbid)] != before:
        found.append("an input has changed")
    if call.is_twice and _fingerprint(answers[0]) != _fingerprint(answers[1]):
        found.append("the second time, with two threads, another picture came")
    return found


def _made(call: Call, inpainter: Inpainter, bench: Bench, found: list[str]) -> Pixels | None:
    """Makes a call; gives the pixels that came, and adds to ``found`` what is wrong with them."""
    fill = inpainter.with_options(InpaintOptions(**call.options))
    picture, mask = call.picture.given, call.mask.given
    forbid = {} if call.forbid.given is None else {"forbid": call.forbid.given}
    if call.way == "file":
        with bench.place() as place:
            return _made_of_file(call, fill, place, forbid, found)
    if call.way == "array to a file":
        fill(picture, mask, **forbid, out=bench.folder / "never.png")
        return None
    if call.way == "explain":
        fill.explain(picture, mask, **forbid)
        return None
    if call.way == "call":
        came = fill(picture, mask, **forbid)
    elif call.way == "inpaint":
        came = inpaint(picture, mask, **forbid, options=fill.options)
    elif call.way == "inplace":
        came = _made_in_place(call, fill, forbid, found)
    else:
        came = _made_with_result(call, fill, forbid, found)
    if call.way not in ("fill", "sources") and isinstance(came, Image.Image) != isinstance(picture, Image.Image):
        found.append(f"a {type(picture).__name__} became a {type(came).__name__}")
    if isinstance(came, Image.Image) and came.mode not in (picture.mode, "RGB"):
        found.append(f"mode {picture.mode} became {came.mode}")
    pixels = np.asarray(came)
    if pixels.dtype == np.int32:  # mode I
        pixels = pixels.astype(np.uint16)
    if not call.wrong:
        found += _faults(np.asarray(call.picture.meant), pixels, call.filled)
    return pixels


def _made_with_result(call: Call, fill: Inpainter, forbid: Mapping[str, Any], found: list[str]) -> Pixels:
    picture, mask = call.picture.given, call.mask.given
    shares: list[float] = []
    result = fill.fill(picture, mask, **forbid, on_progress=lambda _stage, share: shares.append(share))
    if not shares or shares != sorted(shares) or shares[-1] != 1:
        found.append(f"progress fell or did not end at 1: {shares[-3:]}")
    if not call.wrong and result.hole_share != np.count_nonzero(call.filled) / call.filled.size:
        found.append(f"the share of the hole is {result.hole_share}")
    if call.way == "sources" and result.sources is not None:
        again = fill.fill(picture, mask, **forbid, sources=result.sources).image
        if not np.array_equal(again, result.image):
            found.append("with its own sources another picture came")
    return result.image


def _made_in_place(call: Call, fill: Inpainter, forbid: Mapping[str, Any], found: list[str]) -> Any:  # noqa: ANN401
    given = call.picture.given
    if not isinstance(given, np.ndarray) or call.wrong:
        return fill(given, call.mask.given, **forbid, inplace=True)
    own = given.copy(order="C")
    try:
        came = fill(own, call.mask.given, **forbid, inplace=True)
    except RethinedError:
        if own.tobytes() != given.tobytes():
            found.append("the picture has changed in place, though it failed")
        raise
    if came is not own:
        found.append("what came back in place is another array")
    return came


def _made_of_file(
    call: Call, fill: Inpainter, place: Path, forbid: Mapping[str, Any], found: list[str]
) -> Pixels | None:
    own, wanted = call.out
    photo = place / f"photo.{own}"
    write_image(photo, call.picture.given)
    stored, content = read_image(photo, as_stored=True), photo.read_bytes()
    out = None if wanted == "same" else place / f"out.{wanted}"
    names = {photo.name}
    try:
        came = fill(photo, call.mask.given, **forbid, out=out)
        names.add(came.name)
        if came != (out or place / f"photo-filled.{own}"):
            found.append(f"{out} became {came}")
    finally:
        if photo.read_bytes() != content:
            found.append("the photograph's file has changed")
        if {path.name for path in place.iterdir()} != names:
            found.append(f"these files are there: {sorted(path.name for path in place.iterdir())}")
    pixels = read_image(came, as_stored=True)
    if pixels.shape[:2] != stored.shape[:2]:
        found.append(f"a photograph {stored.shape} became one {pixels.shape}")
    elif came.suffix != ".jpg":
        found += _faults(_as_rgb(stored, pixels), pixels, call.filled)
    return pixels


def _as_rgb(stored: Pixels, pixels: Pixels) -> Pixels:
    """Grey as RGB, and without alpha that hides nothing, where WebP made it that."""
    channels, became = (1 if array.ndim == 2 else array.shape[2] for array in (stored, pixels))
    own = stored.reshape(*stored.shape[:2], channels)
    if (channels, became) in ((1, 3), (2, 4)):
        return own[..., [0, 0, 0, 1][:became]]
    if became == 3 and channels in (2, 4) and (own[..., -1] == 255).all():
        return own[..., [0, 0, 0] if channels == 2 else [0, 1, 2]]
    return stored


def _faults(before: Pixels, after: Pixels, filled: HoleMap) -> list[str]:
    """What is wrong with a filled picture."""
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        return [f"{before.shape} {before.dtype} became {after.shape} {after.dtype}"]
    found = []
    if after[~filled].tobytes() != before[~filled].tobytes():
        changed = (after != before).reshape(*filled.shape, -1).any(axis=2) & ~filled
        found.append(f"{np.count_nonzero(changed)} known pixels have changed")
    colours = after[filled]
    if after.ndim == 3 and after.shape[2] in (2, 4):
        if after[..., -1].tobytes() != before[..., -1].tobytes():
            found.append("alpha has changed")
        colours = colours[..., :-1]
    if after.dtype == np.float32 and colours.size:
        if not np.isfinite(colours).all():
            found.append("a filled pixel is not finite")
        elif colours.min() < 0 or colours.max() > 1:
            found.append(f"filled pixels lie in {colours.min():g}..{colours.max():g}; expected 0..1")
    return found


def _fingerprint(given: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if isinstance(given, np.ndarray):
        return given.shape, given.dtype.str, given.flags.writeable, given.tobytes()
    if isinstance(given, Image.Image):
        return given.mode, given.size, given.tobytes()
    return (repr(given),)


def _described(given: Any) -> str:  # noqa: ANN401
    if isinstance(given, np.ndarray):
        return f"{'x'.join(map(str, given.shape))} {given.dtype}"
    if isinstance(given, Image.Image):
        return f"{given.mode} {given.height}x{given.width}"
    return repr(given)[:40]

"""The conventions that every module relies on, warts included. Those of resizing are pinned in test_resample.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined import Inpainter, read_image, write_image
from rethined.masks import as_hole
from rethined.matching import corrupted_tokens
from rethined.regions import plan_rungs
from rethined.resample import pull_push, resize_linear, shrink_known
from rethined.session import OnnxSession
from rethined.types import Image8

WriteNetwork = Callable[..., Path]

RED = np.full((64, 96, 3), (200, 0, 0), np.uint8)


@pytest.fixture
def red_only(tmp_path: Path, write_network: WriteNetwork) -> Path:
    """A network that keeps the first channel of what it is fed and drops the others."""
    return write_network(tmp_path / "red.onnx", gain=(1, 0, 0))


def left_half(image: Image8) -> np.ndarray:
    mask = np.zeros(image.shape[:2], bool)
    mask[:, : image.shape[1] // 2] = True
    return mask


def test_convention_true_and_white_mean_fill(tmp_path: Path, tiny_network_path: Path, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (70, 100, 3), dtype=np.uint8)
    hole = left_half(image)
    inpainter = Inpainter(tiny_network_path, threads=1)
    white = hole * np.uint8(255)
    write_image(tmp_path / "mask.png", np.dstack([white] * 3))
    for mask in (hole, white, hole.astype(np.float32), Image.fromarray(white), tmp_path / "mask.png"):
        filled = inpainter(image, mask)
        np.testing.assert_array_equal(filled[:, 50:], image[:, 50:])
        assert (filled[:, :50] != image[:, :50]).any(axis=2).mean() > 0.9


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_convention_rgb_in_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"red{suffix}"
    write_image(path, RED)
    with Image.open(path) as picture:
        assert picture.convert("RGB").getpixel((50, 30)) == pytest.approx((200, 0, 0), abs=3)
    np.testing.assert_allclose(read_image(path), RED, atol=3)


def test_convention_rgb_at_the_network(red_only: Path, tmp_path: Path) -> None:
    colours = np.full((32, 32, 3), (10, 20, 30), np.float32)
    fill = OnnxSession(red_only, threads=1).run(colours, np.ones((32, 32), bool)).fill
    np.testing.assert_allclose(fill[0, 0], (10, 0, 0), atol=1e-3)
    # The whole way: red survives a network that drops all but the first channel, blue would be black.
    path = tmp_path / "red.png"
    write_image(path, RED)
    hole = np.zeros(RED.shape[:2], bool)
    hole[3::8, 3::8] = True  # no token is whole, so the fill is the network's alone
    for image in (RED, Image.fromarray(RED), path):
        result = Inpainter(red_only, threads=1).fill(image, hole)
        assert not result.used_transfer
        np.testing.assert_allclose(result.image.astype(int), RED, atol=1)


def test_convention_network_range_is_zero_to_one(tmp_path: Path, write_network: WriteNetwork) -> None:
    session = OnnxSession(write_network(tmp_path / "same.onnx"), threads=1)
    feeds: list[dict[str, np.ndarray]] = []
    inner = session._session

    class Watch:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            feeds.append(feed)
            return list(inner.run(outputs, feed))

    session._session = Watch()
    hole = np.zeros((32, 64), bool)
    hole[3, 5] = True
    session.run(np.full((32, 64, 3), (255, 51, 0), np.float32), hole)
    feed = feeds[0]
    assert list(feed) == ["prefilled", "hole"]
    assert [(array.shape, array.dtype) for array in feed.values()] == [
        ((1, 3, 32, 64), np.float32),
        ((1, 1, 32, 64), np.float32),
    ]
    np.testing.assert_allclose(feed["prefilled"][0, :, 9, 9], (1, 0.2, 0), atol=1e-6)
    assert np.argwhere(feed["hole"]).tolist() == [[0, 0, 3, 5]], "1 = fill"


def test_convention_sizes_are_height_then_width(tmp_path: Path, tiny_network_path: Path) -> None:
    tall = np.full((90, 40, 3), 99, np.uint8)
    write_image(tmp_path / "tall.png", tall)
    assert read_image(tmp_path / "tall.png").shape == (90, 40, 3)
    with Image.open(tmp_path / "tall.png") as picture:
        assert picture.size == (40, 90)
    hole = as_hole(np.zeros((90, 40)), (90, 40))
    assert plan_rungs((90, 40), first_px=512, working_px=512).working_hw == (96, 64)
    assert shrink_known(tall, hole, (64, 32)).image.shape == (64, 32, 3)
    assert resize_linear(tall.astype(np.float32), (64, 32)).shape == (64, 32, 3)
    assert pull_push(tall.astype(np.float32), hole).shape == (90, 40, 3)
    assert corrupted_tokens(np.zeros((96, 64), bool)).shape == (12, 8)
    hole[10, 20] = True
    result = Inpainter(tiny_network_path, threads=1).fill(tall, hole)
    assert result.image.shape == (90, 40, 3)
    assert result.plan is not None
    assert (result.plan.size_hw, result.plan.working_hw) == ((90, 40), (96, 64))

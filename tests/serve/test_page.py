"""The page, in a headless Chromium: hands draw, and what is shown is what Python gives."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rethined import jpeg
from rethined.engine import Inpainter
from rethined.imageio import WRITE_SUFFIXES, read_image, write_image
from rethined.masking import FileMask
from rethined.masks import as_hole
from rethined.options import InpaintOptions
from rethined.serve.work import Done, FillJob, Step, fill_files
from rethined.types import HoleMap, Image8
from served import SlowWork, encoded, served, until

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("selenium", reason="the page is tested by selenium: pip install 'rethined[browser-tests]'")
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from rethined.serve.app import create_app
from rethined.serve.settings import ServeSettings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --force-device-scale-factor=1"
)
IS_CHANGED = 'return document.getElementById("options").classList.contains("changed")'
WINDOW = (880, 700)
SIZE_HW = (360, 480)

needs_jpegio = pytest.mark.skipif(not jpeg.is_installed(), reason=f"jpegio is not installed: {jpeg.INSTALL}")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its driver here: apt-get install chromium chromium-driver"
)


class Page:
    """The page as hands and eyes have it."""

    def __init__(self, browser: webdriver.Chrome, downloads: Path) -> None:
        self.browser = browser
        self.downloads = downloads
        self.run = browser.execute_script

    def at(self, name: str) -> Any:  # noqa: ANN401 - selenium's elements
        return self.browser.find_element(By.ID, name)

    def click(self, name: str) -> None:
        self.at(name).click()

    def press(self, *keys: str) -> None:
        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    def press_with(self, modifiers: tuple[str, ...], key: str) -> None:
        actions = ActionChains(self.browser, duration=0)
        for modifier in modifiers:
            actions.key_down(modifier)
        actions.send_keys(key)
        for modifier in modifiers:
            actions.key_up(modifier)
        actions.perform()

    @property
    def state(self) -> str:
        return str(self.run("return document.body.dataset.state"))

    @property
    def error(self) -> str:
        return str(self.at("error").text).removesuffix("\nClose")

    def open(self, path: Path) -> None:
        self.at("file").send_keys(str(path))
        until(lambda: self.state == "edit")

    def tool(self, name: str) -> None:
        self.browser.find_element(By.CSS_SELECTOR, f"label:has([value={name}])").click()

    def drag(self, *places_xy: tuple[int, int]) -> None:
        """Draws through places in pixels of a photograph that is shown pixel by pixel, in the middle."""
        left, top = self.corner()
        canvas = self.at("canvas")
        middle = (canvas.size["width"] // 2, canvas.size["height"] // 2)
        actions = ActionChains(self.browser, duration=0)
        for i, (x, y) in enumerate(places_xy):
            actions.move_to_element_with_offset(canvas, left + x - middle[0], top + y - middle[1])
            if i == 0:
                actions.click_and_hold()
        actions.release().perform()

    def corner(self) -> tuple[int, int]:
        """Where the photograph's corner is on the stage."""
        canvas = self.at("canvas")
        return tuple(
            (side - photo + 1) // 2
            for side, photo in zip((canvas.size["width"], canvas.size["height"]), SIZE_HW[::-1], strict=True)
        )

    def fill(self) -> None:
        self.click("fill")
        until(lambda: self.state == "done")

    def shown(self) -> Image8:
        """What is seen of a photograph that is shown pixel by pixel."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        left, top = self.corner()
        data = self.run(
            """const [left, top, width, height] = arguments;
            const seen = document.createElement("canvas");
            [seen.width, seen.height] = [width, height];
            seen.getContext("2d").drawImage(document.getElementById("canvas"), -left, -top);
            return seen.toDataURL("image/png");""",
            *(left, top, SIZE_HW[1], SIZE_HW[0]),
        )
        return np.asarray(Image.open(io.BytesIO(from_url(data))).convert("RGB"))

    def downloaded(self) -> tuple[str, bytes]:
        """Name and content of what is saved."""
        self.click("download")

        def whole() -> list[Path]:
            # Chromium first makes an empty file of that name, and another one beside it that it writes to and renames.
            files = [path for path in self.downloads.iterdir() if path.suffix in WRITE_SUFFIXES]
            return [path for path in files if path.stat().st_size]

        until(whole)
        (path,) = whole()
        content = path.read_bytes()
        path.unlink()
        return path.name, content


def from_url(data: str) -> bytes:
    return base64.b64decode(data.partition(",")[2])


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.add_argument(f"--window-size={WINDOW[0]},{WINDOW[1]}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    browser.set_script_timeout(10)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def address(inpainter: Inpainter) -> Iterator[str]:
    with served(create_app(inpainter, ServeSettings(max_pixels=400_000, max_mb=2))) as address:
        yield address


@pytest.fixture
def page(browser: webdriver.Chrome, address: str, downloads: Path) -> Iterator[Page]:
    browser.set_window_size(*WINDOW)
    browser.get(address)
    page = Page(browser, downloads)
    until(lambda: page.state == "empty")
    yield page
    assert browser.get_log("browser") == []
    loaded = page.run('return performance.getEntriesByType("resource").map((entry) => entry.name)')
    assert [name for name in loaded if not name.startswith((address, "blob:"))] == []


@pytest.fixture
def holes(monkeypatch: pytest.MonkeyPatch) -> list[HoleMap]:
    """The holes that the server was asked to fill."""
    seen: list[HoleMap] = []

    def watch(inpainter: Inpainter, job: FillJob, step: Step) -> Done:
        assert isinstance(job.mask, FileMask)
        seen.append(as_hole(job.mask.path, SIZE_HW))
        return fill_files(inpainter, job, step)

    monkeypatch.setattr("rethined.serve.app.fill_files", watch)
    return seen


@pytest.fixture
def photo() -> Image8:
    data = pytest.importorskip("skimage.data", reason="its sample photographs are used")
    return np.ascontiguousarray(data.coffee()[: SIZE_HW[0], : SIZE_HW[1]])


@pytest.fixture
def photo_path(tmp_path: Path, photo: Image8) -> Path:
    path = tmp_path / "coffee.png"
    write_image(path, photo)
    return path


def capsule(start_xy: tuple[int, int], end_xy: tuple[int, int], size: int) -> HoleMap:
    """Pixels whose centre is at most half of ``size`` from a stroke."""
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    (x0, y0), (x1, y1) = start_xy, end_xy
    length2 = max(1e-9, (x1 - x0) ** 2 + (y1 - y0) ** 2)
    along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length2, 0, 1)
    return np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)) <= size / 2


def test_a_drawn_hole_is_filled_as_python_fills_it(
    page: Page, photo: Image8, photo_path: Path, holes: list[HoleMap], inpainter: Inpainter
) -> None:
    page.open(photo_path)
    np.testing.assert_array_equal(page.shown(), photo)
    size = int(page.run('return document.getElementById("size-text").value').split()[0])
    page.drag((60, 80), (140, 100))
    page.tool("box")
    page.drag((300, 200), (361, 252))
    assert (page.shown() != photo).any(), "the hole is not seen"
    page.drag((10, 10), (50, 50))
    page.click("undo")
    page.tool("erase")
    page.drag((100, 90), (101, 90))
    page.press("f")
    until(lambda: page.state == "done")

    (hole,) = holes
    expected = capsule((60, 80), (140, 100), size)
    expected[200:252, 300:361] = True
    expected &= ~capsule((100, 90), (101, 90), size)
    np.testing.assert_array_equal(hole, expected)

    filled = inpainter.with_options(InpaintOptions(max_memory_mb=4000))(photo, hole)
    page.press(Keys.HOME)  # the slider has the focus: all of it is after
    np.testing.assert_array_equal(page.shown(), filled)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    assert (filled[hole] != photo[hole]).any()
    page.press(Keys.END)
    np.testing.assert_array_equal(page.shown(), photo)
    page.press(*[Keys.ARROW_LEFT] * 25)
    middle = page.at("canvas").size["width"] // 2 - page.corner()[0]
    np.testing.assert_array_equal(page.shown(), np.hstack([photo[:, :middle], filled[:, middle:]]))

    name, content = page.downloaded()
    assert name == "coffee-filled.png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), filled)
    assert page.at("notice").text.startswith(f"{np.count_nonzero(hole):,} pixels filled in")


def test_marks_are_undone_and_done_again(page: Page, photo: Image8, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    assert not page.at("fill").is_enabled()
    page.tool("box")
    page.drag((10, 10), (30, 30))
    page.drag((50, 50), (90, 80))
    page.click("clear")
    assert not page.at("fill").is_enabled()
    np.testing.assert_array_equal(page.shown(), photo)
    for key in "zzyz":  # the clearing, the second box; that again, and not
        page.press_with((Keys.CONTROL,), key)
    page.fill()
    assert np.argwhere(holes[0]).min(0).tolist() == [10, 10]
    assert np.count_nonzero(holes[0]) == 400
    page.click("back")
    page.press_with((Keys.CONTROL, Keys.SHIFT), "z")
    page.fill()
    assert np.count_nonzero(holes[1]) == 400 + 40 * 30


def test_one_can_go_on_from_the_result(page: Page, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    page.tool("box")
    page.drag((10, 10), (60, 60))
    page.fill()
    page.press(Keys.HOME)
    first = page.shown()
    page.click("go-on")
    np.testing.assert_array_equal(page.shown(), first)
    page.drag((200, 200), (260, 260))
    page.fill()
    page.press(Keys.HOME)
    second = page.shown()
    np.testing.assert_array_equal(second[~holes[1]], first[~holes[1]])
    assert (second[holes[1]] != first[holes[1]]).any()
    assert page.downloaded()[0] == "coffee-filled.png"


def test_the_keys_alone_are_enough(page: Page, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    page.press("r")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ENTER)
    page.press(*[Keys.ARROW_RIGHT] * 4, *[Keys.ARROW_DOWN] * 3)
    page.press_with((Keys.SHIFT,), Keys.ARROW_DOWN)
    page.press(Keys.ENTER)
    page.press("f")
    until(lambda: page.state == "done")
    marked = np.argwhere(holes[0])
    assert marked.min(0).tolist() == [SIZE_HW[0] // 2 - 10, SIZE_HW[1] // 2 - 10]
    assert (marked.max(0) - marked.min(0) + 1).tolist() == [31, 40]
    page.press("\\")
    assert page.at("split").get_attribute("aria-valuenow") == "0"
    page.press("g")
    assert page.state == "edit"


def test_one_can_draw_zoomed_in_and_move_the_picture(page: Page, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    page.press("+", "+")
    scale = 1.4**2
    assert page.at("zoom-full").text == "196 %"
    page.press("r")
    page.drag((140, 120), (200, 150))  # of a photograph that is shown pixel by pixel, round whose middle it is larger
    actions = ActionChains(page.browser, duration=0).key_down(Keys.SPACE)
    actions.move_to_element_with_offset(page.at("canvas"), 20, 10).click_and_hold().move_by_offset(50, -30).release()
    actions.key_up(Keys.SPACE).perform()
    page.drag((240, 180), (300, 220))
    page.press("0")
    assert page.at("zoom-full").text == "100 %"
    page.fill()

    def zoomed(left: float, top: float, right: float, bottom: float, moved: tuple[int, int] = (0, 0)) -> list[int]:
        x, y = ((side + (at - side - by) / scale) for side, at, by in ((240, left, moved[0]), (180, top, moved[1])))
        return [round(y), round(x), round(y + (bottom - top) / scale), round(x + (right - left) / scale)]

    for top, left, bottom, right in (zoomed(140, 120, 200, 150), zoomed(240, 180, 300, 220, moved=(50, -30))):
        marked = holes[0][top - 4 : bottom + 4, left - 4 : right + 4]
        found = np.argwhere(marked)
        assert np.abs(found.min(0) - 4).max() <= 1
        assert np.abs(found.max(0) + 5 - marked.shape).max() <= 1
        assert marked.sum() == np.prod(found.max(0) - found.min(0) + 1)


def test_what_is_in_the_middle_stays_there_when_the_window_changes(
    page: Page, photo_path: Path, holes: list[HoleMap]
) -> None:
    page.open(photo_path)
    page.press("+", "+")
    size = page.browser.get_window_size()
    try:
        page.browser.set_window_size(size["width"] - 100, size["height"] - 60)
        page.press("r")
        page.drag((210, 160), (270, 200))  # round the middle, which is at (240, 180)
        page.fill()
    finally:
        page.browser.set_window_size(size["width"], size["height"])
    found = np.argwhere(holes[0])
    half_yx = np.array([20, 30]) / 1.4**2
    assert np.abs(found.min(0) - (np.array([180, 240]) - half_yx)).max() <= 2
    assert np.abs(found.max(0) + 1 - (np.array([180, 240]) + half_yx)).max() <= 2


def test_what_browsers_cannot_show_the_server_shows_and_its_depth_stays(
    page: Page, photo: Image8, tmp_path: Path, holes: list[HoleMap]
) -> None:
    deep = photo * np.uint16(257)
    write_image(tmp_path / "deep.tif", deep)
    page.open(tmp_path / "deep.tif")
    np.testing.assert_array_equal(page.shown(), photo)
    page.tool("box")
    page.drag((10, 10), (60, 60))
    page.fill()
    name, content = page.downloaded()
    assert name == "deep-filled.tif"
    (tmp_path / "result").write_bytes(content)
    result = read_image(tmp_path / "result", as_stored=True)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~holes[0]], deep[~holes[0]])


@pytest.mark.parametrize("orientation", [6, 3])
@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "PNG"])
def test_a_photograph_lying_on_its_side_is_marked_upright(
    page: Page, photo: Image8, tmp_path: Path, holes: list[HoleMap], format_name: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation  # 6: to be turned right by a quarter; 3: by a half
    path = tmp_path / f"turned.{format_name}"
    stored = np.rot90(photo, 1 if orientation == 6 else 2)
    path.write_bytes(encoded(stored, format_name, exif=exif.tobytes(), quality=95))
    page.open(path)
    assert np.abs(page.shown().astype(int) - photo).mean() < 20, "upright"
    assert f"{SIZE_HW[1]} × {SIZE_HW[0]}" in page.at("facts").text
    page.tool("box")
    page.drag((10, 20), (60, 40))
    page.fill()
    assert np.argwhere(holes[0]).min(0).tolist() == [20, 10]
    assert page.downloaded()[0] == f"turned-filled.{format_name.lower().replace('jpeg', 'jpg')}"


@pytest.mark.parametrize("before", ["label:has([value=brush])", "#zoom-full", "#size"])
def test_space_moves_the_picture_whatever_was_clicked_before(
    page: Page, photo_path: Path, before: str, holes: list[HoleMap]
) -> None:
    page.open(photo_path)
    page.browser.find_element(By.CSS_SELECTOR, before).click()
    canvas = page.at("canvas")
    ActionChains(page.browser, duration=0).key_down(Keys.SPACE).drag_and_drop_by_offset(canvas, 30, 20).key_up(
        Keys.SPACE
    ).perform()
    assert not page.at("fill").is_enabled()
    assert not holes


def test_options_go_along(page: Page, photo_path: Path, holes: list[HoleMap], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[InpaintOptions] = []
    fill = Inpainter.fill

    def watch(self: Inpainter, *pictures: object, **more: object) -> object:
        seen.append(self.options)
        return fill(self, *pictures, **more)

    monkeypatch.setattr(Inpainter, "fill", watch)
    page.open(photo_path)
    page.tool("box")
    page.drag((10, 10), (60, 60))
    assert not page.run(IS_CHANGED)
    page.browser.find_element(By.TAG_NAME, "summary").click()
    assert not page.at("jpeg").is_displayed(), "it is no JPEG"
    page.browser.find_element(By.CSS_SELECTOR, "label:has([value=fast])").click()
    for name, value in (("grow", "3"), ("feather", "2")):
        page.at(name).clear()
        page.at(name).send_keys(value)
    page.at("format").send_keys("WebP")
    page.at("keep").click()
    assert page.run(IS_CHANGED)
    page.fill()
    assert seen[0] == InpaintOptions(preset="fast", grow_px=3, feather_px=2, strip=True, max_memory_mb=4000)
    assert page.downloaded()[0] == "coffee-filled.webp"
    page.click("back")
    page.browser.find_element(By.TAG_NAME, "summary").click()
    page.click("reset")
    assert not page.run(IS_CHANGED)
    page.fill()
    assert seen[1] == InpaintOptions(max_memory_mb=4000)
    assert page.downloaded()[0] == "coffee-filled.png"
    assert len(holes) == 2


@pytest.mark.parametrize("how", ["", "reencode", pytest.param("lossless", marks=needs_jpegio)])
def test_how_a_jpeg_stays_one_can_be_said(
    page: Page, photo: Image8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    jobs: list[FillJob] = []

    def watch(inpainter: Inpainter, job: FillJob, step: Step) -> Done:
        jobs.append(job)
        return fill_files(inpainter, job, step)

    monkeypatch.setattr("rethined.serve.app.fill_files", watch)
    (tmp_path / "coffee.jpg").write_bytes(encoded(photo, "JPEG", quality=90))
    page.open(tmp_path / "coffee.jpg")
    page.tool("box")
    page.drag((10, 10), (60, 60))
    page.browser.find_element(By.TAG_NAME, "summary").click()
    Select(page.at("format")).select_by_value("png")
    assert not page.at("jpeg").is_displayed()
    Select(page.at("format")).select_by_value("jpg")
    Select(page.at("jpeg")).select_by_value(how)
    page.fill()
    assert jobs[0].options.jpeg == (how or None)
    assert page.downloaded()[0] == "coffee-filled.jpg"


def test_numbers_out_of_range_are_shown_where_they_are(page: Page, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    page.tool("box")
    page.drag((10, 10), (60, 60))
    page.browser.find_element(By.TAG_NAME, "summary").click()
    page.at("feather").clear()
    page.at("feather").send_keys("513", Keys.ESCAPE)
    page.click("fill")
    assert page.state == "edit"
    assert page.at("feather").is_displayed()
    assert holes == []


def test_what_the_server_warns_of_is_shown_in_words(
    page: Page, photo_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(inpainter: Inpainter, job: FillJob, step: Step) -> Done:
        return replace(fill_files(inpainter, job, step), warnings=("out.png is odd", "so is the mask"))

    monkeypatch.setattr("rethined.serve.app.fill_files", warn)
    page.open(photo_path)
    page.tool("box")
    page.drag((10, 10), (60, 60))
    page.fill()
    assert page.at("notice").text == "The result is odd, so is the mask."


def test_before_and_after_meet_in_the_hole(page: Page, photo_path: Path, holes: list[HoleMap]) -> None:
    page.open(photo_path)
    page.tool("box")
    page.drag((300, 200), (340, 252))
    page.fill()
    left, _ = page.corner()
    expected = (left + 320) / page.at("canvas").size["width"]
    assert abs(page.run('return parseFloat(document.getElementById("split").style.left)') / 100 - expected) < 0.01
    assert holes[0][210, 310]


def test_what_goes_wrong_is_said_in_words(page: Page, photo: Image8, photo_path: Path, tmp_path: Path) -> None:
    def refused(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        page.at("file").send_keys(str(tmp_path / name))
        until(lambda: page.error)
        said = page.error
        assert page.state == "empty"
        page.click("error-close")
        return said

    assert refused("text.png", b"no picture").startswith("'text.png' is not a picture in a known format; convert it to")
    large = encoded(photo.repeat(2, axis=0).repeat(2, axis=1), "JPEG")
    assert refused("large.jpg", large) == "large.jpg is 960 × 720; this server takes 0.4 megapixels at most."
    assert refused("heavy.png", bytes(2_100_000)) == "heavy.png has 2.1 MB; this server takes 2 MB at most."
    page.browser.get_log("browser")  # Chromium notes the 422

    page.open(photo_path)
    page.drag((60, 80), (140, 100))
    page.tool("erase")
    for y in range(60, 121, 20):
        page.drag((20, y), (180, y))
    page.click("fill")
    until(lambda: page.error)
    assert page.error == "Nothing is marked: the eraser took it all away."
    page.press(Keys.ESCAPE)
    assert page.error == ""


def test_a_fill_can_be_cancelled(page: Page, photo_path: Path, slow_work: SlowWork) -> None:
    page.open(photo_path)
    page.drag((60, 80), (140, 100))
    page.click("fill")
    until(lambda: slow_work.begun == 1)
    assert page.state == "busy"
    page.click("cancel")
    until(lambda: slow_work.ended == 1)
    assert (page.state, page.error) == ("edit", "")


@pytest.mark.parametrize("width", [500, 720])  # Chromium makes no window narrower than 500
def test_nothing_is_cut_off_in_a_narrow_window(page: Page, photo_path: Path, width: int) -> None:
    page.browser.set_window_size(width, 700)
    page.open(photo_path)
    outside = """return [...document.querySelectorAll("button, label, summary, a.button")]
      .filter((one) => one.checkVisibility())
      .map((one) => [one.id || one.textContent.trim(), one.getBoundingClientRect()])
      .filter(([, box]) => box.left < 0 || box.right > innerWidth || box.top < 0 || box.bottom > innerHeight)
      .map(([name]) => name)"""
    assert page.run(outside) == []
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    page.browser.find_element(By.TAG_NAME, "summary").click()
    assert page.run(outside) == []
    page.press(Keys.ESCAPE)
    page.run('document.getElementById("canvas").focus()')
    page.press("b", Keys.ENTER, Keys.ARROW_RIGHT, Keys.ENTER)
    page.fill()
    assert page.run(outside) == []


def test_masks_are_exact(page: Page, rng: np.random.Generator) -> None:
    points = rng.uniform(-20, 120, (5, 2)).round(2)
    lines = [
        {"kind": "brush", "size": 17, "points": points.ravel().tolist()},
        {"kind": "erase", "size": 9, "points": [30, 30, 60, 33]},
        {"kind": "box", "x0": 90.2, "y0": 70, "x1": 110, "y1": 64.5},
        {"kind": "brush", "size": 1, "points": [5.5, 7.5]},
    ]
    data = page.browser.execute_async_script(
        """const [marks, width, height, done] = arguments;
        Promise.all([import("/page/mask.js"), import("/page/png.js")]).then(async ([mask, png]) => {
          const blob = await png.encodeMask(mask.drawMask(marks, width, height), width, height);
          const reader = new FileReader();
          reader.onload = () => done(reader.result);
          reader.readAsDataURL(blob);
        });""",
        *(lines, SIZE_HW[1], SIZE_HW[0]),
    )
    image = Image.open(io.BytesIO(from_url(data)))
    assert image.mode == "1"
    expected = np.zeros(SIZE_HW, bool)
    for start, end in pairwise(points):
        expected |= capsule(tuple(start), tuple(end), 17)
    expected &= ~capsule((30, 30), (60, 33), 9)
    expected[64:70, 90:110] = True
    expected[7, 5] = True
    np.testing.assert_array_equal(np.asarray(image), expected)

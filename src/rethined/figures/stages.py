"""What each stage of a fill makes of one photograph, as pictures to lay side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rethined.engine import Inpainter
from rethined.errors import ImageWriteError, MissingExtraError
from rethined.eval.methods import make_method
from rethined.explain import DIMMED, UNCOPIED, Explanation
from rethined.files import whole_or_nothing
from rethined.types import HoleMap, Image8

HOLE_COLOUR = (255, 0, 255)
QUALITY = 88
STAGES = ("hole", "prefill", "coarse", "sources", "gate", "result")
"""In the order in which a fill goes through them."""


def write_stages(out: Path, *, threads: int | None = None) -> list[Path]:
    """Writes ``stage-NAME.jpg`` of a sample photograph for each stage.

    Args:
        out: Folder; made when missing.
        threads: Threads of the fill; ``None`` takes all cores.

    Returns:
        The files, in the order of :data:`STAGES`.

    Raises:
        MissingExtraError: scikit-image, which carries the photograph, is not installed.
        ImageWriteError: ``out`` cannot be made.
    """
    photo, hole = sample()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(f"cannot make the folder {out}: {error.strerror}; give another --out") from error
    files = []
    for name, picture in stage_pictures(photo, hole, threads=threads).items():
        file = out / f"stage-{name}.jpg"
        with whole_or_nothing(file) as partial:
            Image.fromarray(picture).save(partial, format="JPEG", quality=QUALITY)
        files.append(file)
    return files


def stage_pictures(photo: Image8, hole: HoleMap, *, threads: int | None = None) -> dict[str, Image8]:
    """The photograph after each stage.

    Args:
        photo: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
        threads: As for :func:`write_stages`.

    Returns:
        ``(H, W, 3)`` uint8 by name, in the order of :data:`STAGES`: the hole in magenta; filled smoothly; filled by the
        network's first look; each token in the colour of where its source lies; the brighter a token, the more of the
        detail found there is used; the result.
    """
    inpainter = Inpainter(threads=threads)
    explanation = inpainter.explain(photo, hole)
    marked = photo.copy()
    marked[hole] = HOLE_COLOUR
    pictures = [
        marked,
        make_method("pull-push")(photo, hole),
        make_method("rethined-coarse", threads=threads)(photo, hole),
        explanation.picture(),
        gate_picture(explanation),
        inpainter(photo, hole),
    ]
    return dict(zip(STAGES, pictures, strict=True))


def gate_picture(explanation: Explanation) -> Image8:
    """The photograph dimmed, tokens from black, where nothing of the copied detail is used, to white, where all is.

    Tokens that nothing was copied for have the colour that they have in :meth:`Explanation.picture`.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    drawn: Image8 = np.rint(explanation.image * np.float32(DIMMED)).astype(np.uint8)
    ends = np.rint(explanation.corner_yx + np.array(explanation.side_yx, np.float32)).astype(int)
    corners = np.rint(explanation.corner_yx).astype(int)
    for (top, left), (bottom, right), gate, is_copied in zip(
        corners, ends, explanation.gate, explanation.is_copied, strict=True
    ):
        drawn[top:bottom, left:right] = round(float(gate) * 255) if is_copied else UNCOPIED
    return drawn


def sample() -> tuple[Image8, HoleMap]:
    """A photograph out of scikit-image's wheel, and holes in wood, china and foam.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError(
            f"the photograph comes from the package {error.name!r}: pip install 'rethined[bench]'"
        ) from error
    photo = np.asarray(data.coffee(), np.uint8)
    canvas = np.zeros(photo.shape[:2], np.uint8)
    for centre, radii in (((90, 70), (34, 26)), ((470, 150), (30, 22)), ((330, 350), (46, 22)), ((225, 215), (26, 20))):
        cv2.ellipse(canvas, centre, radii, 0, 0, 360, 1, -1)
    cv2.line(canvas, (20, 330), (200, 390), 1, 5)
    return photo, np.asarray(canvas > 0)

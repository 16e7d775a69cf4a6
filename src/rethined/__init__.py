"""Fill holes in photographs, at any size, on a plain CPU.

Two doors: :class:`Inpainter` for many pictures, :func:`inpaint` for one. Both take a NumPy array, a PIL image or a path
and give the same kind back.
"""

from rethined import _privacy  # noqa: F401 - before anything loads ONNX Runtime
from rethined._version import __version__
from rethined.engine import Inpainter, InpaintResult, inpaint
from rethined.errors import (
    FileError,
    ImageError,
    ImageReadError,
    ImageWriteError,
    InferenceError,
    InputError,
    InstallationError,
    MaskError,
    MemoryBudgetError,
    ModelError,
    ModelNotFoundError,
    ModelSignatureError,
    OptionError,
    RethinedError,
)
from rethined.explain import Explanation
from rethined.imageio import read_image, write_image
from rethined.masks import MaskWarning
from rethined.metadata import FileWarning
from rethined.options import InpaintOptions
from rethined.sources import SourceMap

__all__ = [
    "Explanation",
    "FileError",
    "FileWarning",
    "ImageError",
    "ImageReadError",
    "ImageWriteError",
    "InferenceError",
    "InpaintOptions",
    "InpaintResult",
    "Inpainter",
    "InputError",
    "InstallationError",
    "MaskError",
    "MaskWarning",
    "MemoryBudgetError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSignatureError",
    "OptionError",
    "RethinedError",
    "SourceMap",
    "__version__",
    "inpaint",
    "read_image",
    "write_image",
]

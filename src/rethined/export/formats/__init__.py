"""The formats a form can be written in: one file each, and this list.

To add one: a module here with a class that has what :class:`Format` asks for, converters imported inside its methods,
and an entry in :data:`FORMATS`; its name in ``cli/export.py`` (a test compares the two); its packages in an extra.
"""

from __future__ import annotations

from rethined.export.formats.base import Calibration, Feed, Format, Run, expect_installed, expect_taken
from rethined.export.formats.coreml import CoreMlFormat
from rethined.export.formats.executorch import ExecuTorchFormat
from rethined.export.formats.litert import LiteRtFormat
from rethined.export.formats.ncnn import NcnnFormat
from rethined.export.formats.onnx import OnnxFormat
from rethined.export.formats.openvino import OpenVinoFormat
from rethined.export.formats.tensorrt import TensorRtFormat

FORMATS: dict[str, Format] = {
    made.name: made
    for made in (
        OnnxFormat(),
        OpenVinoFormat(),
        TensorRtFormat(),
        LiteRtFormat(),
        NcnnFormat(),
        ExecuTorchFormat(),
        CoreMlFormat(),
    )
}
"""Every format by name."""

__all__ = ["FORMATS", "Calibration", "Feed", "Format", "Run", "expect_installed", "expect_taken"]

"""What all forms have in common."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from rethined.export.contract import FormName, Port
from rethined.export.forms.operators import PLAIN, TORCH, Operators
from rethined.nn.network import RethinedNetwork
from rethined.types import SizeHW

COARSE_STAGES = ("encode8", "down16", "encode16", "down32", "middle", "up16", "decode16", "up8", "decode8")
"""Parts of the network whose convolutions become those of integers at int8: all that works at 1/8 and below.

The rest, the stem, the stages at 1/4 and the heads, stays in single precision. In integers too, it makes errors of a
grey level or two in smooth places: perceptual distance rises by 28 to 36 %, and by less than 1 % without; the time is
the same, the file 4 % larger (ONNX Runtime, 512 x 512).
"""


class FormModule(nn.Module):
    """A module around the network: takes the inputs in order, gives a tuple of the outputs in order.

    Attributes:
        network: In deploy form. It alone is computed in the artefact's precision; all else stays in float32.
        operators: How the rest is said.
    """

    operators: Operators = TORCH

    def __init__(self, network: RethinedNetwork) -> None:
        super().__init__()
        self.network = network

    def differences(
        self,
        inputs: Mapping[str, Tensor],  # noqa: ARG002 - some forms need them
        expected: Mapping[str, Tensor],
        got: Mapping[str, Tensor],
    ) -> dict[str, float]:
        """The largest difference of each output; not a number where any is none."""
        return {name: float((got[name] - values).abs().max()) for name, values in expected.items()}


@dataclass(frozen=True)
class Form:
    """A form, ready to be written in a format.

    Attributes:
        name: ``lr`` or ``pipeline``.
        module: In evaluation mode, without gradients.
        inputs, outputs: In order.
        size_hw: Height and width of the network's picture; ``None`` where any multiples of 32 will do.
        example: Inputs to trace with; those of a form of any size are examples of it.
        size: Which heights and widths there are, in words.
        weights_sha256: Checksum of the weights.
        facts: What else a caller has to know.
    """

    name: FormName
    module: FormModule
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    size_hw: SizeHW | None
    example: tuple[Tensor, ...]
    size: str
    weights_sha256: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_dynamic(self) -> bool:
        """Whether height and width are left open."""
        return self.size_hw is None

    def halved(self) -> Form:
        """A copy whose network computes in half precision; the rest stays in float32."""
        module = copy.deepcopy(self.module)
        module.network.half()
        module.network.compute_dtype = torch.float16
        return replace(self, module=module)

    def plain(self) -> Form:
        """A copy without comparison, sorting and gather; its whole numbers are float32."""
        module = copy.deepcopy(self.module)
        module.operators = PLAIN
        for buffer in module.buffers():
            if not buffer.is_floating_point():
                buffer.data = buffer.float()
        return replace(self, module=module)

    def in_planes(self) -> Form:
        """A copy whose activations lie in memory plane by plane, for runtimes that know no other order."""
        module = copy.deepcopy(self.module)
        module.network.memory_format = torch.contiguous_format
        return replace(self, module=module)

    def outputs_of(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What torch gives, by name."""
        with torch.inference_mode():
            given = self.module(*(inputs[port.name] for port in self.inputs))
        return dict(zip((port.name for port in self.outputs), given, strict=True))


def example_hole(size_hw: SizeHW) -> Tensor:
    """``(1, 1, H, W)`` of a box that is hole, to trace with."""
    hole = torch.zeros(1, 1, *size_hw)
    hole[..., size_hw[0] // 3 : size_hw[0] // 2, size_hw[1] // 3 : size_hw[1] // 2] = 1
    return hole

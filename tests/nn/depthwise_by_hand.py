"""What nn/test_depthwise_gpu.py runs in a process of its own; prints figures as JSON."""

from __future__ import annotations

import json
import sys

import torch
from torch.nn import functional

from rethined.nn import depthwise_gpu

SHAPES = ((3, 5, 16, 16, 3), (2, 4, 20, 70, 3), (1, 1, 1, 5, 3), (7, 2, 40, 9, 3), (2, 3, 9, 33, 5))
"""Pictures, channels, height, width, side of the kernel."""


def compare() -> dict[str, float]:
    """Largest difference from torch's convolution relative to the largest value: results and gradients."""
    generator = torch.Generator().manual_seed(3)
    found = {}
    for n, channels, height, width, side in SHAPES:
        shapes = ((n, channels, height, width), (channels, 1, side, side), (channels,))
        inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
        if side == 5:  # of the frozen network alone
            inputs = [inputs[0], *(x.detach() for x in inputs[1:])]
        wanted = [x for x in inputs if x.requires_grad]
        slope = torch.randn((n, channels, height, width), generator=generator)
        ours = depthwise_gpu.filter_planes(*inputs)
        theirs = functional.conv2d(*inputs, padding=side // 2, groups=channels)
        pairs = [(ours, theirs)]
        pairs += zip(torch.autograd.grad(ours, wanted, slope), torch.autograd.grad(theirs, wanted, slope), strict=True)
        for number, (mine, other) in enumerate(pairs):
            difference = (mine - other).abs().max() / other.abs().max()
            found[f"{n}, {channels}, {height}, {width}, {side}: {number}"] = difference.item()
    return found


def compile_all() -> dict[str, float]:
    """Bytes of machine code of each kernel for a GPU of compute capability 9.0."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    whole = dict.fromkeys(("channels", "height", "width"), "i32")
    halves = dict.fromkeys(("x", "weight", "bias", "y"), "*bf16")
    filtering = {"SIDE": 3, "ROWS": 16, "COLUMNS": 64}
    kernels = {
        "forward": (depthwise_gpu._filter_kernel, halves | whole, filtering | {"IS_BACK": False}),
        "by input": (depthwise_gpu._filter_kernel, halves | whole, filtering | {"IS_BACK": True}),
        "by weight": (
            depthwise_gpu._correlate_kernel,
            {"x": "*bf16", "gradient": "*bf16", "parts": "*fp32"} | whole,
            {"PICTURES": 4, "DOWN": 8, "ACROSS": 2, "ROWS": 8, "COLUMNS": 64},
        ),
    }
    sizes = {}
    for name, (kernel, types, constants) in kernels.items():
        signature = types | dict.fromkeys(constants, "constexpr")
        source = ASTSource(kernel, signature=signature, constexprs=constants)
        sizes[name] = float(len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]))
    return sizes


if __name__ == "__main__":
    json.dump(compare() if sys.argv[1] == "compare" else compile_all(), sys.stdout)

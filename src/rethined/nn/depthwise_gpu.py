"""Depthwise convolution on a GPU, by kernels of our own.

torch 2 computes depthwise convolutions of planes in bfloat16 by kernels that take several times as long as reading the
input and writing the output does, above all for the gradient of the weights. These do about as little as that.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE_PX = 1024
PROGRAMS = 2048
"""Programs that the gradient of the weights is shared out to, about."""


def filter_planes(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What ``conv2d`` gives for one odd kernel per channel, stride 1 and padding that keeps the size.

    Args:
        x: ``(N, C, H, W)``, any float.
        weight: ``(C, 1, K, K)``, K odd; 3 where its gradient is wanted.
        bias: ``(C,)``.
    """
    y: Tensor = _Depthwise.apply(x, weight, bias)
    return y


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        return _filter(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # noqa: ANN401
        gradient = gradients[0].contiguous()
        x, weight = ctx.saved_tensors
        by_x = _filter(gradient, weight, None) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return by_x, None, None
        sums = _correlate(x, gradient)
        return by_x, sums[:, :9].view(weight.shape).to(weight.dtype), sums[:, 9].to(weight.dtype)


def _tile(height: int, width: int, area_px: int = TILE_PX) -> tuple[int, int]:
    columns = min(64, triton.next_power_of_2(width))
    return min(triton.next_power_of_2(height), area_px // columns), columns


def _filter(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """With a bias the convolution, without one its way back to the input."""
    n, channels, height, width = x.shape
    rows, columns = _tile(height, width)
    y = torch.empty_like(x)
    grid = (n * channels, triton.cdiv(height, rows), triton.cdiv(width, columns))
    _filter_kernel[grid](
        x,
        weight,
        weight if bias is None else bias,
        y,
        channels,
        height,
        width,
        SIDE=weight.shape[-1],
        IS_BACK=bias is None,
        ROWS=rows,
        COLUMNS=columns,
    )
    return y


def _correlate(x: Tensor, gradient: Tensor) -> Tensor:
    """``(C, 10)`` float32: per channel, sums of gradient times input under 3 x 3 shifts, and of the gradient."""
    n, channels, height, width = x.shape
    rows, columns = _tile(height, width, TILE_PX // 2)
    wanted = triton.cdiv(PROGRAMS, channels)
    shares = max(share for share in range(1, n + 1) if n % share == 0 and share <= wanted)
    parts = torch.empty((channels, shares, 10), dtype=torch.float32, device=x.device)
    _correlate_kernel[(channels, shares)](
        x,
        gradient,
        parts,
        channels,
        height,
        width,
        PICTURES=n // shares,
        DOWN=triton.cdiv(height, rows),
        ACROSS=triton.cdiv(width, columns),
        ROWS=rows,
        COLUMNS=columns,
    )
    return parts.sum(1)


@triton.jit
def _read(plane, row, column, height, width):
    """A tile of a plane in float32, 0 beyond its rim."""
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return tl.load(plane + row * width + column, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _filter_kernel(
    x,
    weight,
    bias,
    y,
    channels,
    height,
    width,
    SIDE: tl.constexpr,
    IS_BACK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    plane = tl.program_id(0).to(tl.int64)
    channel = plane % channels
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.program_id(2) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    start = plane * height * width
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for i in tl.static_range(SIDE):
        for j in tl.static_range(SIDE):
            value = _read(x + start, row + i - SIDE // 2, column + j - SIDE // 2, height, width)
            if IS_BACK:
                tap = tl.load(weight + (channel + 1) * SIDE * SIDE - 1 - (i * SIDE + j))
            else:
                tap = tl.load(weight + channel * SIDE * SIDE + i * SIDE + j)
            total += value * tap.to(tl.float32)
    if not IS_BACK:
        total += tl.load(bias + channel).to(tl.float32)
    kept = (row < height) & (column < width)
    tl.store(y + start + row * width + column, total.to(y.dtype.element_ty), mask=kept)


@triton.jit
def _correlate_kernel(
    x,
    gradient,
    parts,
    channels,
    height,
    width,
    PICTURES: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    channel = tl.program_id(0).to(tl.int64)
    share = tl.program_id(1)
    s00 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s01 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s02 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s10 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s11 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s12 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s20 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s21 = tl.zeros((ROWS, COLUMNS), tl.float32)
    s22 = tl.zeros((ROWS, COLUMNS), tl.float32)
    alone = tl.zeros((ROWS, COLUMNS), tl.float32)
    for number in range(PICTURES):
        start = ((share * PICTURES + number) * channels + channel) * height * width
        plane = x + start
        for tile in range(DOWN * ACROSS):
            row = (tile // ACROSS) * ROWS + tl.arange(0, ROWS)[:, None]
            column = (tile % ACROSS) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
            slope = _read(gradient + start, row, column, height, width)
            s00 += slope * _read(plane, row - 1, column - 1, height, width)
            s01 += slope * _read(plane, row - 1, column, height, width)
            s02 += slope * _read(plane, row - 1, column + 1, height, width)
            s10 += slope * _read(plane, row, column - 1, height, width)
            s11 += slope * _read(plane, row, column, height, width)
            s12 += slope * _read(plane, row, column + 1, height, width)
            s20 += slope * _read(plane, row + 1, column - 1, height, width)
            s21 += slope * _read(plane, row + 1, column, height, width)
            s22 += slope * _read(plane, row + 1, column + 1, height, width)
            alone += slope
    out = parts + (channel * tl.num_programs(1) + share) * 10
    tl.store(out, tl.sum(s00))
    tl.store(out + 1, tl.sum(s01))
    tl.store(out + 2, tl.sum(s02))
    tl.store(out + 3, tl.sum(s10))
    tl.store(out + 4, tl.sum(s11))
    tl.store(out + 5, tl.sum(s12))
    tl.store(out + 6, tl.sum(s20))
    tl.store(out + 7, tl.sum(s21))
    tl.store(out + 8, tl.sum(s22))
    tl.store(out + 9, tl.sum(alone))

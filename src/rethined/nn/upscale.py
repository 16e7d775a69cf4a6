"""Attention upscaling in torch: the twin of :mod:`rethined.transfer`, for training through it and for export.

It follows the runtime step by step and gives the same colours to float rounding; a test pins it. It works on one whole
picture at a time instead of boxes round holes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rethined.detail import DETAIL_PX
from rethined.fullsize import DIAGONAL, seam_levels
from rethined.nn.network import TOKEN_PX
from rethined.nn.prefill import spread
from rethined.transfer import (
    BASE_LEVELS,
    DETAIL_FLOOR,
    DETAIL_TOLERANCE,
    VOICE_BLUR_PX,
    contrast_share,
    voice_weight,
)


def _on_sheet(used: Tensor, cell_px: int, *planes: Tensor) -> tuple[list[Tensor], tuple[slice, slice]]:
    """The box of ``used`` cut out of ``(C, H, W)`` planes, as it lies on the runtime's sheet: in empty cells.

    Returns:
        The planes on the sheet, and where the box lies on it.
    """
    (top, bottom), (left, right) = (
        (int(lines[0]), int(lines[-1]) + 1) for lines in (used.any(axis).nonzero().flatten() for axis in (1, 0))
    )
    height, width = bottom - top, right - left
    pad = [cell_px, cell_px + -width % cell_px, cell_px, cell_px + -height % cell_px]
    cut = [functional.pad(plane[:, top:bottom, left:right], pad) for plane in planes]
    return cut, (slice(top, bottom), slice(left, right))


def _off_sheet(sheet: Tensor, cell_px: int, box: tuple[slice, slice], like: Tensor) -> Tensor:
    """The box of a sheet put back into a plane that is zero elsewhere."""
    plane = torch.zeros_like(like)
    height, width = (side.stop - side.start for side in box)
    plane[(..., *box)] = sheet[:, cell_px : cell_px + height, cell_px : cell_px + width]
    return plane


def upscale(image: Tensor, hole: Tensor, filled: Tensor, touched: Tensor, offset_yx: Tensor, is_set: Tensor) -> Tensor:
    """The full-resolution fill of one picture whose holes are one group.

    Args:
        image: ``(3, H, W)`` float in 0..255.
        hole: ``(H, W)`` bool, ``True`` = fill.
        filled: ``(3, h, w)`` float in 0..255, the network's picture with its hole filled.
        touched: ``(h, w)`` bool, network pixels that hold any hole.
        offset_yx: ``(h / 8, w / 8, 2)`` int, in network pixels, from each token to its source.
        is_set: ``(h / 8, w / 8)`` bool, whether a token has a source.

    Returns:
        ``(3, H, W)`` float in about 0..255: the picture with its hole filled.
    """
    small_hw = touched.shape
    scale_yx = (hole.shape[0] / small_hw[0], hole.shape[1] / small_hw[1])
    tokens = is_set.repeat_interleave(TOKEN_PX, 0).repeat_interleave(TOKEN_PX, 1)
    token_gate, asked = _detail_gate(filled, touched, offset_yx, is_set)
    mean, norm, is_valid, gate = _gather_taps(filled, touched, offset_yx, is_set, token_gate, (1.0, 1.0))
    is_copied = tokens & is_valid
    copied = torch.where(is_copied, mean, filled)
    error = filled - copied
    membrane = error + (_bend_base(error, touched, asked, is_copied, tokens) - error) * gate * is_copied
    lost = (1 / norm - 1) * gate * is_copied * contrast_share(scale_yx)
    membrane = membrane + (copied - mean_of(copied, tokens[None].to(copied.dtype), DETAIL_PX)) * lost

    mean, norm, _, gate = _gather_taps(image, hole, offset_yx, is_set, token_gate, scale_yx)
    low, membrane = (_enlarge(x, hole.shape) for x in (copied, membrane))
    result = low + membrane + (mean - low) * gate / norm
    rim = (functional.max_pool2d(hole[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0) & ~hole
    error, weight = (image - result) * rim, rim.to(image.dtype)[None]
    levels = seam_levels(scale_yx)
    (on_sheet, weight_on_sheet), box = _on_sheet(hole | rim, 1 << levels, error, weight)
    seam = _off_sheet(spread(on_sheet[None], weight_on_sheet[None], levels)[0], 1 << levels, box, error)
    share, near = of_neighbours(weight), of_neighbours(error)
    near = near / share.clamp_min(1e-6)
    return torch.where(hole, result + torch.where(share > 1e-6, near, seam), image)


def of_neighbours(x: Tensor) -> Tensor:
    """The weighted sum over the eight pixels around, for pixels that are zero themselves.

    Args:
        x: ``(..., C, H, W)``, as ``avg_pool2d`` takes it; that is what all runtimes of exported networks know.

    Returns:
        The same shape; those beside a corner count :data:`rethined.fullsize.DIAGONAL`.
    """
    beside = functional.avg_pool2d(x, (3, 1), 1, (1, 0)) + functional.avg_pool2d(x, (1, 3), 1, (0, 1))
    return beside * (3 * (1 - DIAGONAL)) + functional.avg_pool2d(x, 3, 1, 1) * (9 * DIAGONAL)


def _gather_taps(
    picture: Tensor,
    hole: Tensor,
    offset_yx: Tensor,
    is_set: Tensor,
    token_gate: Tensor,
    scale_yx: tuple[float, float],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean, norm, validity and gate of the four copies of every pixel of ``picture``."""
    _, height, width = picture.shape
    flat, known = picture.flatten(1), ~hole.flatten()
    total, weights, places = torch.zeros_like(picture), [], []
    gate = torch.zeros_like(picture[0])
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
    for token_y, weight_y in _nearest_tokens(rows, scale_yx[0], is_set.shape[0]):
        for token_x, weight_x in _nearest_tokens(columns, scale_yx[1], is_set.shape[1]):
            offset = offset_yx[token_y, token_x]
            source_y = rows + torch.round(offset[..., 0].double() * scale_yx[0]).long()
            source_x = columns + torch.round(offset[..., 1].double() * scale_yx[1]).long()
            inside = (source_y >= 0) & (source_y < height) & (source_x >= 0) & (source_x < width)
            place = source_y.clamp(0, height - 1) * width + source_x.clamp(0, width - 1)
            weight = weight_y * weight_x * (inside & is_set[token_y, token_x] & known[place])
            total = total + flat[:, place] * weight
            gate = gate + token_gate[token_y, token_x] * weight
            weights.append(weight)
            places.append(place)
    sum_weight = torch.stack(weights).sum(0)
    safe = sum_weight.clamp_min(1e-6)
    squared = torch.zeros_like(safe)
    for i in range(4):
        squared = squared + weights[i].square()
        for j in range(i):
            squared = squared + 2 * weights[i] * weights[j] * (places[i] == places[j])
    is_valid = sum_weight > 1e-3
    norm = torch.where(is_valid, squared.sqrt() / safe, torch.ones_like(safe))
    return total / safe, norm, is_valid, gate / safe


def _detail_gate(filled: Tensor, touched: Tensor, offset_yx: Tensor, is_set: Tensor) -> tuple[Tensor, Tensor]:
    """How much of each token's detail is used, and how much is expected."""
    luma = (filled * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)[None, None]
    padded = functional.pad(luma, [DETAIL_PX // 2] * 4, mode="replicate")
    detail = (luma - functional.avg_pool2d(padded, DETAIL_PX, stride=1)).abs()
    known = (~touched)[None, None].to(filled.dtype)
    share = functional.avg_pool2d(known, TOKEN_PX)
    amount = functional.avg_pool2d(detail * known, TOKEN_PX) / share.clamp_min(1e-6)
    expected = spread(amount, share)[0, 0]
    means = functional.avg_pool2d(detail, TOKEN_PX, stride=1)[0, 0]
    rows, columns = (torch.arange(side) * TOKEN_PX for side in is_set.shape)
    top = (rows[:, None] + offset_yx[..., 0]).clamp(0, means.shape[0] - 1)
    left = (columns[None] + offset_yx[..., 1]).clamp(0, means.shape[1] - 1)
    ratio = (expected + DETAIL_FLOOR) / (means[top, left] + DETAIL_FLOOR)
    return torch.where(is_set, (DETAIL_TOLERANCE * ratio).clamp_max(1), torch.ones_like(ratio)), expected


def _bend_base(error: Tensor, touched: Tensor, asked: Tensor, is_copied: Tensor, tokens: Tensor) -> Tensor:
    share = is_copied[None].to(error.dtype)
    error = error * share
    low_error = mean_of(error, share, VOICE_BLUR_PX)
    voice = torch.from_numpy(voice_weight(touched.numpy(force=True), asked.float().numpy(force=True))).to(error)
    weight = torch.where(touched, voice, 1.0).to(error.dtype) * share
    values = torch.where(touched, low_error, error)
    cell_px = 2**BASE_LEVELS
    (values, weight), box = _on_sheet(tokens, cell_px, values, weight)
    return _off_sheet(spread(values[None], weight[None], BASE_LEVELS)[0], cell_px, box, error)


def mean_of(picture: Tensor, share: Tensor, side_px: int) -> Tensor:
    """Mean over a square around each pixel, of what counts alone.

    Args:
        picture: ``(..., C, H, W)``, as ``avg_pool2d`` takes it.
        share: ``(..., 1, H, W)``, 1 = counts, 0 = does not.
        side_px: Side of the square, odd.
    """
    total, count = (functional.avg_pool2d(x, side_px, stride=1, padding=side_px // 2) for x in (picture * share, share))
    return total / count.clamp_min(1e-6)


def _enlarge(x: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    return functional.interpolate(x[None], size=tuple(size_hw), mode="bilinear", align_corners=False)[0]


def _nearest_tokens(position: Tensor, scale: float, count: int) -> list[tuple[Tensor, Tensor]]:
    token = (position.float() + 0.5) / (scale * TOKEN_PX) - 0.5
    low = token.floor()
    fraction = token - low
    first = low.long()
    return [(first.clamp(0, count - 1), 1 - fraction), ((first + 1).clamp(0, count - 1), fraction)]

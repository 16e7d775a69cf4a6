"""The whole pipeline in one static graph: a damaged photograph in, the filled one out.

For compilers that take one graph of fixed shapes. Every value has a shape that is known beforehand; no list of hole
pixels or of tokens is ever made. What the engine does for the hole's pixels alone is done for all of them here, and
masked, so the cost is that of a picture that is all hole:

1. Shrink: area means of known pixels by a whole factor, as :func:`rethined.resample.shrink_known`.
2. Prefill by pull-push, as :func:`rethined.resample.pull_push`.
3. The network.
4. Attention: all tokens with all, tokens that hold any hole masked as sources; each settles on the best one.
5. Upscaling: what the full picture has above the enlarged small one (its detail) is copied from there and blended.
   Every pixel mixes what its four nearest tokens point at, with bilinear weights, and the contrast that mixing takes
   away is put back, as :mod:`rethined.taps` does. Copies are made in cells that reach from token centre to token
   centre: a cell has the same four nearest tokens all over, so a copy is a gather of whole cells.
6. Seam: what is missing at the rim is averaged on the small grid, or one half as fine, and spread inwards there.
7. Composite: known pixels come back bit for bit.

The engine does more: it looks closer, ranks near sources too, refines their offsets to single pixels, bends the base
and gates the detail. All of that follows the content of the picture.

Reference: RETHINED, sections 3.2 to 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rethined.errors import OptionError
from rethined.export.contract import Port
from rethined.export.forms.form import Form, FormModule, example_hole
from rethined.export.host import SEAM_LEVELS
from rethined.export.network import Weights
from rethined.export.sizes import expect_multiple
from rethined.nn.network import SIZE_MULTIPLE, TOKEN_PX, NetworkOutput, RethinedNetwork
from rethined.nn.upscale import of_neighbours
from rethined.resample import KNOWN_COVERAGE, PULL_GAIN
from rethined.types import SizeHW

SIZE_HW = (512, 512)
"""Default of the network's picture: the engine's first look."""
FACTOR = 4
"""Default factor: 2048 px."""
RULED_OUT = -4.0
"""Added to a similarity, which is a cosine: below all that may be chosen."""
LEAST_WEIGHT = 1e-3
"""Below this sum of weights there is no copy."""
SURE = 1e-6
"""Below this, sums of weights are nothing but rounding."""
ENOUGH = KNOWN_COVERAGE - SURE
"""Known share of a small pixel that counts as known; shares of just that much may be rounded either way."""
SEAM_GRID_PX = 768
"""Where the network's picture is larger, the grid and the halvings begin later: the reach is the same."""


class Pipeline(FormModule):
    """See the module's text.

    Args:
        network: In deploy form.
        size_hw: Height and width of the network's picture, multiples of 32.
        factor: Full-size pixels per network pixel, along both axes.
    """

    def __init__(self, network: RethinedNetwork, size_hw: SizeHW, factor: int) -> None:
        super().__init__(network)
        self.size_hw = size_hw
        self.factor = factor
        self.grid_hw = (size_hw[0] // TOKEN_PX, size_hw[1] // TOKEN_PX)
        self.cell_px = TOKEN_PX * factor
        self._register_taps()

    def _register_taps(self) -> None:
        """Constants: the number of every cell, of every token's upper left one, and how much tokens weigh in a cell."""
        (rows, columns), side = self.grid_hw, self.cell_px
        self.cell: Tensor
        """``(1, 1, rows + 1, columns + 1)``, counted in reading order: differences of two are offsets in cells."""
        self.register_buffer("cell", torch.arange((rows + 1) * (columns + 1)).view(1, 1, rows + 1, columns + 1))
        self.place: Tensor
        """``(1, 1, rows, columns)``, the upper left cell of every token."""
        self.register_buffer("place", self.cell[:, :, :rows, :columns].clone())
        upper = (torch.arange(side) + 0.5) / side
        for name, row, column in _TAPS:
            weight_y, weight_x = upper if row else 1 - upper, upper if column else 1 - upper
            self.register_buffer(f"window_{name}", weight_y[:, None] * weight_x)

    def forward(self, picture: Tensor, hole: Tensor) -> tuple[Tensor]:
        """The filled picture.

        Args:
            picture: ``(1, 3, f h, f w)`` float32 RGB in 0..1; what is in the hole does not count.
            hole: ``(1, 1, f h, f w)`` float32, 1 = fill, 0 = known; not all of it.
        """
        known = 1 - hole
        small, small_hole, small_known, touched = self._shrink(picture * known, known)
        prefilled = spread_static(small, small_known, self.size_hw)
        output: NetworkOutput = self.network(prefilled, small_hole)
        filled = small + output.fill.clamp(0, 1) * small_hole
        source, is_set = self._attend(output.query, output.key, touched)
        low = functional.interpolate(filled, scale_factor=float(self.factor), mode="bilinear", align_corners=False)
        result = low + self._copy((picture - low) * known, known, source, is_set)
        result = result + self._seam((picture - result) * known, known)
        return (picture * known + result.clamp(0, 1) * hole,)

    def _shrink(self, seen: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Means of what is known; which pixels are to be filled, which not, and which hold any hole, as 0 and 1."""
        total, coverage = (functional.avg_pool2d(x, self.factor, self.factor) for x in (seen, known))
        # Where nothing is known well enough, whatever is known at all has to do.
        is_enough = self.operators.is_more(coverage.amax((2, 3), keepdim=True), ENOUGH)
        least = is_enough * (ENOUGH - SURE) + SURE
        # Compared twice, not taken from 1: OpenVINO 2026.4, where anything in a graph is quantised, takes the answer of
        # a comparison that is taken from a number for an integer with its scale, and clips it the wrong way round.
        small_hole, small_known = self.operators.is_more(least, coverage), self.operators.is_more(coverage, least)
        mean = total / coverage.clamp(min=SURE)
        return mean * small_known, small_hole, small_known, self.operators.is_more(1 - coverage, SURE)

    def _attend(self, query: Tensor, key: Tensor, touched: Tensor) -> tuple[Tensor, Tensor]:
        """The best source of every token, and which are to be copied to, as 0 and 1; both ``(1, 1, rows, columns)``."""
        (rows, columns), tokens = self.grid_hw, self.grid_hw[0] * self.grid_hw[1]
        corrupted = functional.max_pool2d(touched, TOKEN_PX, TOKEN_PX)
        query, key = (x.reshape(1, -1, tokens) for x in (query, key))
        similarity = torch.bmm(query.transpose(1, 2), key) + corrupted.reshape(1, 1, tokens) * RULED_OUT
        source = self.operators.best_place(similarity).reshape(1, 1, rows, columns)
        return source, corrupted * (1 - corrupted.amin((2, 3), keepdim=True))

    def _copy(self, detail: Tensor, known: Tensor, source: Tensor, is_set: Tensor) -> Tensor:
        """The detail of the sources, blended; zero where none is known."""
        rows, columns = self.grid_hw
        layout = self.operators.cells((rows + 1, columns + 1), self.cell_px)
        cells = layout.cut(torch.cat([detail, known], 1))
        # There is one more cell than tokens in every line.
        offset = source + self.operators.line_of(source, columns) - self.place
        # Tokens round about a cell: beyond the outermost they repeat.
        offset, is_set = (_with_rim(x) for x in (offset, is_set))
        copies, weights, places = [], [], []
        for name, row, column in _TAPS:
            place = offset[:, :, row : row + rows + 1, column : column + columns + 1] + self.cell
            share = layout.by_cell(is_set[:, :, row : row + rows + 1, column : column + columns + 1])
            share = share * layout.by_pixel(getattr(self, f"window_{name}"))
            colours, is_known = layout.split(layout.take(cells, place))
            copies.append(colours * layout.thrice(share))
            weights.append(is_known * share)
            places.append(place)
        sums = []
        for i, weight in enumerate(weights):
            # Copies of one place are one: of these, sums are squared, not squares summed.
            same = weight
            for other, place in zip(weights[:i], places[:i], strict=True):
                same = same + other * layout.by_cell(self.operators.is_same(place, places[i]) * 2)
            sums.append(weight * same)
        squared = sums[0] + sums[1] + sums[2] + sums[3]
        is_valid = self.operators.is_more(weights[0] + weights[1] + weights[2] + weights[3], LEAST_WEIGHT)
        # The mean of copies over what mixing leaves of their contrast: the sum of weights cancels.
        gain = layout.thrice(is_valid / squared.clamp(min=SURE**2).sqrt())
        return layout.join((copies[0] + copies[1] + copies[2] + copies[3]) * gain)

    def _seam(self, missing: Tensor, known: Tensor) -> Tensor:
        """What the result misses at known pixels next to the hole, spread into it."""
        rim = functional.max_pool2d(1 - known, 3, stride=1, padding=1) * known
        error = missing * rim
        grid_hw, levels = _seam_grid(self.size_hw)
        grid_px = self.factor * self.size_hw[0] // grid_hw[0]
        share = functional.avg_pool2d(rim, grid_px, grid_px)
        mean = functional.avg_pool2d(error, grid_px, grid_px) / share.clamp(min=SURE)
        far = spread_static(mean, self.operators.is_more(share, 0.0), grid_hw, levels)
        far = functional.interpolate(far, scale_factor=float(grid_px), mode="bilinear", align_corners=False)
        # The first ring of hole pixels takes what its own neighbours miss.
        near_share = of_neighbours(rim)
        near = of_neighbours(error) / near_share.clamp(min=SURE)
        is_near = self.operators.is_more(near_share, SURE)
        return near * is_near + far * (1 - is_near)


def _seam_grid(small_hw: SizeHW) -> tuple[SizeHW, int]:
    """The grid on which seams are closed, and the halvings of its pyramid, for a network picture of a size."""
    grid_hw, levels = small_hw, SEAM_LEVELS
    while max(grid_hw) > SEAM_GRID_PX and levels > 1:
        grid_hw, levels = (grid_hw[0] // 2, grid_hw[1] // 2), levels - 1
    return grid_hw, levels


def _with_rim(x: Tensor) -> Tensor:
    """``(1, 1, h, w)`` with one more line all around that repeats the outermost; of integers too."""
    lines = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
    return torch.cat([lines[:, :, :, :1], lines, lines[:, :, :, -1:]], 3)


def spread_static(values: Tensor, weight: Tensor, size_hw: SizeHW, levels: int | None = None) -> Tensor:
    """:func:`rethined.nn.prefill.spread` with sizes that are known beforehand, so that no shape is left to the graph.

    Args:
        values: ``(1, C, H, W)`` float.
        weight: ``(1, 1, H, W)`` float in 0..1.
        size_hw: H and W.
        levels: How often to halve; all the way down when ``None``.
    """
    colour = values * weight
    pyramid = [(colour, weight, size_hw)]
    while max(size_hw) > 1 and (levels is None or len(pyramid) <= levels):
        height, width = size_hw
        if height % 2 or width % 2:
            colour, weight = (functional.pad(x, [0, width % 2, 0, height % 2]) for x in (colour, weight))
        colour, share = functional.avg_pool2d(colour, 2, 2), functional.avg_pool2d(weight, 2, 2)
        weight = (share * PULL_GAIN).clamp(max=1.0)
        colour = colour * (weight / share.clamp(min=SURE))
        size_hw = ((height + 1) // 2, (width + 1) // 2)
        pyramid.append((colour, weight, size_hw))
    colour, weight, _ = pyramid.pop()
    filled = colour / weight.clamp(min=SURE) if levels is None else colour
    for colour, weight, (height, width) in reversed(pyramid):
        above = functional.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        if height % 2 or width % 2:
            above = above[:, :, :height, :width]
        filled = colour + above * (1 - weight)
    return filled


_TAPS = (("a", 0, 0), ("b", 0, 1), ("c", 1, 0), ("d", 1, 1))
"""The four tokens that meet in a cell: above or below, left or right."""


def pipeline_form(weights: Weights, size_hw: SizeHW | None = None, hr_px: int | None = None) -> Form:
    """The whole pipeline.

    Args:
        weights: The network.
        size_hw: Height and width of the network's picture, equal, multiples of 32; 512 x 512 when ``None``.
        hr_px: Side of the photograph, a multiple of the network's; four times that when ``None``.

    Raises:
        OptionError: A side that is no such multiple; the message names the nearest two.
    """
    size_hw = size_hw or SIZE_HW
    for what, side_px in zip(("height", "width"), size_hw, strict=True):
        expect_multiple(what, side_px, SIZE_MULTIPLE)
    if size_hw[0] != size_hw[1]:
        raise OptionError(f"the size is {size_hw[0]} x {size_hw[1]}; the pipeline is square: expected equal sides")
    hr_px = FACTOR * size_hw[0] if hr_px is None else hr_px
    expect_multiple("side of the photograph (--hr)", hr_px, size_hw[0])
    return Form(
        name="pipeline",
        module=Pipeline(weights.network, size_hw, hr_px // size_hw[0]).eval(),
        inputs=(
            Port("picture", "float32", (1, 3, hr_px, hr_px), "RGB, 0..1; what is in the hole does not count"),
            Port("hole", "float32", (1, 1, hr_px, hr_px), "1 = fill, 0 = known; not all of it"),
        ),
        outputs=(Port("filled", "float32", (1, 3, hr_px, hr_px), "RGB, 0..1; known pixels bit for bit as given"),),
        size_hw=size_hw,
        example=(torch.rand(1, 3, hr_px, hr_px), example_hole((hr_px, hr_px))),
        size=f"{hr_px} x {hr_px}, seen by the network at {size_hw[0]} x {size_hw[1]}",
        weights_sha256=weights.sha256,
        facts={"factor": str(hr_px // size_hw[0]), "token_px": str(TOKEN_PX)},
    )

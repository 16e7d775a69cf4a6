"""The network with its matching: a prefilled picture in, a filled one and the sources of every token out.

The host shrinks and prefills before, and copies detail at its own resolution after. This is the form for hosts that
have code of their own; any height and width where the runtime allows it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from rethined.errors import OptionError
from rethined.export.contract import Port
from rethined.export.forms.form import Form, FormModule, example_hole
from rethined.export.network import Weights
from rethined.export.sizes import expect_multiple
from rethined.nn.matching import MASKED_LOGIT
from rethined.nn.network import SIZE_MULTIPLE, TOKEN_PX, NetworkOutput, RethinedNetwork
from rethined.types import SizeHW

SOURCES = 4
"""Sources per token: as many as the engine ranks."""
EXAMPLE_HW = (256, 320)
"""Size to trace a form of any size with: neither square nor a power of two, so that no side is taken for another."""


class LrNetwork(FormModule):
    """Fill and sources at the network's resolution.

    Nothing depends on the content of the picture but values: all tokens are matched with all, and those that hold any
    hole are ruled out as sources by what is added to their logits.
    """

    def __init__(self, network: RethinedNetwork, k: int = SOURCES) -> None:
        super().__init__(network)
        self.k = k
        self.temperature: Tensor
        # Apart from the network, which may be computed in half precision.
        self.register_buffer("temperature", network.temperature.detach().float().clone())

    def forward(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Filled picture, sources and weights.

        Args:
            prefilled: ``(N, 3, H, W)`` float32 RGB in 0..1, the hole prefilled; H and W multiples of 32.
            hole: ``(N, 1, H, W)`` float32, 1 = fill, 0 = known.

        Returns:
            ``(N, 3, H, W)`` float32 in 0..1; ``(N, k, H / 8, W / 8)`` int32; ``(N, k, H / 8, W / 8)`` float32.
        """
        output: NetworkOutput = self.network(prefilled, hole)
        filled = prefilled * (1 - hole) + output.fill.clamp(0, 1) * hole
        logits = self.logits(output.query, output.key, hole)
        best, sources = self.operators.best(logits, self.k)
        # Where fewer tokens are known than asked for, corrupted ones are left among the best.
        is_known = self.operators.is_more(best, MASKED_LOGIT / 2)
        weights = best.softmax(2) * is_known
        itself = self.operators.count(logits.shape[1], logits)[None, :, None]
        sources = self.operators.either(is_known, sources, itself)
        grid = (-1, self.k, hole.shape[2] // TOKEN_PX, hole.shape[3] // TOKEN_PX)
        return (
            filled,
            self.operators.short(sources.transpose(1, 2).reshape(grid)),
            weights.transpose(1, 2).reshape(grid),
        )

    def logits(self, query: Tensor, key: Tensor, hole: Tensor) -> Tensor:
        """``(N, T, T)`` similarities of all tokens with all, in units of the temperature, corrupted sources ruled out.

        Args:
            query, key: ``(N, d, H / 8, W / 8)``, unit length.
            hole: ``(N, 1, H, W)`` float32, 1 = fill.
        """
        corrupted = functional.max_pool2d(hole, TOKEN_PX, TOKEN_PX).flatten(2)
        similarity = torch.bmm(query.flatten(2).transpose(1, 2), key.flatten(2)) / self.temperature
        return similarity * (1 - corrupted) + corrupted * MASKED_LOGIT

    def differences(
        self, inputs: Mapping[str, Tensor], expected: Mapping[str, Tensor], got: Mapping[str, Tensor]
    ) -> dict[str, float]:
        """The largest difference of each output.

        Of two sources that are as good as each other either may come first, so sources are not compared by number: what
        counts is how the weights that torch would give them differ from those of its own sources. A row without sources
        that does not point at itself counts as 1.
        """
        with torch.inference_mode():
            output: NetworkOutput = self.network(inputs["prefilled"], inputs["hole"])
            logits = self.logits(output.query, output.key, inputs["hole"])
            chosen, own = (
                logits.gather(2, outputs["sources"].flatten(2).transpose(1, 2).long()) for outputs in (got, expected)
            )
            relative = (chosen - own[..., :1]).exp() / (own - own[..., :1]).exp().sum(2, keepdim=True)
            weights = expected["weights"].flatten(2).transpose(1, 2)
            astray = (got["sources"] != expected["sources"]).flatten(2).transpose(1, 2) & (weights == 0)
            sources = torch.where(weights > 0, (relative - weights).abs(), astray.to(weights.dtype))
        return {
            **{name: float((got[name] - expected[name]).abs().max()) for name in ("filled", "weights")},
            "sources": float(sources.max()),
        }


def lr_form(weights: Weights, size_hw: SizeHW | None = None, *, k: int = SOURCES) -> Form:
    """The LR network.

    Args:
        weights: The network.
        size_hw: Height and width, multiples of 32; any when ``None``.
        k: Sources per token.

    Raises:
        OptionError: A side that is no multiple of 32, or one so small that there are fewer tokens than sources.
    """
    for what, side_px in zip(("height", "width"), size_hw or EXAMPLE_HW, strict=True):
        expect_multiple(what, side_px, SIZE_MULTIPLE)
    if not 1 <= k <= (SIZE_MULTIPLE // TOKEN_PX) ** 2:
        raise OptionError(f"the number of sources is {k}; expected 1 to {(SIZE_MULTIPLE // TOKEN_PX) ** 2}")
    batch: int | str = 1 if size_hw else "N"
    height, width = size_hw or ("H", "W")
    picture: tuple[int | str, ...] = (batch, 3, height, width)
    grid = (
        batch,
        k,
        *(side // TOKEN_PX if isinstance(side, int) else f"{side}/{TOKEN_PX}" for side in (height, width)),
    )
    shape_hw = size_hw or EXAMPLE_HW
    return Form(
        name="lr",
        module=LrNetwork(weights.network, k).eval(),
        inputs=(
            Port("prefilled", "float32", picture, "RGB, 0..1, the hole prefilled"),
            Port("hole", "float32", (batch, 1, height, width), "1 = fill, 0 = known"),
        ),
        outputs=(
            Port("filled", "float32", picture, "RGB, 0..1; known pixels as given"),
            Port(
                "sources",
                "int32",
                grid,
                f"the {k} best source tokens of every token, best first, counted in reading order; a token that holds"
                " any hole is never one; the token itself where there is none",
            ),
            Port("weights", "float32", grid, "softmax over the sources, sum 1; 0 where there is no source"),
        ),
        size_hw=size_hw,
        example=(torch.rand(1, 3, *shape_hw), example_hole(shape_hw)),
        size=f"{height} x {width}" if size_hw else f"any H and W that are multiples of {SIZE_MULTIPLE}",
        weights_sha256=weights.sha256,
        facts={"token_px": str(TOKEN_PX), "temperature": repr(weights.network.temperature.item())},
    )

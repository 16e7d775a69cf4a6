"""How far a fill is from the truth frequency by frequency, the worst ones first.

Reference: Jiang, Dai, Wu, Loy, "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021, equations 5 to
9 with alpha = 1. Here what is compared is the error inside the hole alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def focal_frequency(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Squared error of each frequency, weighted by its size relative to the largest of the same spectrum; 0 = the same.

    Unweighted it would be the mean squared error over the hole; the weights, of which no gradient is taken, leave
    nearly nothing of what is nearly right. Pictures with small and large holes count alike.

    Args:
        fill: ``(N, 3, H, W)`` float, for example a window of a crop.
        target: ``(N, 3, H, W)`` float.
        hole: ``(N, 1, H, W)`` float, 1 = fill. Samples without a hole count as zero.
    """
    width = hole.shape[3]
    # Of real numbers, all but the first and the middle column come twice, once mirrored.
    spectrum = torch.view_as_real(torch.fft.rfft2(((fill - target) * hole).float(), norm="ortho"))
    power = spectrum.square().sum(-1)
    times = torch.full((width // 2 + 1,), 2.0, device=power.device)
    times[0] = 1
    if width % 2 == 0:
        times[-1] = 1
    with torch.no_grad():
        size = power.sqrt()
        focus = size / size.amax((2, 3), keepdim=True).clamp_min(1e-12)
    total = (focus * power * times).sum((1, 2, 3))
    return (total / (3 * hole.sum((1, 2, 3))).clamp_min(1)).mean()

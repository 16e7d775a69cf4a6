"""What the processes of one training step share: their places, random numbers, sums and means.

The samples of a step are split evenly over the processes that torchrun started. Each of them draws the random numbers
of the whole step, from equal generators, and keeps those of its own pictures; a mean over the pixels of many pictures
divides by the sum over all processes. So any number of processes takes the same steps but for rounding. A process that
is alone computes what it would without any of this, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Place(NamedTuple):
    """Which process this is, from 0 on, and of how many."""

    rank: int
    of: int


def place() -> Place:
    """This process among those that train together; 0 of 1 when it is alone."""
    if dist.is_available() and dist.is_initialized():
        return Place(dist.get_rank(), dist.get_world_size())
    return Place(0, 1)


def draw_rows(draw: Callable[[int], Tensor], rows: int) -> Tensor:
    """Random numbers for the pictures of this process, whatever the number of processes.

    Args:
        draw: Gives the numbers of so many pictures, one row each, from a generator that all processes have alike.
        rows: Pictures of this process, as many as of every other.
    """
    rank, count = place()
    return draw(rows * count)[rank * rows : (rank + 1) * rows]


def uniform_rows(rows: int, columns: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """``(rows, columns)`` numbers in 0..1 for the pictures of this process, see :func:`draw_rows`.

    Args:
        rows: Pictures of this process.
        columns: Numbers of each.
        generator: Source of randomness, equal in all processes.
        device: Where they are wanted; nothing is waited for when it is the generator's.
    """
    drawn = draw_rows(lambda n: torch.rand((n, columns), generator=generator, device=generator.device), rows)
    return drawn.to(device)


def mean_of_all(total: Tensor, weight: Tensor, *, at_least: float) -> Tensor:
    """A mean over the pictures of a whole step, as this process's part of it.

    Args:
        total: Sum over this process's pictures, a scalar; gradients flow through it.
        weight: Sum of the weights over this process's pictures, a scalar.
        at_least: Smallest sum of weights to divide by.

    Returns:
        A scalar whose mean over the processes is the sum of totals by the sum of weights.
    """
    _, count = place()
    if count == 1:
        return total / weight.clamp_min(at_least)
    weight = weight.detach().clone()
    dist.all_reduce(weight)
    return count * total / weight.clamp_min(at_least)


def average_(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes; all travel as one."""
    _, count = place()
    if count == 1:
        return
    kept = list(tensors)
    with torch.no_grad():
        flat = torch.cat([tensor.flatten() for tensor in kept])
        dist.all_reduce(flat)
        flat /= count
        for tensor, mean in zip(kept, flat.split([tensor.numel() for tensor in kept]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


def copy_first_(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by that of the first process."""
    if place().of > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def gather(value: object) -> list[object]:
    """What each process hands in, in order, at every process."""
    _, count = place()
    if count == 1:
        return [value]
    values: list[object] = [None] * count
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Goes on when every process has come here."""
    if place().of > 1:
        dist.barrier()


def any_of_all(says_so: bool) -> bool:
    """Whether any process says so."""
    if place().of == 1:
        return says_so
    votes = torch.tensor(int(says_so))
    dist.all_reduce(votes)
    return bool(votes)


def means_of_all(means: Mapping[str, float]) -> dict[str, float]:
    """The means of figures over the processes; every process has the same figures."""
    _, count = place()
    if count == 1:
        return dict(means)
    values = torch.tensor(list(means.values()), dtype=torch.float64)
    dist.all_reduce(values)
    return dict(zip(means, (values / count).tolist(), strict=True))

"""Batches of samples as tensors, drawn beside the training: in a thread, or in processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rethined.data.samples import Batch, Sampler, batch_of_step, prefetch
from rethined.errors import RethinedError
from rethined.runtime import available_cores

AHEAD = 2
"""Batches that each process draws ahead."""
ENDING_S = 30.0
"""How long to wait for each to end."""


class Stacked(NamedTuple):
    """The samples of a step, stacked along a first axis; fields as of :class:`rethined.data.samples.Sample`.

    Attributes:
        coarse_known: ``(N, C, C, 3)`` uint8.
        coarse_hole: ``(N, C, C)`` bool.
        coarse_open: ``(N, C, C)`` bool.
        coarse_target: ``(N, C, C, 3)`` uint8.
        fine_target: ``(N, C, C, 3)`` uint8.
        fine_hole: ``(N, C, C)`` bool.
        corners_yx: ``(N, 2)`` int64.
        position: Samples drawn when it was complete.
    """

    coarse_known: Tensor
    coarse_hole: Tensor
    coarse_open: Tensor
    coarse_target: Tensor
    fine_target: Tensor
    fine_hole: Tensor
    corners_yx: Tensor
    position: int


def stack(batch: Batch) -> Stacked:
    """Many samples as few tensors, on the CPU."""
    samples = batch.samples
    return Stacked(
        torch.from_numpy(np.stack([sample.coarse_known for sample in samples])),
        torch.from_numpy(np.stack([sample.coarse_hole for sample in samples])),
        torch.from_numpy(np.stack([sample.coarse_open for sample in samples])),
        torch.from_numpy(np.stack([sample.coarse_target for sample in samples])),
        torch.from_numpy(np.stack([sample.fine_target for sample in samples])),
        torch.from_numpy(np.stack([sample.fine_hole for sample in samples])),
        torch.tensor([sample.corner_yx for sample in samples]),
        batch.position,
    )


def draw_batches(
    sampler: Sampler,
    *,
    start: int,
    count: int,
    steps: int,
    share: tuple[int, int] = (0, 1),
    workers: int = 0,
    is_pinned: bool = False,
) -> Generator[Stacked]:
    """The batches of the next steps; the same whatever the number of processes that draw them.

    Args:
        sampler: Source of samples; with ``workers`` it must pass from process to process.
        start: Samples drawn before.
        count: Samples of a batch, of all shares.
        steps: How many batches.
        share: As for :func:`rethined.data.samples.prefetch`.
        workers: Processes that draw; a thread of this one when 0. Each is started anew and imports the main module.
        is_pinned: Whether to draw into memory that a GPU can fetch from by itself.
    """
    if workers == 0:
        with closing(prefetch(sampler, start=start, count=count, share=share)) as drawn:
            for _ in range(steps):
                batch = stack(next(drawn))
                yield _pinned(batch) if is_pinned else batch
        return
    before = multiprocessing.active_children()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are fewer processors than workers, which one may want
        items = iter(
            DataLoader(
                _Steps(sampler, start, count, share),
                batch_size=None,
                sampler=range(steps),
                num_workers=workers,
                prefetch_factor=AHEAD,
                pin_memory=is_pinned,
                worker_init_fn=_begin_worker,
                multiprocessing_context=_context(),
            )
        )
    started = [process for process in multiprocessing.active_children() if process not in before]
    try:
        for item in items:
            if isinstance(item, RethinedError):
                raise item
            yield item
    finally:
        # The loader ends its processes when it is forgotten; one that still imports may take longer than it waits.
        del items
        for process in started:
            process.join(ENDING_S)


def _pinned(batch: Stacked) -> Stacked:
    known, hole, still_open, target, fine_target, fine_hole, corners_yx = (x.pin_memory() for x in batch[:7])
    return Stacked(known, hole, still_open, target, fine_target, fine_hole, corners_yx, batch.position)


def count_workers(device: torch.device) -> int:
    """Processes that draw samples unless told otherwise: a GPU is fed by all processors but one.

    On a CPU they would take from the training what they give to it.
    """
    return max(1, available_cores() - 1) if device.type == "cuda" else 0


def _context() -> multiprocessing.context.BaseContext:
    """How processes are started. Not as a fork of this one, which has computed with threads and might wait for them.

    Forks of a process that has done nothing but import share what it has imported, where there are forks.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    return context


class _Steps(Dataset[Stacked | RethinedError]):
    """Batch by number; an error of ours travels as a value, for it would arrive as a page of text."""

    def __init__(self, sampler: Sampler, start: int, count: int, share: tuple[int, int]) -> None:
        self._sampler = sampler
        self._start = start
        self._count = count
        self._share = share

    def __getitem__(self, step: int) -> Stacked | RethinedError:
        try:
            return stack(batch_of_step(self._sampler, self._start + step * self._count, self._count, self._share))
        except RethinedError as error:
            return error


def _begin_worker(number: int) -> None:  # noqa: ARG001 - called by torch
    """A worker ends when its loader says so, not with an interrupt that is meant for the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)

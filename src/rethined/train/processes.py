"""Training in several processes that torchrun started, on one machine or on many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from rethined.errors import ConfigError
from rethined.nn.processes import gather, place, wait_for_all

LONGEST_WAIT = timedelta(hours=12)
"""How long a process waits for the others: the first one of a machine may be decoding a large set."""
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within, the processes of one torchrun train together; a process that torchrun did not start is alone.

    Processes that have joined before stay joined.

    Args:
        device: What this process computes on.
    """
    if dist.is_initialized() or not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(BACKENDS[device.type], timeout=LONGEST_WAIT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def local_rank() -> int:
    """Which of this machine's processes this is, from 0 on."""
    return int(os.environ.get("LOCAL_RANK", "0")) if place().of > 1 else 0


@contextmanager
def first_of_machine_first() -> Iterator[None]:
    """What is within is done by the first process of each machine, and only then by the others."""
    is_first = local_rank() == 0
    if not is_first:
        wait_for_all()
    try:
        yield
    finally:
        if is_first:
            wait_for_all()


def expect_alike(facts: Mapping[str, object]) -> None:
    """Refuses to train when the processes do not agree on what.

    Args:
        facts: What must be the same in all of them, by name.

    Raises:
        ConfigError: It is not.
    """
    for name, value in facts.items():
        found = gather(value)
        if any(other != found[0] for other in found):
            raise ConfigError(
                f"the processes differ in {name}: {', '.join(map(str, found))}; give all of them the same settings,"
                " photographs and --out, on a disk that all machines share"
            )


def expect_even_shares(samples_per_step: int) -> None:
    """Refuses a step that cannot be split evenly.

    Raises:
        ConfigError: The samples of a step are no multiple of the processes.
    """
    _, count = place()
    if samples_per_step % count:
        raise ConfigError(
            f"samples_per_step is {samples_per_step}, for {count} processes; expected a multiple of {count}"
        )

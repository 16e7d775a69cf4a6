"""What a run computes on."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from rethined.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]
CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """The device of that name; torch is set up for one that is a GPU.

    Args:
        name: ``cpu``; ``cuda``, of several that of this process's number on the machine; or ``auto``, a CUDA device
            where there is one.

    Raises:
        ConfigError: An unknown name, or a CUDA device that is not there.
    """
    if name not in get_args(DeviceName):
        raise ConfigError(f"the device is {name!r}; expected one of {', '.join(get_args(DeviceName))}")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not found):
        return CPU
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= found:
        raise ConfigError(
            f"the device is {name!r} number {number}, counted from 0; this torch sees {found} of them: start fewer"
            " processes on this machine or train with --device cpu"
        )
    # Crops are all of one size: the fastest of cuDNN's ways is found once. The products that stay in float32, those of
    # the matching's supervision, need no more than TF32's ten bits.
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda", number)

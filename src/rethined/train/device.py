"""What a run computes on."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from rethined.errors import ConfigError
from rethined.train.config import TrainConfig

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


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 faster than in single precision; else it is many times slower.

    Of processors only those with AVX-512 are taken to do so, for which oneDNN has kernels.
    """
    return device.type != CPU.type or torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AMX"))


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, single precision where not."""
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def compute_dtype(config: TrainConfig, device: torch.device) -> torch.dtype:
    """Of activations: bfloat16 where it is wanted and the device computes in it."""
    return fast_dtype(device) if config.use_bfloat16 else torch.float32

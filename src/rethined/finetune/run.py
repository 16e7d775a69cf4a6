"""``rethined finetune``: from the shipped weights and a folder of photographs to a network of one's own."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from rethined.data.photos import Photo, open_files, picture_files
from rethined.errors import CheckpointError, OptionError
from rethined.export.run import expect_onnx, write_network
from rethined.files import sha256_of, write_text
from rethined.finetune.calibrate import calibrate
from rethined.finetune.compare import MAX_LONG_PX, compare, to_markdown, verdict
from rethined.finetune.split import split
from rethined.options import expect_threads
from rethined.session import OnnxSession
from rethined.train.config import TrainConfig
from rethined.train.device import choose_device
from rethined.train.loop import train
from rethined.train.memory import keep_freed_memory
from rethined.train.run import make_feature_loss, make_sampler
from rethined.train.schedule import TimedRate
from rethined.train.state import TrainState, new_state
from rethined.weights import SHIPPED_NETWORK

SETTINGS = TrainConfig(steps=1_000_000, warmup_steps=50, cooldown_steps=0, learning_rate=3e-4, feature_weight=0.15)
"""Those of the shipped weights at a fifth of their rate; time ends the run, not the steps."""


def finetune_folder(
    folder: Path,
    out: Path,
    *,
    minutes: float = 15.0,
    hold_out: int = 5,
    learning_rate: float | None = None,
    training_data: str = "not stated",
    cache: Path | None = None,
    threads: int | None = None,
    start: Path = SHIPPED_NETWORK,
    settings: TrainConfig = SETTINGS,
    device: str = "cpu",
) -> str:
    """Fine-tunes a network on the photographs of a folder and compares it with what it was.

    Args:
        folder: Photographs, at any depth.
        out: File to write, ending in ``.onnx``, of integers where the shipped one is; ``.safetensors`` and the table,
            ``.md``, are written beside it.
        minutes: Length of the training; measuring comes on top.
        hold_out: One in this many photographs is kept to measure with.
        learning_rate: Peak rate; that of ``settings`` when ``None``.
        training_data: What the photographs are; kept in the file.
        cache: Where decoded photographs are kept; a folder beside ``out`` that is gone afterwards when ``None``.
        threads: Threads of the computation.
        start: Network to begin with, its ``.safetensors`` beside it.
        settings: Settings of the training.
        device: What to train on, as for :func:`rethined.train.device.choose_device`; measuring is done on the CPU.

    Returns:
        The table and what it comes to, as Markdown. A network that got worse is written all the same.

    Raises:
        CheckpointError: ``out`` cannot be the file to write, or the weights to begin with cannot be read.
        OptionError, ConfigError: An option outside its range, or a device that is not there.
        DatasetError: ``folder`` has fewer than four different photographs that can be used.
        ExportParityError: The file does not reproduce the network; none is written.
    """
    _expect_usable(out, start, minutes)
    expect_threads(threads)
    chosen = choose_device(device)
    if learning_rate is not None:
        settings = dataclasses.replace(settings, learning_rate=learning_rate)
    if threads is not None:
        cv2.setNumThreads(threads)
        torch.set_num_threads(threads)
    keep_freed_memory()
    tensors = start.with_suffix(".safetensors")
    data_before = OnnxSession(start, threads=1).metadata.get("training_data", "not stated")
    with tempfile.TemporaryDirectory(prefix=".rethined-", dir=out.parent) as work:
        photos, _ = open_files(picture_files(folder), cache or Path(work) / "cache", show_progress=True)
        parts = split(list(photos), hold_out)
        tqdm.write(f"{len(parts.trained)} photographs to learn from, {len(parts.held_out)} held out")
        state = new_state(settings, tensors, chosen)
        learned_from = [photos[file] for file in parts.trained]
        _train(state, learned_from, settings, Path(work) / "run", minutes)
        tqdm.write("calibrating the network of integers")
        ranged = calibrate(state, learned_from, settings, Path(work))
        long_sides_px = {file: max(photos[file].size_hw) for file in parts.held_out}
        del photos, learned_from  # what they map is about to be removed
    origin, steps = sha256_of(tensors), f"{state.step} steps on {len(parts.trained)} photographs"
    facts = {
        "fine_tuned_from": origin,
        "fine_tuned_photos": str(len(parts.trained)),
        "training_data": f"fine-tuned from {origin} for {steps}: {training_data}. Before: {data_before}",
    }
    write_network(ranged, out, precision="int8", facts=facts)
    # Only now: whatever happens while measuring, the minutes of training are not lost.
    with tqdm(total=len(parts.held_out), desc="measuring", unit="photo", leave=False) as bar:
        rows = compare(folder, long_sides_px, start, out, threads=threads, on_photo=bar.update)
    count = len(parts.trained) + len(parts.held_out)
    text = (
        f"Fine-tuned for {steps}, {state.minutes:.1f} minutes, from the weights {origin[:8]}. Hole PSNR on what was"
        f" held out ({len(parts.held_out)} of {count} photographs), long side at most {MAX_LONG_PX} px; higher is"
        " better.\n\n"
        f"{to_markdown(rows)}\n{verdict(rows)}\n"
    )
    write_text(out.with_suffix(".md"), text)
    return text


def _expect_usable(out: Path, start: Path, minutes: float) -> None:
    expect_onnx(out)
    if out.exists() and out.samefile(start):
        raise CheckpointError(f"the file to write is {out}, which is what is begun with; expected another name")
    if not 0 < minutes < math.inf:
        raise OptionError(f"the time is {minutes} minutes; expected more than 0")


def _train(state: TrainState, photos: list[Photo], settings: TrainConfig, work: Path, minutes: float) -> None:
    feature_loss = make_feature_loss(settings, state.device)
    sampler = make_sampler(photos, settings)
    rate = TimedRate(settings.learning_rate, minutes, settings.warmup_steps)
    with tqdm(total=round(minutes, 2), unit="min", bar_format="{desc}{percentage:3.0f}% {bar} {postfix}") as bar:

        def tell() -> bool:
            bar.set_postfix_str(f"step {state.step}", refresh=False)
            bar.update(min(state.minutes, bar.total) - bar.n)
            return False

        train(
            state,
            settings,
            sampler,
            work,
            max_minutes=minutes,
            feature_loss=feature_loss,
            should_stop=tell,
            rate_at=rate,
        )

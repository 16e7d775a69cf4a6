"""``rethined train``: from a folder of photographs to a trained state, stopped and resumed at will."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from rethined.data.photos import Photo, find_pictures, open_photos
from rethined.data.samples import Sampler
from rethined.data.stream import StreamSampler
from rethined.errors import CheckpointError, ConfigError
from rethined.losses.windows import FillLoss
from rethined.nn.network import NetworkConfig, count_fused_parameters
from rethined.nn.processes import copy_first_, place
from rethined.options import expect_threads
from rethined.train.board import Board, expect_tensorboard
from rethined.train.config import TrainConfig
from rethined.train.device import CPU, choose_device, compute_dtype
from rethined.train.loop import train
from rethined.train.memory import keep_freed_memory
from rethined.train.processes import expect_alike, expect_even_shares, first_of_machine_first, joined
from rethined.train.profile import Profile
from rethined.train.settings import merge, read_settings
from rethined.train.state import TrainState, load_state, new_state
from rethined.train.watch import ValSet

STATE_FILE = "state.pt"
CONFIG_FILE = "config.json"
BOARD_FOLDER = "tensorboard"
WINDOW_FOLDER = "window"
"""Part of the cache that is emptied as the window moves on."""


def train_folder(
    folder: Path,
    out: Path,
    *,
    settings_file: Path | None = None,
    changes: dict[str, Any] | None = None,
    cache: Path | None = None,
    val_folder: Path | None = None,
    start_from: Path | None = None,
    max_minutes: float | None = None,
    threads: int | None = None,
    tensorboard: bool = False,
    device: str = "cpu",
    profile_steps: int = 0,
    workers: int | None = None,
) -> None:
    """Trains on a folder, or goes on with the run in ``out``; together with others where torchrun started several.

    Args:
        folder: Photographs, at any depth; or tar shards, as for :func:`rethined.data.photos.find_pictures`.
        out: Folder of the run: settings, state, log.
        settings_file: TOML file of settings that differ from the defaults, or from the run's own when it is resumed.
        changes: Settings that differ from all of these.
        cache: Where decoded photographs are kept.
        val_folder: Photographs to watch the fill on, likewise; never trained on.
        start_from: A ``.safetensors`` file of trained weights that a new run begins with; their network may have fewer
            blocks.
        max_minutes: Wall-clock limit of this call.
        threads: Threads of the computation.
        tensorboard: Whether to write logs for TensorBoard too.
        device: ``cpu``, ``cuda``, or ``auto`` for a CUDA device where there is one.
        profile_steps: Steps of which to tell where their time went, part by part.
        workers: Processes that draw samples, as for :func:`rethined.train.loop.train`.

    Raises:
        MissingExtraError: ``tensorboard`` is wanted and not installed.
        DatasetError: ``folder`` has no photographs that can be used.
        ConfigError, CheckpointError: Settings that cannot be used, or that the run in ``out`` was not made with.
    """
    if tensorboard:
        expect_tensorboard()
    expect_threads(threads)
    if threads is not None:
        torch.set_num_threads(threads)
    if max_minutes is not None and not max_minutes >= 0:  # nor is it a number where it is none
        raise ConfigError(f"max_minutes is {max_minutes}; expected 0 or more, or nothing for no limit")
    for name, count in (("profile_steps", profile_steps), ("workers", workers or 0)):
        if count < 0:
            raise ConfigError(f"{name} is {count}; expected 0 or more")
    keep_freed_memory()
    chosen = choose_device(device)
    with ExitStack() as stack:
        stack.enter_context(joined(chosen))
        is_first = place().rank == 0
        config = _settle_config(out, settings_file, changes or {})
        expect_even_shares(config.samples_per_step)
        cache = cache or out / "cache"
        # Before anything else: what follows is done by all or by none.
        expect_alike({"settings": config, "the state to go on from": _version_of(out / STATE_FILE)})
        state = _begin(out / STATE_FILE, config, start_from, chosen)
        with first_of_machine_first():
            sampler, names = _open_sampler(folder, cache, config, state.position, show_progress=is_first)
        watched = None
        if val_folder is not None and is_first:
            watched = ValSet(open_photos(val_folder, cache, show_progress=True))
        expect_alike({"photographs": _checksum(names)})
        if is_first:
            out.mkdir(parents=True, exist_ok=True)
            (out / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=1) + "\n")
            tqdm.write(_summary(len(names), state, config))
        stop = stack.enter_context(stop_on_signal())
        bar = stack.enter_context(
            tqdm(total=config.steps, initial=state.step, unit="step", smoothing=0.05, disable=not is_first)
        )
        board = None
        if tensorboard and is_first:
            board = stack.enter_context(closing(Board(out / BOARD_FOLDER, state, watched)))

        def report(row: dict[str, float]) -> None:
            if board:
                board.add_means(row)
            bar.update(int(row["step"]) - bar.n)
            told = {"crops/s": f"{row['crops_per_s']:.1f}", "waiting": f"{row['wait_share']:.1%}"}
            told |= {name: f"{row[name]:.3f}" for name in ("coarse_fill", "coarse_gain_db") if name in row}
            bar.set_postfix(told)

        profile = Profile(profile_steps if is_first else 0, device=chosen, tell=tqdm.write)
        stack.callback(profile.close)
        train(
            state,
            config,
            sampler,
            out,
            max_minutes=max_minutes,
            feature_loss=make_feature_loss(config, chosen),
            report=report,
            watched=watched,
            should_stop=stop.is_set,
            on_save=board.add_looks if board else lambda: None,
            profile=profile,
            workers=workers,
        )


def _version_of(state_file: Path) -> str:
    return f"one of {state_file.stat().st_size} bytes" if state_file.exists() else "none"


def _begin(state_file: Path, config: TrainConfig, start_from: Path | None, device: torch.device) -> TrainState:
    """The state to go on from; the same in all processes."""
    if state_file.exists():
        return load_state(state_file, config, device)
    state = new_state(config, start_from, device)
    # Equal seeds give equal weights on equal machines only.
    copy_first_([*state.network.state_dict().values(), *state.average.values()])
    if state.adversary:
        copy_first_(state.adversary.discriminator.state_dict().values())
    if state.teacher:
        copy_first_(state.teacher.state_dict().values())
    return state


def make_sampler(photos: Sequence[Photo], config: TrainConfig) -> Sampler:
    """Samples of decoded photographs, as the settings say."""
    return Sampler(photos, **_sampling(config))


def _open_sampler(
    where: Path, cache: Path, config: TrainConfig, position: int, *, show_progress: bool
) -> tuple[Sampler, list[str]]:
    """The source of samples, and the names of the photographs it draws from."""
    if config.window_photos == 0:
        photos = open_photos(where, cache, show_progress=show_progress)
        return make_sampler(photos, config), [photo.name for photo in photos]
    pictures = find_pictures(where, cache)
    sampler = StreamSampler(
        pictures,
        cache / WINDOW_FOLDER,
        window_photos=config.window_photos,
        samples_per_photo=config.samples_per_photo,
        start=position,
        **_sampling(config),
    )
    return sampler, [picture.name for picture in pictures]


def _sampling(config: TrainConfig) -> dict[str, Any]:
    """What samplers of all kinds are told."""
    return {
        "seed": config.seed,
        "crop_px": config.crop_px,
        "procedural_share": config.procedural_share,
        "copied_share": config.copied_share,
        "enlarged_share": config.enlarged_share,
    }


def _checksum(names: Sequence[str]) -> str:
    """Of what the photographs are called, in order: where they lie may differ from machine to machine."""
    return f"{len(names)} with checksum {hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]}"


def _summary(photos: int, state: TrainState, config: TrainConfig) -> str:
    millions = count_fused_parameters(state.network) / 1e6
    _, count = place()
    return (
        f"{photos} photographs, {millions:.2f} M parameters fused, from step {state.step} of {config.steps}, on"
        f" {state.device}" + (f" in {count} processes" if count > 1 else "")
    )


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that an interrupt or a request to end sets, so that the step under way is finished and saved."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def read_config(out: Path) -> TrainConfig:
    """Settings of the run in ``out``."""
    file = out / CONFIG_FILE
    try:
        values = json.loads(file.read_text())
        network = NetworkConfig(**_with_tuples(values.pop("network")))
        return TrainConfig(network=network, **_with_tuples(values))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{file} is not the settings of a run ({error}); give the folder of a run") from error


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _settle_config(out: Path, settings_file: Path | None, changes: dict[str, Any]) -> TrainConfig:
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    if unknown := sorted(set(changes) - known):
        raise ConfigError(f"unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    base = read_config(out) if (out / CONFIG_FILE).exists() else TrainConfig()
    said = {} if settings_file is None else read_settings(settings_file)
    # At once: a value of the file may be out of range beside the old ones and in range beside the new.
    return merge(base, {**said, **changes})


def make_feature_loss(config: TrainConfig, device: torch.device = CPU) -> FillLoss | None:
    """The feature distance, or nothing where its weight is 0."""
    if config.feature_weight <= 0:
        return None
    from rethined.losses.features import FeatureDistance

    distance: FillLoss = FeatureDistance(config.feature_strides, compute_dtype(config, device)).to(device)
    return distance

"""The training loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rethined.data.samples import Sampler
from rethined.losses.windows import FillLoss
from rethined.nn.processes import any_of_all, means_of_all, place, wait_for_all
from rethined.train.batches import count_workers, draw_batches
from rethined.train.config import TrainConfig
from rethined.train.log import LOG_FILE
from rethined.train.meter import Meter
from rethined.train.profile import Profile
from rethined.train.state import TrainState, save_state
from rethined.train.step import take_step
from rethined.train.watch import ValSet

REPORT_EVERY = 50
WATCH_EVERY = 10
SAVE_EVERY_S = 300.0


def train(
    state: TrainState,
    config: TrainConfig,
    sampler: Sampler,
    out: Path,
    *,
    max_minutes: float | None = None,
    feature_loss: FillLoss | None = None,
    report: Callable[[dict[str, float]], None] | None = None,
    watched: ValSet | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    rate_at: Callable[[int], float] | None = None,
    on_save: Callable[[], object] = lambda: None,
    profile: Profile | None = None,
    workers: int | None = None,
) -> None:
    """Trains until ``config.steps`` are done or ``max_minutes`` are over; the state is saved in ``out`` as it goes.

    Several processes that call this together (:func:`rethined.train.processes.joined`) share each step's samples; the
    first of them alone writes, reports and watches.

    Args:
        state: Where to start; changed in place.
        config: Settings of the run.
        sampler: Source of samples.
        out: Folder of the run; gets ``state.pt`` and ``log.jsonl``.
        max_minutes: Wall-clock limit of this call; the run can be resumed afterwards.
        feature_loss: Called on fills when ``config.feature_weight`` is above 0.
        report: Receives the means of every 50 steps.
        should_stop: Asked after every step; the run is saved and ends when it says so.
        watched: Photographs to look at whenever the state is saved; the gain goes into the log.
        rate_at: Learning rate of step number ``step``, the first being 0; as ``config`` says when ``None``. A run whose
            rate depends on more than the step does not resume exactly.
        on_save: Called whenever the state has been saved.
        profile: Told when the parts of each step end.
        workers: Processes that draw samples. With 0 a thread of this one draws them; with ``None`` that is so on a CPU,
            and beside a GPU there are as many as processors but one.
    """
    out.mkdir(parents=True, exist_ok=True)
    state.network.train()
    meter, watch_meter = Meter(profile or Profile()), Meter()
    is_first = place().rank == 0
    started = saved = time.monotonic()
    drawn = draw_batches(
        sampler,
        start=state.position,
        count=config.samples_per_step,
        steps=config.steps - state.step,
        share=place(),
        workers=count_workers(state.device) if workers is None else workers,
        is_pinned=state.device.type == "cuda",
    )
    with closing(drawn) as batches:
        while state.step < config.steps:
            began = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - began
            meter.profile.end_part("data")
            meter.is_watching = state.step % WATCH_EVERY == 0
            rate = (rate_at or config.learning_rate_at)(state.step)
            take_step(state, config, batch, rate, feature_loss, meter)
            seconds = time.perf_counter() - began
            state.minutes += seconds / 60
            meter.add("wait_s", waited)
            meter.add("step_s", seconds)
            if state.step % REPORT_EVERY == 0:
                means = _with_throughput(means_of_all(meter.take()), config)
                row = {"step": state.step, "minutes": state.minutes, **means, **watch_meter.take()}
                if is_first:
                    with (out / LOG_FILE).open("a") as log:
                        log.write(json.dumps(row) + "\n")
                    if report:
                        report(row)
            now = time.monotonic()
            if is_first and now - saved > SAVE_EVERY_S:
                save_state(state, config, out / "state.pt")
                on_save()
                if watched:
                    watch_meter.add("val_gain_db", watched.gain_db(state.averaged_network()))
                saved = time.monotonic()
            meter.profile.end_step()
            out_of_time = max_minutes is not None and now - started > max_minutes * 60
            if any_of_all(should_stop() or out_of_time):
                break
    if is_first:
        save_state(state, config, out / "state.pt")
        on_save()
    wait_for_all()  # whoever goes on from here finds the state saved


def _with_throughput(means: dict[str, float], config: TrainConfig) -> dict[str, float]:
    """The share of the time spent waiting for data, and crops per second, in place of mean seconds."""
    wait_s, step_s = means.pop("wait_s"), means.pop("step_s")
    return {"wait_share": wait_s / step_s, "crops_per_s": 2 * config.samples_per_step / step_s, **means}

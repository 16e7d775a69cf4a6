"""The training loop."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from rethined.data.samples import Sampler
from rethined.losses.fill import masked_huber
from rethined.losses.frequency import focal_frequency
from rethined.losses.matching import descriptor_distance, oracle_matching
from rethined.losses.transferred import transfer_fills
from rethined.losses.variants import draw_side, variant_sides, vary
from rethined.losses.windows import FillLoss, hole_windows
from rethined.nn.cells import CELL_PX, from_cells, to_cells
from rethined.nn.network import CellOutput
from rethined.nn.processes import any_of_all, average_, means_of_all, place, uniform_rows, wait_for_all
from rethined.nn.quantised import ActivationQuantiser
from rethined.nn.squares import cut_squares
from rethined.train.batches import Stacked, count_workers, draw_batches
from rethined.train.config import TrainConfig
from rethined.train.log import LOG_FILE
from rethined.train.profile import Profile
from rethined.train.state import TrainState, save_state
from rethined.train.views import View, coarse_view, fine_view
from rethined.train.watch import ValSet

REPORT_EVERY = 50
WATCH_EVERY = 10
SAVE_EVERY_S = 300.0
TAUGHT_MATCHING = 1.0
"""Weight of the distance of descriptors from the teacher's: it is a hundredth where the fill's from its fill is one."""


@dataclass(frozen=True)
class WindowTerm:
    """A dear loss, taken in windows round hole pixels."""

    name: str
    weight: float
    loss: FillLoss


@dataclass
class Meter:
    """Figures between two reports; costly ones are taken only while ``is_watching``."""

    profile: Profile = field(default_factory=Profile)
    is_watching: bool = False
    values: dict[str, list[float | Tensor]] = field(default_factory=dict)

    def add(self, name: str, value: float | Tensor) -> None:
        """Counts one value in; a tensor is not asked for its value before :meth:`take`, which a GPU would wait for."""
        self.values.setdefault(name, []).append(value.detach() if isinstance(value, Tensor) else value)

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        means = {
            name: torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in values]).mean().item()
            for name, values in self.values.items()
        }
        self.values.clear()
        return means


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
            _step(state, config, batch, rate, feature_loss, meter)
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


def _step(
    state: TrainState, config: TrainConfig, batch: Stacked, rate: float, feature_loss: FillLoss | None, meter: Meter
) -> None:
    """One step: the coarse view, then the fine view prefilled with what the network made of the coarse one."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    generator = torch.Generator(state.device).manual_seed(config.seed * 1_000_003 + state.step)
    terms = _window_terms(state, config, feature_loss)
    state.optimizer.zero_grad(set_to_none=True)
    coarse = coarse_view(batch, state.device)
    meter.profile.end_part("views")
    fill = _learn(state, config, coarse, generator, terms, meter, "coarse")
    composed = torch.where(coarse.hole > 0.5, fill.clamp(0, 1), coarse.prefilled)
    fine = fine_view(batch, composed)
    meter.profile.end_part("views")
    _learn(state, config, fine, generator, terms, meter, "fine")

    average_(shared_tensors(state))
    meter.profile.end_part("exchange")
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm)
    meter.add("gradient", norm)
    state.optimizer.step()
    if state.adversary:
        state.adversary.step(rate / config.learning_rate)
    meter.profile.end_part("optimiser")
    state.step += 1
    state.position = batch.position
    state.update_average(config.ema_decay)
    meter.profile.end_part("average (EMA)")


def _window_terms(state: TrainState, config: TrainConfig, feature_loss: FillLoss | None) -> list[WindowTerm]:
    """The dear losses of this step."""
    terms = []
    if feature_loss is not None and config.feature_weight > 0 and state.step % config.feature_every == 0:
        terms.append(WindowTerm("feature", config.feature_weight, feature_loss))
    if config.frequency_weight > 0:
        terms.append(WindowTerm("frequency", config.frequency_weight, focal_frequency))
    if state.adversary:
        terms.append(WindowTerm("adversarial", config.adversarial_weight, state.adversary.fill_loss))
    return terms


def shared_tensors(state: TrainState) -> Iterator[Tensor]:
    """What processes average after each step's backward passes: all gradients, and what each saw of its own pictures.

    Each process normalises over its own pictures, and watches the ranges of quantisers on them; only the running means
    are those of the whole step.
    """
    yield from (p.grad for p in state.network.parameters() if p.grad is not None)
    if state.adversary:
        yield from state.adversary.gradients
    for module in state.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            yield from (x for x in (module.running_mean, module.running_var) if x is not None)
        if isinstance(module, ActivationQuantiser) and not module.is_in_use:
            yield from (module.low, module.high)


def _learn(
    state: TrainState,
    config: TrainConfig,
    view: View,
    generator: torch.Generator,
    terms: Sequence[WindowTerm],
    meter: Meter,
    name: str,
) -> Tensor:
    """Adds the gradients of one view and returns its fill, detached."""
    output = state.network.in_cells(view.prefilled, view.hole)
    meter.profile.end_part("forward")
    taught = None
    if state.teacher is not None:
        with torch.no_grad():
            taught = state.teacher.in_cells(view.prefilled, view.hole)
        meter.profile.end_part("teacher")
    truth = view.target if taught is None else view.prefilled + from_cells(taught.residual)
    wanted = to_cells((truth - view.prefilled) * view.hole)
    loss = fill_loss = masked_huber(output.residual, wanted, to_cells(view.hole), inner_weight=config.inner_weight)
    meter.profile.end_part("loss: fill")
    if taught is None:
        matching = oracle_matching(output, view.target, view.hole, state.network.temperature, generator)
        loss = loss + config.matching_weight * matching
    else:
        matching = descriptor_distance(output, taught)
        loss = loss + TAUGHT_MATCHING * matching
    meter.profile.end_part("loss: matching")
    windows: tuple[Tensor, ...] = ()
    if terms:
        side_px = min(config.feature_px, *view.hole.shape[2:])
        corners = hole_windows(view.hole, side_px, generator)
        prefilled, target, hole = (cut_squares(x, corners, side_px) for x in (view.prefilled, truth, view.hole))
        residual = from_cells(cut_squares(output.residual, corners // CELL_PX, side_px // CELL_PX))
        filled = prefilled + residual
        if config.transferred_share:
            filled = _transferred(state, config, view, output, (filled, hole, corners), generator)
            meter.profile.end_part("transfer")
        windows = whole = (filled, target, hole)
        if config.varied_windows:
            # On the host: all processes draw the same, and nothing waits for a GPU.
            share = random.Random(f"{config.seed} {state.step} {name}").random()
            windows = vary(whole, draw_side(variant_sides(side_px), share), generator)
    for term in terms:
        value = term.loss(*windows)
        loss = loss + term.weight * value
        meter.add(f"{name}_{term.name}", value)
        meter.profile.end_part(f"loss: {term.name}")
    (loss / 2).backward()
    meter.profile.end_part("backward")
    if state.adversary:
        meter.add(f"{name}_discriminator", state.adversary.learn(*(window.detach() for window in windows)))
        meter.profile.end_part("discriminator")
    meter.add(f"{name}_fill", fill_loss)
    meter.add(f"{name}_matching", matching)
    fill = view.prefilled + from_cells(output.residual.detach())
    if meter.is_watching:
        meter.add(f"{name}_gain_db", _gain_db(fill, view))
    meter.profile.end_part("figures")
    return fill


def _transferred(
    state: TrainState,
    config: TrainConfig,
    view: View,
    output: CellOutput,
    windows: tuple[Tensor, Tensor, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Windows of the network's fills, some of them as the transfer leaves them; ``windows``: fills, holes, corners."""
    filled, hole, corners = windows
    numbers = uniform_rows(len(hole), 1, generator, hole.device)[:, 0]
    chosen = (numbers < config.transferred_share).nonzero().flatten()
    if not len(chosen):
        return filled
    done = transfer_fills(
        view.prefilled[chosen] + from_cells(output.residual.detach()[chosen]),
        view.target[chosen],
        view.hole[chosen],
        output.query[chosen],
        output.key[chosen],
        temperature=state.network.temperature.item(),
        threads=torch.get_num_threads(),
    )
    followed = done.cut(corners[chosen], filled.shape[-1]).follow(filled[chosen], hole[chosen])
    return filled.index_copy(0, chosen, followed)


def _gain_db(fill: Tensor, view: View) -> Tensor:
    """How much closer than its prefill the fill is to the truth, in dB over all hole pixels of the batch."""
    before = ((view.prefilled - view.target) * view.hole).square().sum()
    after = ((fill - view.target) * view.hole).square().sum()
    return 10 * (before.clamp_min(1e-9) / after.clamp_min(1e-9)).log10()

"""One step of the training: both views of a batch, their losses, and what is learned from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rethined.losses.fill import masked_huber
from rethined.losses.frequency import focal_frequency
from rethined.losses.matching import descriptor_distance, oracle_matching
from rethined.losses.transferred import transfer_fills
from rethined.losses.variants import Windows, draw_side, variant_sides, vary
from rethined.losses.windows import FillLoss, hole_windows
from rethined.nn.cells import CELL_PX, from_cells, to_cells
from rethined.nn.network import CellOutput
from rethined.nn.processes import average_, uniform_rows
from rethined.nn.quantised import ActivationQuantiser
from rethined.nn.squares import cut_squares
from rethined.train.batches import Stacked
from rethined.train.config import TrainConfig
from rethined.train.meter import Meter
from rethined.train.state import TrainState
from rethined.train.views import View, coarse_view, fine_view

TAUGHT_MATCHING = 1.0
"""Weight of the distance of descriptors from the teacher's: it is a hundredth where the fill's from its fill is one."""


@dataclass(frozen=True)
class WindowTerm:
    """A dear loss, taken in windows round hole pixels."""

    name: str
    weight: float
    loss: FillLoss


def take_step(
    state: TrainState, config: TrainConfig, batch: Stacked, rate: float, feature_loss: FillLoss | None, meter: Meter
) -> None:
    """One step: the coarse view, then the fine view prefilled with what the network made of the coarse one.

    Args:
        state: Changed in place.
        config: Settings of the run.
        batch: The samples, this process's share of them.
        rate: Learning rate.
        feature_loss: Called on fills when ``config.feature_weight`` is above 0.
        meter: Gets the figures of the step, and is told when its parts end.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    generator = torch.Generator(state.device).manual_seed(config.seed * 1_000_003 + state.step)
    learner = _Learner(state, config, _window_terms(state, config, feature_loss), generator, meter)
    state.optimizer.zero_grad(set_to_none=True)
    coarse = coarse_view(batch, state.device)
    meter.profile.end_part("views")
    fill = learner.learn(coarse, "coarse")
    composed = torch.where(coarse.hole > 0.5, fill.clamp(0, 1), coarse.prefilled)
    fine = fine_view(batch, composed)
    meter.profile.end_part("views")
    learner.learn(fine, "fine")

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


@dataclass(frozen=True)
class _Learner:
    """What learns from the views of one step.

    Attributes:
        state: Gets the gradients.
        config: Settings of the run.
        terms: The dear losses of the step.
        generator: Source of the step's randomness.
        meter: Gets figures, and is told when parts end.
    """

    state: TrainState
    config: TrainConfig
    terms: Sequence[WindowTerm]
    generator: torch.Generator
    meter: Meter

    def learn(self, view: View, name: str) -> Tensor:
        """Adds the gradients of one view, ``coarse`` or ``fine``, and returns its fill, detached."""
        state, config, meter = self.state, self.config, self.meter
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
            matching = oracle_matching(output, view.target, view.hole, state.network.temperature, self.generator)
            loss = loss + config.matching_weight * matching
        else:
            matching = descriptor_distance(output, taught)
            loss = loss + TAUGHT_MATCHING * matching
        meter.profile.end_part("loss: matching")
        windows = self._windows(view, truth, output, name) if self.terms else None
        if windows:
            for term in self.terms:
                value = term.loss(*windows)
                loss = loss + term.weight * value
                meter.add(f"{name}_{term.name}", value)
                meter.profile.end_part(f"loss: {term.name}")
        (loss / 2).backward()
        meter.profile.end_part("backward")
        if state.adversary and windows:
            meter.add(f"{name}_discriminator", state.adversary.learn(*(window.detach() for window in windows)))
            meter.profile.end_part("discriminator")
        meter.add(f"{name}_fill", fill_loss)
        meter.add(f"{name}_matching", matching)
        fill = view.prefilled + from_cells(output.residual.detach())
        if meter.is_watching:
            meter.add(f"{name}_gain_db", _gain_db(fill, view))
        meter.profile.end_part("figures")
        return fill

    def _windows(self, view: View, truth: Tensor, output: CellOutput, name: str) -> Windows:
        """What the dear losses see: squares of the fill, of the truth and of the hole, round hole pixels."""
        config = self.config
        side_px = min(config.feature_px, *view.hole.shape[2:])
        corners = hole_windows(view.hole, side_px, self.generator)
        prefilled, target, hole = (cut_squares(x, corners, side_px) for x in (view.prefilled, truth, view.hole))
        filled = prefilled + from_cells(cut_squares(output.residual, corners // CELL_PX, side_px // CELL_PX))
        if config.transferred_share:
            filled = self._transferred(view, output, filled, corners)
            self.meter.profile.end_part("transfer")
        if not config.varied_windows:
            return filled, target, hole
        # On the host: all processes draw the same, and nothing waits for a GPU.
        share = random.Random(f"{config.seed} {self.state.step} {name}").random()
        return vary((filled, target, hole), draw_side(variant_sides(side_px), share), self.generator)

    def _transferred(self, view: View, output: CellOutput, filled: Tensor, corners: Tensor) -> Tensor:
        """Windows ``filled`` of the network's fills, some of them as the transfer leaves them."""
        numbers = uniform_rows(len(filled), 1, self.generator, filled.device)[:, 0]
        chosen = (numbers < self.config.transferred_share).nonzero().flatten()
        if not len(chosen):
            return filled
        done = transfer_fills(
            view.prefilled[chosen] + from_cells(output.residual.detach()[chosen]),
            view.target[chosen],
            view.hole[chosen],
            output.query[chosen],
            output.key[chosen],
            temperature=self.state.network.temperature.item(),
            threads=torch.get_num_threads(),
        )
        side_px = filled.shape[-1]
        hole = cut_squares(view.hole[chosen], corners[chosen], side_px)
        followed = done.cut(corners[chosen], side_px).follow(filled[chosen], hole)
        return filled.index_copy(0, chosen, followed)


def _gain_db(fill: Tensor, view: View) -> Tensor:
    """How much closer than its prefill the fill is to the truth, in dB over all hole pixels of the batch."""
    before = ((view.prefilled - view.target) * view.hole).square().sum()
    after = ((fill - view.target) * view.hole).square().sum()
    return 10 * (before.clamp_min(1e-9) / after.clamp_min(1e-9)).log10()

"""``rethined ablate``: trains variants one after the other and writes the table; stopped and resumed at will."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from rethined.ablate.measure import Result, Ruler, to_markdown
from rethined.ablate.variants import Length, Plan, Variant, facts_of, read_plan
from rethined.data.photos import open_photos
from rethined.data.samples import Sampler
from rethined.errors import ConfigError
from rethined.files import sha256_of, write_text
from rethined.options import expect_threads
from rethined.train.device import choose_device
from rethined.train.log import LOG_FILE
from rethined.train.loop import train
from rethined.train.memory import keep_freed_memory
from rethined.train.run import CONFIG_FILE, STATE_FILE, make_feature_loss, make_sampler, stop_on_signal
from rethined.train.schedule import TimedRate
from rethined.train.state import TrainState, load_state, new_state

FACTS_FILE = "variant.json"
RESULT_FILE = "result.json"
TABLE_FILE = "ablation.md"


def ablate(
    folder: Path,
    plan_file: Path,
    out: Path,
    *,
    val_folder: Path,
    cache: Path | None = None,
    start_from: Path | None = None,
    threads: int | None = None,
    device: str = "cpu",
) -> str:
    """Trains each variant for the same minutes or steps from the same start and measures it.

    Minutes are those spent in steps: saving, measuring and breaks do not count. The rate of each variant falls over the
    second half of them. Variants that are done are not trained again; one that was stopped goes on.

    Args:
        folder: Photographs to train on, or tar shards.
        plan_file: The variants, see :func:`rethined.ablate.variants.read_plan`.
        out: Folder of the ablation; gets a folder for each variant, a run like any other, and the table.
        val_folder: Photographs to measure on, likewise; never trained on.
        cache: Where decoded photographs are kept.
        start_from: A ``.safetensors`` file of trained weights that all variants begin with; random ones, by the seed,
            when ``None``.
        threads: Threads of the computation.
        device: As for :func:`rethined.train.run.train_folder`.

    Returns:
        The table of all variants that are done, as Markdown.

    Raises:
        ConfigError: Variants that cannot be used, or of which ``out`` holds others of the same name.
        CheckpointError: ``start_from`` or a state in ``out`` cannot be read.
        DatasetError: There are no photographs that can be used.
    """
    plan = read_plan(plan_file)
    expect_threads(threads)
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    chosen = choose_device(device)
    cache = cache or out / "cache"
    photos = open_photos(folder, cache, show_progress=True)
    watched = open_photos(val_folder, cache, show_progress=True)
    given = {
        "start_sha256": start_from and sha256_of(start_from),
        "photographs": len(photos),
        "val_photographs": len(watched),
    }
    for variant in plan.variants:
        _expect_same(out / variant.folder / FACTS_FILE, {**facts_of(variant, plan.length), **given})
    ruler = Ruler(watched)
    results: list[Result] = []
    with stop_on_signal() as stop:
        for variant in plan.variants:
            run = out / variant.folder
            result = _read_result(run)
            if result is None:
                run.mkdir(parents=True, exist_ok=True)
                write_text(run / FACTS_FILE, _json({**facts_of(variant, plan.length), **given}))
                write_text(run / CONFIG_FILE, _json(variant.config.to_dict()))
                sampler = make_sampler(photos, variant.config)
                state = _train(variant, plan.length, sampler, run, start_from, chosen, stop)
                if plan.length.share_done(state.minutes, state.step) < 1:
                    break  # told to stop
                result = ruler.measure(variant.name, state, run / LOG_FILE)
                write_text(run / RESULT_FILE, _json(dataclasses.asdict(result)))
            results.append(result)
            write_text(out / TABLE_FILE, _text(plan, results))
    return _text(plan, results)


def _train(
    variant: Variant,
    length: Length,
    sampler: Sampler,
    run: Path,
    start_from: Path | None,
    device: torch.device,
    stop: threading.Event,
) -> TrainState:
    config = variant.config
    if (run / STATE_FILE).exists():
        state = load_state(run / STATE_FILE, config, device)
    else:
        state = new_state(config, start_from, device)

    def share_done() -> float:
        return length.share_done(state.minutes, state.step)

    if share_done() >= 1:
        return state
    rate = None  # as the settings say, which know the steps
    if length.minutes is not None:
        rate = TimedRate(
            config.learning_rate, length.minutes, config.warmup_steps, clock=lambda: 60 * state.minutes, began_s=0.0
        )
    with tqdm(
        total=1.0, initial=min(share_done(), 1.0), desc=variant.name, bar_format="{desc}: {percentage:3.0f}% {bar}"
    ) as bar:

        def is_over() -> bool:
            bar.update(min(share_done(), bar.total) - bar.n)
            return share_done() >= 1 or stop.is_set()

        train(
            state,
            config,
            sampler,
            run,
            feature_loss=make_feature_loss(config, device),
            should_stop=is_over,
            rate_at=rate,
        )
    return state


def _expect_same(file: Path, facts: Mapping[str, object]) -> None:
    """Refuses to go on with a variant that has been begun under other circumstances."""
    if not file.exists():
        return
    before: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    now: dict[str, Any] = json.loads(_json(facts))
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if changed:
        was, given = (", ".join(f"{name} = {side.get(name)}" for name in changed) for side in (before, now))
        raise ConfigError(
            f"{file.parent} was begun with {was}; now it is {given}: give the variant another name, or another --out"
        )


def _read_result(run: Path) -> Result | None:
    file = run / RESULT_FILE
    return Result(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _text(plan: Plan, results: list[Result]) -> str:
    count = len(results)
    waiting = len(plan.variants) - count
    return (
        f"Each variant trained for {plan.length}. Minutes: spent in steps. Losses: last fifth of the steps, training"
        " samples. dB: gain of the fill over its prefill on validation photographs, higher is better; features:"
        " distance of the same fills in windows round their holes, lower is better.\n\n"
        + (to_markdown(results) if results else "")
        + (f"\n{waiting} of {len(plan.variants)} variants are still to be trained.\n" if waiting else "")
    )


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=1) + "\n"

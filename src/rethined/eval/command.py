"""``rethined eval`` from its arguments to its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from tqdm import tqdm

from rethined.errors import DatasetError, OptionError
from rethined.eval.cases import list_cases
from rethined.eval.fid import Group, fid_of_methods
from rethined.eval.methods import label_of, make_method
from rethined.eval.page import pick_looks, to_html
from rethined.eval.perceptual import HoleJudge, HoleScores
from rethined.eval.published import load_published
from rethined.eval.run import SETTINGS_FILE, Judge, evaluate, is_undefined
from rethined.eval.table import notes, summarise, to_csv, to_json, to_markdown
from rethined.files import sha256_of, write_text
from rethined.options import expect_threads
from rethined.weights import SHIPPED_NETWORK


def run_eval(
    folder: Path,
    out: Path,
    *,
    sizes_px: Sequence[int],
    presets: Sequence[str],
    methods: Sequence[str],
    reference: str = "telea",
    limit: int | None = None,
    seed: int = 0,
    network: str | None = None,
    threads: int | None = None,
    peers_python: Path | None = None,
    with_perc: bool = True,
    metric_weights: Path | None = None,
) -> str:
    """Evaluates methods on the photographs of a folder and writes the outcome.

    Args:
        folder: Photographs, at any depth.
        out: Folder of the evaluation: caches, ``scores.csv``, ``report.json``, ``report.md``, ``report.html``.
        sizes_px: Long sides.
        presets: Hole presets.
        methods: Names of methods, or paths of learned peers' files.
        reference: The method that differences are taken from, if it is among ``methods``.
        limit: At most this many photographs.
        seed: Start of the randomness of the holes.
        network: A rethined ONNX file; the shipped one when ``None``.
        threads: Threads of every method; all cores when ``None``.
        peers_python: Interpreter for the peers whose packages clash with this environment's.
        with_perc: Whether to compute ``perc`` and ``texture``.
        metric_weights: Folder of the weights of LPIPS and FID; torch.hub's own when ``None``.

    Returns:
        The table with its notes, as Markdown.

    Raises:
        DatasetError, OptionError, ConfigError, MissingExtraError: As the parts say.
    """
    labels = [label_of(name) for name in methods]
    if len(set(labels)) != len(labels) or not methods:
        raise OptionError(f"the methods are {', '.join(methods) or 'none'}; expected at least one, each once")
    expect_threads(threads)
    if threads is not None:
        cv2.setNumThreads(threads)
        torch.set_num_threads(threads)
    cases = list_cases(folder, sizes_px=sizes_px, presets=presets, limit=limit, seed=seed, without=out)
    ready = {
        label: make_method(name, network=network, threads=threads, peers_python=peers_python)
        for label, name in zip(labels, methods, strict=True)
    }
    facts = {"network_sha256": sha256_of(SHIPPED_NETWORK if network is None else Path(network))}
    published = load_published(metric_weights)
    judges: dict[tuple[str, ...], Judge] = {}
    if with_perc:
        judges[HoleScores._fields] = HoleJudge()
    if lpips := published.lpips:
        judges["lpips",] = lambda *pictures: (lpips(*pictures),)
    with tqdm(total=len(cases.photos), unit="photo", leave=False) as bar:
        scores, broken = evaluate(cases, ready, out, judges=judges, facts=facts, on_photo=lambda _: bar.update())
    if broken and not scores:
        photo, reason = next(iter(broken.items()))
        raise DatasetError(f"none of {len(broken)} photographs can be read, {photo} for one: {reason}")
    fid: dict[Group, float] = {}
    if published.features is not None:
        with tqdm(total=len(cases.photos) - len(broken), desc="FID", unit="photo", leave=False) as bar:
            fid = fid_of_methods(cases, scores, out, published.features, on_photo=lambda _: bar.update())
    summaries = summarise(scores, reference=label_of(reference), fid=fid)
    said = [*notes(summaries), *(f"{name.upper()} n/a: {why}" for name, why in published.unavailable.items())]
    if any(is_undefined(value) for value in fid.values()):
        said.append("FID n/a: it needs two pictures of a size that a method filled")
    table = "\n".join([to_markdown(summaries), *(f"- {note}" for note in said), ""]) if said else to_markdown(summaries)
    settings: dict[str, Any] = json.loads((out / SETTINGS_FILE).read_text())
    write_text(out / "scores.csv", to_csv(scores))
    report = to_json(
        scores,
        summaries,
        settings=settings,
        broken=broken,
        unavailable=published.unavailable,
        metric_weights=published.weights,
    )
    write_text(out / "report.json", report)
    write_text(out / "report.md", table)
    looks = pick_looks(cases, scores, out)
    write_text(out / "report.html", to_html(f"rethined eval: {folder.name}", summaries, looks, notes=said))
    left_out = [f"left out, cannot be read: {photo} ({reason})" for photo, reason in broken.items()]
    if broken:
        left_out.append(f"{len(broken)} of {len(cases.photos)} photographs left out")
    return "\n".join([table, *left_out])

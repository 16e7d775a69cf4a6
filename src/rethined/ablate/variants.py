"""What is to be compared: a TOML file of variants, checked before any of them is trained."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rethined.errors import ConfigError
from rethined.train.config import TrainConfig
from rethined.train.schedule import COOLDOWN_SHARE
from rethined.train.settings import check_settings, merge

ENDLESS_STEPS = 1_000_000_000
KEYS = ("minutes", "steps", "settings", "variants")
VARIANT_KEYS = ("name", "settings")
BY_LENGTH = ("steps", "cooldown_steps")
"""Settings that the length of the ablation decides."""


@dataclass(frozen=True)
class Length:
    """How long each variant of an ablation is trained; one of the two is ``None``.

    Attributes:
        minutes: Time spent in steps: what a variant costs counts, and so does what else the machine has to do.
        steps: Steps, whatever they cost.
    """

    minutes: float | None = None
    steps: int | None = None

    def share_done(self, minutes: float, steps: int) -> float:
        """How much of it a run has behind it that has taken so long; 1 and more when it is over."""
        if self.minutes is not None:
            return minutes / self.minutes
        return steps / (self.steps or 1)

    def __str__(self) -> str:
        return f"{self.steps:,} steps" if self.minutes is None else f"{self.minutes:g} minutes"


@dataclass(frozen=True)
class Variant:
    """One run of an ablation.

    Attributes:
        name: What it is called in the table.
        config: All its settings.
    """

    name: str
    config: TrainConfig

    @property
    def folder(self) -> str:
        """The name as that of a folder."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-.")


@dataclass(frozen=True)
class Plan:
    """An ablation.

    Attributes:
        length: Of each variant.
        variants: In the order of the file.
    """

    length: Length
    variants: tuple[Variant, ...]


def read_plan(file: Path) -> Plan:
    """Reads an ablation: ``minutes`` or ``steps``, a table ``[settings]`` for all variants, and ``[[variants]]``.

    Each variant has a ``name`` and may have ``settings`` of its own, as in a file for ``rethined train``.

    Args:
        file: The TOML file.

    Raises:
        ConfigError: The file cannot be read, or holds what is no ablation; the message says what and where.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read as TOML ({error}); give a file like configs/ablations/losses.toml"
        ) from error
    try:
        return _plan(content)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def _plan(content: Mapping[str, Any]) -> Plan:
    _expect_keys(content, KEYS, "the file")
    length = _length(content)
    entries = content.get("variants")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("there are no variants; expected tables, [[variants]], each with a name")
    steps = length.steps or ENDLESS_STEPS
    cooldown_steps = round(COOLDOWN_SHARE * length.steps) if length.steps else 0
    first = TrainConfig(cooldown_steps=cooldown_steps, steps=steps)
    base = _settled(first, content.get("settings", {}), "[settings]")
    variants = tuple(_variant(entry, base) for entry in entries)
    folders = Counter(variant.folder for variant in variants)
    if repeated := [variant.name for variant in variants if folders[variant.folder] > 1]:
        raise ConfigError(f"variants have the same name but for signs: {', '.join(repeated)}; give each its own")
    return Plan(length, variants)


def _length(content: Mapping[str, Any]) -> Length:
    if ("minutes" in content) == ("steps" in content):
        given = "both minutes and steps" if "minutes" in content else "neither minutes nor steps"
        raise ConfigError(f"there are {given}; expected one of them: how long each variant is trained")
    if "steps" in content:
        steps = content["steps"]
        if type(steps) is not int or not 0 < steps < ENDLESS_STEPS:
            raise ConfigError(f"steps is {steps!r}; expected a whole number above 0")
        return Length(steps=steps)
    minutes = content["minutes"]
    if type(minutes) not in (int, float) or not 0 < minutes < float("inf"):
        raise ConfigError(f"minutes is {minutes!r}; expected a number above 0")
    return Length(minutes=float(minutes))


def _variant(entry: Mapping[str, Any], base: TrainConfig) -> Variant:
    name = entry.get("name")
    if not isinstance(name, str) or not Variant(name, base).folder:
        raise ConfigError(f"the name of a variant is {name!r}; expected letters or digits")
    _expect_keys(entry, VARIANT_KEYS, name)
    return Variant(name, _settled(base, entry.get("settings", {}), name))


def _settled(base: TrainConfig, settings: object, where: str) -> TrainConfig:
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: settings are {settings!r}; expected a table")
    try:
        if decided := sorted(set(settings) & set(BY_LENGTH)):
            raise ConfigError(
                f"{', '.join(decided)} cannot be set here; minutes or steps, the same for all variants, end each run,"
                " and the rate falls over their second half"
            )
        return merge(base, check_settings(settings))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _expect_keys(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(content) - set(known)):
        raise ConfigError(f"{where} has {', '.join(unknown)}; expected {', '.join(known)}")


def facts_of(variant: Variant, length: Length) -> dict[str, object]:
    """What makes a variant what it is, as plain values for a file."""
    return {"minutes": length.minutes, **dataclasses.asdict(variant.config)}

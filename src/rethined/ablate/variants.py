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
from rethined.train.settings import check_settings, merge

ENDLESS_STEPS = 1_000_000_000
KEYS = ("minutes", "settings", "variants")
VARIANT_KEYS = ("name", "settings")
BY_TIME = ("steps", "cooldown_steps")
"""Settings that mean nothing where time ends a run."""


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
        minutes: Time that each variant is trained for.
        variants: In the order of the file.
    """

    minutes: float
    variants: tuple[Variant, ...]


def read_plan(file: Path) -> Plan:
    """Reads an ablation: ``minutes``, a table ``[settings]`` for all variants, and ``[[variants]]``.

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
    minutes = content.get("minutes")
    if type(minutes) not in (int, float) or not 0 < minutes < float("inf"):  # type: ignore[operator]
        raise ConfigError(f"minutes is {minutes!r}; expected a number above 0")
    entries = content.get("variants")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("there are no variants; expected tables, [[variants]], each with a name")
    base = _settled(TrainConfig(cooldown_steps=0, steps=ENDLESS_STEPS), content.get("settings", {}), "[settings]")
    variants = tuple(_variant(entry, base) for entry in entries)
    folders = Counter(variant.folder for variant in variants)
    if repeated := [variant.name for variant in variants if folders[variant.folder] > 1]:
        raise ConfigError(f"variants have the same name but for signs: {', '.join(repeated)}; give each its own")
    return Plan(float(minutes), variants)  # type: ignore[arg-type]


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
        if by_time := sorted(set(settings) & set(BY_TIME)):
            raise ConfigError(f"{', '.join(by_time)} cannot be set: time ends each run, and the rate falls with it")
        return merge(base, check_settings(settings))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _expect_keys(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(content) - set(known)):
        raise ConfigError(f"{where} has {', '.join(unknown)}; expected {', '.join(known)}")


def facts_of(variant: Variant, minutes: float) -> dict[str, object]:
    """What makes a variant what it is, as plain values for a file."""
    return {"minutes": minutes, **dataclasses.asdict(variant.config)}

"""Settings from a TOML file, checked key by key before any work is done."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rethined.errors import ConfigError
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig

NETWORK = "network"
"""The table of the network's shape, and the setting that holds it."""


def read_settings(file: Path) -> dict[str, Any]:
    """What a TOML file says of a run: any of the settings of :class:`TrainConfig`, a ``[network]`` table among them.

    Args:
        file: The TOML file; it need not hold every setting.

    Returns:
        The settings by name, of the types that :class:`TrainConfig` wants; ``network`` as a dictionary of those of
        :class:`NetworkConfig` that the file holds.

    Raises:
        ConfigError: The file cannot be read, is no TOML, or holds an unknown key or a value of another type.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as TOML ({error}); give a file like configs/default.toml") from error
    try:
        return check_settings(values)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def check_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a table of TOML says of a run, as :func:`read_settings` gives it.

    Raises:
        ConfigError: An unknown key or a value of another type.
    """
    network = values.get(NETWORK)
    settings = _checked({name: value for name, value in values.items() if name != NETWORK}, TrainConfig)
    if network is not None:
        if not isinstance(network, dict):
            raise ConfigError(f"{NETWORK} is {network!r}; expected a table, [{NETWORK}]")
        settings[NETWORK] = _checked(network, NetworkConfig, f"{NETWORK}.")
    return settings


def merge(base: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """``base`` with other settings; those of the network, where they are a dictionary, change its network's.

    Raises:
        ConfigError: A setting outside its range.
    """
    network = settings.get(NETWORK, base.network)
    if isinstance(network, dict):
        network = dataclasses.replace(base.network, **network)
    return dataclasses.replace(base, **{**settings, NETWORK: network})


def _checked(values: Mapping[str, Any], kind: type[TrainConfig | NetworkConfig], prefix: str = "") -> dict[str, Any]:
    types = get_type_hints(kind)
    for key in values:
        if key not in types:
            raise ConfigError(f"unknown setting {prefix}{key}; {_suggestion(key, list(types))}")
    return {key: _as_type(value, types[key], f"{prefix}{key}") for key, value in values.items()}


def _suggestion(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"


def _as_type(value: object, wanted: Any, name: str) -> object:  # noqa: ANN401 - types are no one type
    """The value, which TOML may write in more than one way, as the setting wants it."""
    if get_origin(wanted) is Literal:
        is_right, expected = value in get_args(wanted), f"one of {', '.join(get_args(wanted))}"
    elif get_origin(wanted) is tuple:
        count = None if Ellipsis in get_args(wanted) else len(get_args(wanted))
        is_list = isinstance(value, list) and all(type(item) is int for item in value)
        is_right = is_list and count in (None, len(value))  # type: ignore[arg-type]
        expected = "a list of whole numbers" if count is None else f"a list of {count} whole numbers"
    elif wanted is float:
        # A TOML nan would pass every comparison that follows.
        is_right, expected = type(value) in (int, float) and math.isfinite(value), "a number"  # type: ignore[arg-type]
    else:
        # Exactly: to Python, true is a whole number.
        is_right, expected = type(value) is wanted, {int: "a whole number", bool: "true or false"}[wanted]
    if not is_right:
        raise ConfigError(f"{name} is {value!r}; expected {expected}")
    if isinstance(value, list):
        return tuple(value)
    return float(value) if wanted is float else value  # type: ignore[arg-type]

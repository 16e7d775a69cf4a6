from __future__ import annotations

import dataclasses
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from rethined.errors import ConfigError
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig
from rethined.train.settings import merge, read_settings

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.toml"))


def written(folder: Path, text: str) -> Path:
    file = folder / "run.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_of_the_repository_are_settings(file: Path) -> None:
    assert isinstance(merge(TrainConfig(), read_settings(file)), TrainConfig)


def test_the_repository_has_its_files() -> None:
    assert [file.name for file in FILES] == ["cpu.toml", "default.toml", "gpu.toml", "int8.toml", "paper.toml"]


def test_default_file_holds_every_default_with_a_comment() -> None:
    text = (CONFIGS / "default.toml").read_text()
    assert tomllib.loads(text).keys() == {field.name for field in dataclasses.fields(TrainConfig)}
    assert read_settings(CONFIGS / "default.toml")["network"] == dataclasses.asdict(NetworkConfig())
    # From a base that differs in everything that could hide a wrong or missing line.
    other = TrainConfig(seed=9, steps=7, cooldown_steps=3, network=NetworkConfig(descriptor_size=8), learning_rate=1.0)
    assert merge(other, read_settings(CONFIGS / "default.toml")) == TrainConfig()
    lines = text.splitlines()
    bare = [line for before, line in pairwise(lines) if "=" in line and not before.startswith("#")]
    assert bare == []


def test_cpu_file_is_the_last_run_of_the_shipped_weights() -> None:
    assert merge(TrainConfig(), read_settings(CONFIGS / "cpu.toml")) == TrainConfig(
        seed=302,
        crop_px=384,
        samples_per_step=12,
        steps=2_200,
        warmup_steps=40,
        cooldown_steps=1_500,
        procedural_share=0.05,
        copied_share=0.3,
        learning_rate=1.5e-3,
        ema_decay=0.998,
        feature_weight=0.6,
        feature_px=288,
        feature_strides=(2, 4, 8, 16, 32),
        varied_windows=True,
        transferred_share=0.67,
    )


def test_what_a_file_leaves_out_stays(tmp_path: Path) -> None:
    base = TrainConfig(seed=3, network=NetworkConfig(descriptor_size=16))
    file = written(tmp_path, "learning_rate = 1\nuse_bfloat16 = false\n[network]\nwidths = [8, 16, 16, 16]\n")
    settings = read_settings(file)
    assert type(settings["learning_rate"]) is float
    assert merge(base, settings) == TrainConfig(
        seed=3,
        learning_rate=1.0,
        use_bfloat16=False,
        network=NetworkConfig(widths=(8, 16, 16, 16), descriptor_size=16),
    )
    assert merge(base, read_settings(written(tmp_path, ""))) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat = 1e-3", "run.toml: unknown setting learning_rat; did you mean learning_rate?"),
        ("xyzzy = 1", "run.toml: unknown setting xyzzy; known are adversarial_features, "),
        ("[network]\nwidth = [1, 2, 3, 4]", "run.toml: unknown setting network.width; did you mean widths?"),
        ("[optimiser]\nname = 'adamw'", "run.toml: unknown setting optimiser; did you mean optimizer?"),
        ("steps = 1.5", "run.toml: steps is 1.5; expected a whole number"),
        ("steps = true", "run.toml: steps is True; expected a whole number"),
        ("seed = '1'", "run.toml: seed is '1'; expected a whole number"),
        ("learning_rate = '1e-3'", "run.toml: learning_rate is '1e-3'; expected a number"),
        ("learning_rate = nan", "run.toml: learning_rate is nan; expected a number"),
        ("learning_rate = true", "run.toml: learning_rate is True; expected a number"),
        ("use_bfloat16 = 1", "run.toml: use_bfloat16 is 1; expected true or false"),
        ("optimizer = 'sgd'", "run.toml: optimizer is 'sgd'; expected one of muon, adamw"),
        ("optimizer = ['muon']", "run.toml: optimizer is ['muon']; expected one of muon, adamw"),
        ("feature_strides = 8", "run.toml: feature_strides is 8; expected a list of whole numbers"),
        ("feature_strides = [2.0]", "run.toml: feature_strides is [2.0]; expected a list of whole numbers"),
        ("network = 3", "run.toml: network is 3; expected a table, [network]"),
        ("[network]\nform = 'offline'", "run.toml: network.form is 'offline'; expected one of online, batchnorm"),
        ("[network]\nwidths = 48", "run.toml: network.widths is 48; expected a list of 4 whole numbers"),
        (
            "[network]\nencoder_blocks = [1, 2]",
            "run.toml: network.encoder_blocks is [1, 2]; expected a list of 3 whole numbers",
        ),
        (
            "[network]\nencoder_blocks = [1, 2, 3.0]",
            "run.toml: network.encoder_blocks is [1, 2, 3.0]; expected a list of 3 whole numbers",
        ),
        ("steps =", "run.toml cannot be read as TOML (Invalid value"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_settings(written(tmp_path, text))


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_unreadable_files_are_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "run.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml cannot be read as TOML \(.*; give a file like configs/default"):
        read_settings(tmp_path / "run.toml")


def test_lists_of_any_length_are_read(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, "feature_strides = [4, 32]"))
    assert merge(TrainConfig(), settings).feature_strides == (4, 32)


def test_values_out_of_range_are_refused_when_all_is_known(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, "cooldown_steps = 9"))
    with pytest.raises(ConfigError, match=r"cooldown_steps is 9; expected 0 to steps \(8\)"):
        merge(TrainConfig(steps=8, cooldown_steps=0), settings)
    assert merge(TrainConfig(steps=8, cooldown_steps=0), {**settings, "steps": 10}).cooldown_steps == 9

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rethined.ablate.variants import Length, facts_of, read_plan
from rethined.errors import ConfigError
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig

ABLATIONS = sorted((Path(__file__).parents[2] / "configs" / "ablations").glob("*.toml"))


@pytest.mark.parametrize("file", ABLATIONS, ids=lambda file: file.stem)
def test_the_files_of_the_repository_are_ablations(file: Path) -> None:
    plan = read_plan(file)
    assert len({variant.config for variant in plan.variants}) == len(plan.variants) > 1


def test_there_are_such_files() -> None:
    assert [file.name for file in ABLATIONS] == ["look.toml", "losses.toml", "network.toml"]


def test_variants_are_the_common_settings_and_their_own(plan_file: Path) -> None:
    text = plan_file.read_text()
    plan_file.write_text(text + "[[variants]]\nname = 'wider'\n[variants.settings.network]\nmiddle_blocks = 3\n")
    plan = read_plan(plan_file)
    assert plan.length == Length(minutes=2.0)
    network = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)
    plain, frequency, wider = plan.variants
    assert (plain.name, frequency.name, frequency.folder) == (
        "plain",
        "Focal frequency (1.5)",
        "focal-frequency-1.5",
    )
    base = TrainConfig(
        network=network,
        crop_px=32,
        samples_per_step=1,
        warmup_steps=1,
        use_bfloat16=False,
        steps=plain.config.steps,
        cooldown_steps=0,
    )
    assert plain.config == base
    assert facts_of(frequency, plan.length) == {**facts_of(plain, plan.length), "frequency_weight": 1.5}
    assert facts_of(plain, Length(minutes=3.0)) != facts_of(plain, plan.length)
    assert wider.config.network.middle_blocks == 3
    assert wider.config.network.widths == network.widths


def test_steps_in_place_of_minutes_end_each_variant(plan_file: Path) -> None:
    plan_file.write_text(plan_file.read_text().replace("minutes = 2", "steps = 601"))
    plan = read_plan(plan_file)
    assert plan.length == Length(steps=601)
    assert {(variant.config.steps, variant.config.cooldown_steps) for variant in plan.variants} == {(601, 300)}


@pytest.mark.parametrize(
    ("length", "minutes", "steps", "share", "name"),
    [
        (Length(minutes=5), 2.5, 7, 0.5, "5 minutes"),
        (Length(minutes=0.5), 1.0, 7, 2.0, "0.5 minutes"),
        (Length(steps=1200), 2.5, 300, 0.25, "1,200 steps"),
    ],
)
def test_how_much_of_its_length_a_run_has_behind_it(
    length: Length, minutes: float, steps: int, share: float, name: str
) -> None:
    assert length.share_done(minutes, steps) == share
    assert str(length) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minutes =", "plan.toml cannot be read as TOML ("),
        ("[[variants]]\nname = 'a'", "plan.toml: there are neither minutes nor steps; expected one of them"),
        (
            "minutes = 1\nsteps = 9\n[[variants]]\nname = 'a'",
            "plan.toml: there are both minutes and steps; expected one",
        ),
        ("steps = 0\n[[variants]]\nname = 'a'", "plan.toml: steps is 0; expected a whole number above 0"),
        ("steps = 1.5\n[[variants]]\nname = 'a'", "plan.toml: steps is 1.5; expected a whole number above 0"),
        ("steps = true\n[[variants]]\nname = 'a'", "plan.toml: steps is True; expected a whole number above 0"),
        ("minutes = 0\n[[variants]]\nname = 'a'", "plan.toml: minutes is 0; expected a number above 0"),
        ("minutes = nan\n[[variants]]\nname = 'a'", "plan.toml: minutes is nan; expected a number above 0"),
        ("minutes = true\n[[variants]]\nname = 'a'", "plan.toml: minutes is True; expected a number above 0"),
        ("minutes = 1", "plan.toml: there are no variants; expected tables, [[variants]], each with a name"),
        ("minutes = 1\nvariants = ['a']", "plan.toml: there are no variants"),
        (
            "minutes = 1\nhours = 2\n[[variants]]\nname = 'a'",
            "plan.toml: the file has hours; expected minutes, steps, settings",
        ),
        ("minutes = 1\n[[variants]]", "plan.toml: the name of a variant is None; expected letters or digits"),
        ("minutes = 1\n[[variants]]\nname = '..'", "plan.toml: the name of a variant is '..'; expected letters"),
        ("minutes = 1\n[[variants]]\nname = 'a'\nseed = 1", "plan.toml: a has seed; expected name, settings"),
        ("minutes = 1\n[[variants]]\nname = 'a'\nsettings = 3", "plan.toml: a: settings are 3; expected a table"),
        (
            "minutes = 1\n[[variants]]\nname = 'a'\nsettings.clip_nrm = 3",
            "plan.toml: a: unknown setting clip_nrm; did you mean clip_norm?",
        ),
        (
            "minutes = 1\nsettings.steps = 3\n[[variants]]\nname = 'a'",
            "plan.toml: [settings]: steps cannot be set here; minutes or steps, the same for all variants, end",
        ),
        (
            "minutes = 1\n[[variants]]\nname = 'a'\nsettings.crop_px = 33",
            "plan.toml: a: crop_px is 33; expected a positive multiple of 32",
        ),
        (
            "minutes = 1\n[[variants]]\nname = 'A b'\n[[variants]]\nname = 'a-b'",
            "plan.toml: variants have the same name but for signs: A b, a-b; give each its own",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_plan(tmp_path / "plan.toml")

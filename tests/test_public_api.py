from __future__ import annotations

import inspect
import re
from importlib import metadata

import pytest

import rethined
from rethined import errors

# Removing a name needs a line in DEPRECATIONS.md and one minor release of warning; adding one is a promise.
PUBLIC_NAMES = [
    "Explanation",
    "FileError",
    "FileWarning",
    "ImageError",
    "ImageReadError",
    "ImageWriteError",
    "InferenceError",
    "InpaintOptions",
    "InpaintResult",
    "Inpainter",
    "InputError",
    "InstallationError",
    "MaskError",
    "MaskWarning",
    "MemoryBudgetError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSignatureError",
    "OptionError",
    "RethinedError",
    "SourceMap",
    "__version__",
    "inpaint",
    "read_image",
    "write_image",
]

# What a caller who knows nothing of rethined may catch instead.
BUILT_IN_BASES = {
    "InputError": ValueError,
    "ImageError": ValueError,
    "MaskError": ValueError,
    "OptionError": ValueError,
    "MemoryBudgetError": ValueError,
    "FileError": OSError,
    "ImageReadError": OSError,
    "ImageWriteError": OSError,
    "ConfigError": ValueError,
    "ReportError": ValueError,
    "MissingExtraError": ImportError,
}

SIGNATURES = {
    "Explanation": "(image, plan, corner_yx, side_yx, is_copied, offset_yx, gate, rung, candidate_yx, weight)",
    "Explanation.picture": "(self)",
    "Inpainter": "(network, *, options, threads, runtime)",
    "Inpainter.__call__": "(self, image, mask, *, forbid, inplace, out)",
    "Inpainter.explain": "(self, image, mask, *, forbid)",
    "Inpainter.fill": "(self, image, mask, *, forbid, inplace, on_progress, sources)",
    "Inpainter.with_options": "(self, options)",
    "InpaintOptions": "(*, preset, working_px, candidates, grow_px, feather_px, max_memory_mb, strip, jpeg)",
    "InpaintResult": "(image, stages_ms, plan, hole_share, used_transfer, sources)",
    "inpaint": "(image, mask, *, forbid, out, options)",
    "read_image": "(path, *, as_stored)",
    "write_image": "(path, image)",
}

ERRORS = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]


def test_public_names_are_those_recorded() -> None:
    assert sorted(rethined.__all__) == sorted(PUBLIC_NAMES)
    assert len(set(rethined.__all__)) == len(rethined.__all__)
    assert [name for name in PUBLIC_NAMES if not hasattr(rethined, name)] == []


def test_every_public_class_and_function_says_what_it_is() -> None:
    documented = (getattr(rethined, name) for name in PUBLIC_NAMES if name != "__version__")
    assert [value.__name__ for value in documented if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("name", SIGNATURES)
def test_argument_names_and_order(name: str) -> None:
    value: object = rethined
    for part in name.split("."):
        value = getattr(value, part)
    signature = inspect.signature(value)  # type: ignore[arg-type]
    bare = [p.replace(annotation=p.empty, default=p.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]


@pytest.mark.parametrize("name", ERRORS)
def test_all_errors_derive_from_one(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, rethined.RethinedError)
    assert issubclass(error, BUILT_IN_BASES.get(name, Exception))
    assert str(error("the message stays")) == "the message stays"


def test_exported_errors_are_those_of_the_tree() -> None:
    exported = {name for name in rethined.__all__ if name.endswith("Error")}
    assert exported <= set(ERRORS)
    workshop = {name for name in ERRORS if issubclass(getattr(errors, name), errors.WorkshopError)}
    assert set(ERRORS) - exported == workshop, "an error of the runtime cannot be caught by its public name"


@pytest.mark.parametrize("warning", [rethined.MaskWarning, rethined.FileWarning])
def test_warnings_are_user_warnings(warning: type[Warning]) -> None:
    assert issubclass(warning, UserWarning)
    assert not issubclass(warning, rethined.RethinedError)


def test_the_version_is_that_of_the_installation() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(a|b|rc|dev)\d+)?", rethined.__version__)
    assert metadata.version("rethined") == rethined.__version__

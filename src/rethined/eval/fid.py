"""FID: the distance of two sets of pictures, each seen as a Gaussian of Inception features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rethined.eval.cases import Case, CaseList
from rethined.eval.run import Score, composited, feature_files, result_file
from rethined.files import whole_or_nothing
from rethined.imageio import read_image
from rethined.types import Float32, Image8

FEATURES = 2048
Extractor = Callable[[Image8], Float32]
Group = tuple[int, str, str]
"""Size, preset and method."""


def frechet_distance(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the Gaussians with the means and covariances of two sets of features.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, in float64; 0 = the same. The trace of the root is computed as the
    sum of the singular values of ``A1 A2^T``, where ``C = A^T A``: exact, and for the few pictures of an evaluation far
    quicker than eigenvalues of a 2048 x 2048 matrix, which rounding can make negative.

    Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017.

    Args:
        ours: ``(N, D)``, one row a picture.
        theirs: ``(M, D)``.

    Returns:
        The distance; not a number where a set has fewer than two rows.
    """
    if min(len(ours), len(theirs)) < 2:
        return float("nan")
    shift = ours.mean(0, np.float64) - theirs.mean(0, np.float64)
    first, second = _root(ours), _root(theirs)
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    # Rounding leaves some 1e-10 of either sign between equal sets.
    return max(0.0, float(shift @ shift + np.square(first).sum() + np.square(second).sum() - 2 * shared))


def _root(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """``A`` of at most D rows with ``A^T A`` = the covariance."""
    centred = features.astype(np.float64) - features.mean(0, np.float64)
    root = centred / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(root, "r") if len(root) > root.shape[1] else root)


def fid_of_methods(
    cases: CaseList,
    scores: Sequence[Score],
    out: Path,
    extract: Extractor,
    *,
    on_photo: Callable[[str], None] = lambda _: None,
) -> dict[Group, float]:
    """FID of what each method made of the photographs against these photographs, per size and preset.

    Composites are compared with originals. A photograph that a method failed on is left out on both sides.

    Args:
        cases: As evaluated.
        scores: Rows of the evaluation.
        out: Its folder, where the results lie; features are kept there, too.
        extract: Gives the features of a picture.
        on_photo: Called with the name of each photograph when its features are there.

    Returns:
        FID by size, preset and method; not a number below two pictures.
    """
    pairs: dict[Group, list[tuple[Float32, Float32]]] = {}
    for photo in dict.fromkeys(score.photo for score in scores):
        good = {(s.size_px, s.preset, s.method) for s in scores if s.photo == photo and not s.error}
        for group, pair in _features_of_photo(cases, photo, good, out, extract).items():
            pairs.setdefault(group, []).append(pair)
        on_photo(photo)
    return {
        group: frechet_distance(*(np.stack(features) for features in zip(*of_group, strict=True)))
        for group, of_group in pairs.items()
    }


def _features_of_photo(
    cases: CaseList, photo: str, groups: set[Group], out: Path, extract: Extractor
) -> dict[Group, tuple[Float32, Float32]]:
    """Features of composite and original by group; pictures are only read where a file is missing."""
    files = {group: feature_files(out, photo, *group) for group in groups}
    if not all(file.exists() for pair in files.values() for file in pair):
        for case in cases.of_photo(photo):
            for size_px, preset, method in groups:
                if (size_px, preset) == (case.size_px, case.preset):
                    _keep_features(case, method, files[size_px, preset, method], out, extract)
    return {group: (np.load(composite), np.load(original)) for group, (composite, original) in files.items()}


def _keep_features(case: Case, method: str, files: tuple[Path, Path], out: Path, extract: Extractor) -> None:
    composite, original = files
    if not composite.exists():
        _save(composite, extract(composited(case, read_image(result_file(out, method, case)))))
    if not original.exists():
        _save(original, extract(case.original))


def _save(file: Path, features: Float32) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(file) as partial, partial.open("wb") as stream:
        np.save(stream, features)

"""The engine: the only place that knows the whole order of steps."""

from __future__ import annotations

import os
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rethined.clock import Clock, OnProgress
from rethined.composite import paste
from rethined.errors import ImageError, MaskError, OptionError
from rethined.explain import Explanation, explain_fill, explain_nothing
from rethined.imageio import as_image, expect_writable, like_input, read_image, write_image
from rethined.masks import as_forbidden, as_hole, grow_hole
from rethined.matching import Matches, appearance_descriptors, corrupted_tokens, match_tokens
from rethined.memory import fit_plan, load_of
from rethined.offsets import OffsetField, choose_offsets, finer_offsets, match_offsets
from rethined.options import FIRST_PX, InpaintOptions
from rethined.ranking import Ranker
from rethined.regions import Plan, plan_rungs
from rethined.resample import halve_any, pull_push, resize_linear, shrink_any, shrink_known
from rethined.session import NetworkResult, OnnxSession
from rethined.transfer import transfer
from rethined.types import Float32, HoleMap, Image8, ImageLike, PathLike
from rethined.weights import SHIPPED_NETWORK
from rethined.workers import Workers, stretch

Picture = TypeVar("Picture", NDArray[np.uint8], Image.Image)


@dataclass(frozen=True)
class InpaintResult:
    """A filled picture and how it came about.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB; outside the hole equal to the input, bit for bit.
        stages_ms: Milliseconds of each stage, in order.
        plan: Network sizes that were used; ``None`` when there was no hole.
        hole_share: Share of the picture that was filled, 0..1.
        used_transfer: Whether detail was copied; ``False`` where no whole token was known and allowed as a source.
    """

    image: Image8
    stages_ms: dict[str, float]
    plan: Plan | None
    hole_share: float
    used_transfer: bool


class Inpainter:
    """Fills holes in photographs; make one, use it for many, from any number of threads.

    Args:
        network: A rethined ONNX file; the shipped one when ``None``.
        options: How to fill.
        threads: Threads of the network and of the copying; ``None`` takes all cores. (OpenCV's threads are the host's
            to set.)

    Raises:
        ModelNotFoundError, ModelSignatureError: The network file cannot be used.

    Example:
        >>> import numpy as np
        >>> from rethined import Inpainter
        >>> photo = np.full((96, 128, 3), 200, np.uint8)
        >>> mask = np.zeros((96, 128), bool)
        >>> mask[40:56, 60:80] = True
        >>> filled = Inpainter()(photo, mask)
        >>> filled.shape, bool((filled[~mask] == photo[~mask]).all())
        ((96, 128, 3), True)
    """

    def __init__(
        self, network: PathLike | None = None, *, options: InpaintOptions | None = None, threads: int | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise OptionError(f"threads is {threads}; expected a whole number from 1, or None for all cores")
        self.options = options or InpaintOptions()
        self._session = OnnxSession(SHIPPED_NETWORK if network is None else Path(network), threads=threads)
        self._workers = Workers(self._session.threads)
        self._ranker = Ranker(self._session.threads)

    def with_options(self, options: InpaintOptions) -> Inpainter:
        """The same network under other options; nothing is loaded again."""
        other = copy(self)
        other.options = options
        return other

    @property
    def network_metadata(self) -> dict[str, str]:
        """Contract, version, training data and checksum of the network, as its file states them."""
        return dict(self._session.metadata)

    @overload
    def __call__(
        self,
        image: Picture,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        out: None = None,
    ) -> Picture: ...
    @overload
    def __call__(
        self,
        image: PathLike,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        out: PathLike | None = None,
    ) -> Path: ...

    def __call__(
        self,
        image: NDArray[np.uint8] | Image.Image | PathLike,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        out: PathLike | None = None,
    ) -> NDArray[np.uint8] | Image.Image | Path:
        """Fills the hole that ``mask`` marks and gives back the kind of picture that came in.

        Args:
            image: ``(H, W, 3)`` uint8 RGB array, PIL image, or path. Not changed, unless ``inplace``.
            mask: Array, PIL image or path of the same size; white (non-zero bool, above half of the range) = fill.
            forbid: A mask like ``mask``; white = never copy from there. Such pixels stay known for all else: the
                network sees them, and the fill meets them where they touch the hole. With nothing left to copy from,
                the hole gets the network's fill enlarged.
            inplace: Only with an array: write the fill into it and give it back. It has to be writable and
                C-contiguous. No copy is made; after an error it is as it was.
            out: Only with a path: where to write. Without it the result goes beside the photograph, as
                ``NAME-filled.png``.

        Returns:
            An array, a PIL image, or the path of the file written.

        Raises:
            ImageError, MaskError: Input that cannot be used; the message says why.
            ImageReadError, ImageWriteError: A file that cannot be read or written.
        """
        return self._answer(image, mask, forbid=forbid, inplace=inplace, out=out)

    def _answer(
        self,
        image: NDArray[np.uint8] | Image.Image | PathLike,
        mask: ImageLike,
        *,
        forbid: ImageLike | None,
        inplace: bool = False,
        out: PathLike | None,
    ) -> NDArray[np.uint8] | Image.Image | Path:
        """:meth:`__call__` for callers who do not know either which kind of picture they have."""
        if inplace:
            _expect_fillable(image)
        if isinstance(image, str | os.PathLike):
            source = Path(image)
            pixels = read_image(image)
            target = Path(out) if out is not None else source.with_name(f"{source.stem}-filled.png")
            expect_writable(target)
            write_image(target, self.fill(pixels, mask, forbid=forbid).image)
            return target
        if out is not None:
            raise OptionError(f"out is {out!r} with a picture of type {type(image).__name__}; it goes with a path only")
        return like_input(self.fill(image, mask, forbid=forbid, inplace=inplace).image, image)

    def fill(
        self,
        image: ImageLike,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        on_progress: OnProgress | None = None,
    ) -> InpaintResult:
        """Fills a picture and tells how: timings, network sizes, hole share.

        Args:
            image: As in :meth:`__call__`.
            mask: As in :meth:`__call__`.
            forbid: As in :meth:`__call__`.
            inplace: As in :meth:`__call__`; the result's ``image`` is then the array that was given.
            on_progress: Called with the name of the stage and the share of the fill that is done, 0..1, which never
                falls and ends at 1: at the start of each stage, and between batches of pixels within the long ones. An
                error it raises ends the fill and comes out of here; nothing is left half-written.

        Raises:
            ImageError, MaskError: Another shape or type, or nothing known.
            MemoryBudgetError: It cannot be done within the option ``max_memory_mb``.
            InferenceError: The network's runtime failed.
        """
        clock = Clock(on_progress)
        with clock.stage("check"):
            if inplace:
                _expect_fillable(image)
            pixels, hole, forbidden = self._check(image, mask, forbid)
            share = np.count_nonzero(hole) / hole.size
            if not share:
                clock.finish()
                return InpaintResult(
                    pixels if inplace else pixels.copy(), clock.stages_ms, None, 0.0, used_transfer=False
                )
        found = self._search(pixels, hole, forbidden, clock, inplace=inplace)
        with clock.stage("transfer"):
            y, x, colours = transfer(
                pixels,
                hole,
                found.finest.filled,
                found.finest.touched,
                found.field,
                forbidden=forbidden,
                small_forbidden=found.small_forbidden,
                on_done=clock.within,
                workers=found.workers,
            )
        with clock.stage("composite"):
            clock.finish()  # before anything is written: whoever ends the fill here still finds all as it was
            result = paste(pixels, y, x, colours, inplace=inplace)
        used_transfer = bool(found.field.is_set.any())
        return InpaintResult(result, clock.stages_ms, found.plan, share, used_transfer=used_transfer)

    def explain(self, image: ImageLike, mask: ImageLike, *, forbid: ImageLike | None = None) -> Explanation:
        """Where a fill of the same arguments comes from, token by token; takes as long as the fill up to the copying.

        Under the option ``max_memory_mb`` it is that of a fill that is not in place.

        Args:
            image: As in :meth:`__call__`.
            mask: As in :meth:`__call__`.
            forbid: As in :meth:`__call__`.

        Raises:
            ImageError, MaskError, MemoryBudgetError, InferenceError: As :meth:`fill`.
        """
        pixels, hole, forbidden = self._check(image, mask, forbid)
        if not hole.any():
            return explain_nothing(pixels)
        found = self._search(pixels, hole, forbidden, Clock())
        return explain_fill(pixels, found.plan, found.finest.filled, found.finest.touched, found.field, found.learned)

    def _check(
        self, image: ImageLike, mask: ImageLike, forbid: ImageLike | None
    ) -> tuple[Image8, HoleMap, HoleMap | None]:
        """The picture, what to fill of it, and what not to copy from."""
        pixels = as_image(image)
        hole = as_hole(mask, pixels.shape[:2])
        forbidden = None if forbid is None else as_forbidden(forbid, hole.shape)
        if self.options.grow_px:
            hole = _grown(hole, self.options.grow_px)
        return pixels, hole, forbidden

    def _search(
        self, image: Image8, hole: HoleMap, forbidden: HoleMap | None, clock: Clock, *, inplace: bool = False
    ) -> _Found:
        """All that is known before anything is copied: the one way of :meth:`fill` and :meth:`explain`."""
        with clock.stage("plan"):
            plan = self._plan(hole, has_forbidden=forbidden is not None, inplace=inplace)
            workers = self._workers if plan.workers in (None, self._workers.threads) else Workers(plan.workers)
            clock.expect_looks(plan.rungs_hw)
        rungs, described = self._climb(image, hole, plan, clock)
        with clock.stage("match"):
            small_forbidden = _forbidden_at(forbidden, rungs)
            field, learned = self._match(rungs, small_forbidden, described, workers, clock)
        return _Found(plan, rungs[-1], small_forbidden[-1], field, learned, workers)

    def _plan(self, hole: HoleMap, *, has_forbidden: bool, inplace: bool) -> Plan:
        """Network sizes and threads, cut down where memory is limited."""
        plan = plan_rungs(hole.shape, first_px=FIRST_PX, working_px=self.options.working_px)
        if self.options.max_memory_mb is None:
            return plan
        is_grown = self.options.grow_px > 0
        load = load_of(hole, plan.rungs_hw[0], has_forbidden=has_forbidden, is_grown=is_grown, inplace=inplace)
        return fit_plan(plan, load, workers=self._workers.threads, limit_mb=self.options.max_memory_mb)

    def _match(
        self,
        rungs: list[_Rung],
        forbidden: list[HoleMap | None],
        described: NetworkResult,
        workers: Workers,
        clock: Clock,
    ) -> tuple[OffsetField, Matches]:
        """Sources for the finest rung's tokens: found on the first rung, made more exact on the way up.

        On the first rung a token sees most of its surroundings, and there are fewest. Searching anew on a finer rung
        gave no better figures (hole PSNR within .1 dB, sharpness .64 against .65) and takes longer.

        Returns:
            The sources, and what the learned descriptors named on the first rung.
        """
        first = rungs[0]
        corrupted = corrupted_tokens(first.touched)
        no_source = None if forbidden[0] is None else corrupted_tokens(forbidden[0])
        k = self.options.candidates
        learned = match_tokens(
            described.query,
            described.key,
            corrupted,
            temperature=self._session.temperature,
            k=k - k // 2,
            forbidden=no_source,
            ranker=self._ranker,
        )
        alike = match_tokens(
            *appearance_descriptors(first.filled),
            corrupted,
            temperature=1.0,
            k=k // 2,
            forbidden=no_source,
            ranker=self._ranker,
        )
        candidates = np.concatenate([match_offsets(found, corrupted.shape[1]) for found in (learned, alike)], 1)
        tell = [
            stretch(clock.within, (1 + i) / (1 + len(rungs)), (2 + i) / (1 + len(rungs))) for i in range(len(rungs))
        ]
        field = choose_offsets(
            first.filled,
            first.touched,
            corrupted,
            candidates,
            forbidden=forbidden[0],
            on_done=tell[0],
            workers=workers,
        )
        for rung, barred, on_done in zip(rungs[1:], forbidden[1:], tell[1:], strict=True):
            corrupted = corrupted_tokens(rung.touched)
            candidates = finer_offsets(field, corrupted)
            field = choose_offsets(
                rung.filled,
                rung.touched,
                corrupted,
                candidates,
                steps_px=(1,),
                passes=1,
                forbidden=barred,
                on_done=on_done,
                workers=workers,
            )
        return field, learned

    def _climb(self, image: Image8, hole: HoleMap, plan: Plan, clock: Clock) -> tuple[list[_Rung], NetworkResult]:
        """Runs the network from the coarsest size to the finest, each prefilled with the result of the one before.

        Returns:
            All rungs, and what the network gave on the first: matching begins there, no other rung is described.
        """
        with clock.stage("shrink"):
            shrunk = [shrink_known(image, hole, plan.working_hw)]
            while len(shrunk) < len(plan.rungs_hw):
                shrunk.append(shrunk[-1].halved())
        small = shrunk.pop()
        with clock.stage("prefill"):
            prefilled = pull_push(small.image, small.hole)
        with clock.stage("network"):
            described = self._session.run(prefilled, small.hole)
        rungs = [_Rung(small.touched, described.fill)]
        while shrunk:
            small = shrunk.pop()
            with clock.stage("prefill"):
                coarser = resize_linear(rungs[-1].filled, small.hole.shape)
                cv2.copyTo(coarser, small.hole.view(np.uint8), small.image)
            with clock.stage("network"):
                self._session.fill(small.image, small.hole)
            rungs.append(_Rung(small.touched, small.image))
        return rungs, described


@dataclass(frozen=True)
class _Rung:
    """One network size: pixels that hold any hole, and the filled picture in 0..255."""

    touched: HoleMap
    filled: Float32


@dataclass(frozen=True)
class _Found:
    """What a fill knows before it copies.

    Attributes:
        plan: Network sizes.
        finest: The finest of them.
        small_forbidden: Its pixels that hold anything forbidden.
        field: Where its tokens are copied from.
        learned: What the learned descriptors named on the coarsest.
        workers: Threads to copy with.
    """

    plan: Plan
    finest: _Rung
    small_forbidden: HoleMap | None
    field: OffsetField
    learned: Matches
    workers: Workers


def _forbidden_at(forbidden: HoleMap | None, rungs: list[_Rung]) -> list[HoleMap | None]:
    """Network pixels of each rung that hold anything forbidden."""
    if forbidden is None:
        return [None] * len(rungs)
    found = [shrink_any(forbidden, rungs[-1].touched.shape)]
    while len(found) < len(rungs):
        found.append(halve_any(found[-1]))
    return [*reversed(found)]


def _expect_fillable(image: object) -> None:
    """Checks that a picture can be filled in place."""
    if not isinstance(image, np.ndarray):
        raise OptionError(f"inplace is True with a picture of type {type(image).__name__}; it goes with an array only")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"the picture to fill in place has shape {image.shape} and dtype {image.dtype}; expected (H, W, 3) and"
            " uint8: convert it, or leave inplace out"
        )
    if not image.flags.writeable:
        raise ImageError("the picture to fill in place is read-only; pass a copy, or leave inplace out")
    if not image.flags.c_contiguous:
        raise ImageError(
            f"the picture to fill in place is a view with strides {image.strides}; expected a C-contiguous array:"
            " pass the whole array, or leave inplace out"
        )


def _grown(hole: HoleMap, px: int) -> HoleMap:
    grown = grow_hole(hole, px)
    if grown.all():
        raise MaskError(f"the hole grown by {px} px covers the whole picture; nothing is known: use a smaller grow_px")
    return grown


@lru_cache(maxsize=1)
def _shipped_inpainter() -> Inpainter:
    return Inpainter()


@overload
def inpaint(
    image: Picture,
    mask: ImageLike,
    *,
    forbid: ImageLike | None = None,
    out: None = None,
    options: InpaintOptions | None = None,
) -> Picture: ...
@overload
def inpaint(
    image: PathLike,
    mask: ImageLike,
    *,
    forbid: ImageLike | None = None,
    out: PathLike | None = None,
    options: InpaintOptions | None = None,
) -> Path: ...


def inpaint(
    image: NDArray[np.uint8] | Image.Image | PathLike,
    mask: ImageLike,
    *,
    forbid: ImageLike | None = None,
    out: PathLike | None = None,
    options: InpaintOptions | None = None,
) -> NDArray[np.uint8] | Image.Image | Path:
    """One call of :class:`Inpainter` with the shipped network, which is loaded once and kept.

    See :meth:`Inpainter.__call__` for arguments, result and errors.
    """
    inpainter = _shipped_inpainter()
    if options is not None:
        inpainter = inpainter.with_options(options)
    return inpainter._answer(image, mask, forbid=forbid, out=out)

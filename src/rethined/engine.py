"""The engine: the only place that knows the whole order of steps."""

from __future__ import annotations

import os
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rethined.climb import Rung, climb
from rethined.clock import Clock, OnProgress
from rethined.composite import fade_in, hold_thin, is_grey, paste, to_grey
from rethined.depth import Picture, as_picture, as_shown
from rethined.doors import option
from rethined.errors import ImageError, MaskError, OptionError
from rethined.explain import Explanation, explain_fill, explain_nothing
from rethined.heap import keep_freed_memory
from rethined.imageio import as_image, like_input
from rethined.ladder import plan_looks
from rethined.masks import as_forbidden, as_hole, grow_hole
from rethined.matching import Matches
from rethined.memory import fit_plan, load_of
from rethined.options import InpaintOptions, expect_threads
from rethined.photo import read_photo
from rethined.ranking import Ranker
from rethined.regions import Plan, group_holes
from rethined.repeats import copy_repeats
from rethined.session import OnnxSession, Runtime
from rethined.sources import SourceMap, find_sources, forbidden_at
from rethined.structure import copy_structure
from rethined.transfer import transfer
from rethined.types import HoleMap, ImageLike, PathLike, Pixels
from rethined.weights import SHIPPED_NETWORK
from rethined.workers import Workers

AnyPicture = TypeVar("AnyPicture", NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32], Image.Image)


@dataclass(frozen=True)
class InpaintResult:
    """A filled picture and how it came about.

    Attributes:
        image: Array of the input's dtype and shape; outside the hole, and in the alpha channel, equal to the input, bit
            for bit. Of a PIL image or a file the array that :func:`rethined.imageio.as_image` makes of it.
        stages_ms: Milliseconds of each stage, in order.
        plan: Network sizes that were used; ``None`` when there was no hole.
        hole_share: Share of the picture that was filled, 0..1.
        used_transfer: Whether detail was copied; ``False`` where no whole token was known and allowed as a source.
        sources: Where it was copied from, for the next frame of a video; ``None`` when there was no hole.
    """

    image: Pixels
    stages_ms: dict[str, float]
    plan: Plan | None
    hole_share: float
    used_transfer: bool
    sources: SourceMap | None = None


class Inpainter:
    """Fills holes in photographs; make one, use it for many, from any number of threads.

    Args:
        network: A rethined ONNX file; the shipped one when ``None``.
        options: How to fill.
        threads: Threads of the network and of the copying; ``None`` takes all cores. (OpenCV's threads are the host's
            to set.)
        runtime: What runs the network: ``onnxruntime``, or ``openvino`` (extra ``openvino``), which takes up to a
            sixth less on processors that multiply bfloat16; fills then differ by a grey level here and there.

    Raises:
        ModelNotFoundError, ModelSignatureError: The network file cannot be used.
        MissingExtraError: The runtime is not installed.
        OptionError: There is no such runtime, or no such number of threads.

    Examples:
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
        self,
        network: PathLike | None = None,
        *,
        options: InpaintOptions | None = None,
        threads: int | None = None,
        runtime: Runtime = "onnxruntime",
    ) -> None:
        _expect_usable(network, threads)
        keep_freed_memory()
        self.options = options or InpaintOptions()
        path = SHIPPED_NETWORK if network is None else Path(network)
        self._session = OnnxSession(path, threads=threads, runtime=runtime)
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
        image: AnyPicture,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        out: None = None,
    ) -> AnyPicture: ...
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
        image: Pixels | Image.Image | PathLike,
        mask: ImageLike,
        *,
        forbid: ImageLike | None = None,
        inplace: bool = False,
        out: PathLike | None = None,
    ) -> Pixels | Image.Image | Path:
        """Fills the hole that ``mask`` marks and gives back the kind of picture that came in.

        Args:
            image: Array, PIL image, or path. Not changed, unless ``inplace``. An array is ``(H, W)`` or ``(H, W, 1)``
                grey, ``(H, W, 2)`` grey and alpha, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8 in 0..255, uint16 in
                0..65535, or float32 as shown on a display, black at 0 and white at 1. Floats beyond, up to 16 from 0,
                are kept where they are known; filled pixels lie in 0..1. PIL images of mode L, LA, RGB, RGBA, I;16
                (and its kin) and I (in 0..65535) keep their mode, CMYK, LAB and F are refused, others become RGB. Alpha
                is never filled; pixels of alpha 0 count as not known.
            mask: Array, PIL image or path of the same size; white (non-zero bool, above half of the range) = fill.
            forbid: A mask like ``mask``; white = never copy from there. Such pixels stay known for all else: the
                network sees them, and the fill meets them where they touch the hole. With nothing left to copy from,
                the hole gets the network's fill enlarged.
            inplace: Only with an array: write the fill into it and give it back. It has to be writable and
                C-contiguous. No copy is made; after an error it is as it was.
            out: Only with a path: where to write; depth and channels stay, so the format has to hold them, and what
                the file says beside its pixels goes along (``docs/files.md``). Without it the result goes beside the
                photograph, as ``NAME-filled``, in its format.

        Returns:
            An array of the same dtype and shape, a PIL image, or the path of the file written.

        Raises:
            ImageError, MaskError: Input that cannot be used; the message says why.
            ImageReadError, ImageWriteError: A file that cannot be read or written.
            OptionError: ``out`` without a path, or ``inplace`` without an array.
            MemoryBudgetError, InferenceError: As :meth:`fill`.
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
            photo = read_photo(image)
            target = Path(out) if out is not None else photo.default_out
            photo.expect_writable(target, self.options)
            hole = as_hole(mask, photo.pixels.shape[:2])
            filled = self.fill(photo.pixels, hole, forbid=forbid).image
            photo.write(target, filled, grow_hole(hole, self.options.grow_px), self.options)
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
        sources: SourceMap | None = None,
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
            sources: Those of an earlier fill of the same hole: copies come from the same places, and nothing is
                searched. The network looks anew, as closely as it did then, whatever the options say.

        Raises:
            ImageError, MaskError: Another shape or type, or nothing known.
            OptionError: ``sources`` are those of another size or another hole.
            MemoryBudgetError: It cannot be done within the option ``max_memory_mb``.
            InferenceError: The network's runtime failed.
        """
        clock = Clock(on_progress)
        with clock.stage("check"):
            if inplace:
                _expect_fillable(image)
            picture, hole, forbidden = self._check(image, mask, forbid)
            if not hole.any():
                clock.finish()
                given = picture.given if inplace else picture.given.copy()
                return InpaintResult(given, clock.stages_ms, None, 0.0, used_transfer=False)
            unknown = picture.unknown(hole)
        if sources is None:
            found, _ = self._search(picture, hole, unknown, forbidden, clock, inplace=inplace)
        else:
            found = self._follow(picture, unknown, forbidden, sources, clock)
        sources = found.sources
        with clock.stage("transfer"):
            y, x, colours = transfer(
                picture.pixels,
                hole,
                found.finest.filled,
                found.finest.touched,
                sources.field,
                gate=sources.gate,
                asked=sources.asked,
                unknown=unknown,
                forbidden=forbidden,
                small_forbidden=found.small_forbidden,
                on_done=clock.within,
                workers=found.workers,
            )
        with clock.stage("composite"):
            if is_grey(picture.pixels, unknown):
                to_grey(colours)
            if self.options.feather_px:
                fade_in(picture.pixels, hole, y, x, colours, self.options.feather_px)
            clock.finish()  # before anything is written: whoever ends the fill here still finds all as it was
            result = paste(picture.given, y, x, colours, inplace=inplace, workers=found.workers)
            if not self.options.feather_px:  # which is to show what lies in the hole
                groups = group_holes(found.finest.touched)
                hold_thin(result, hole, unknown, groups, colours.shape[1])
        used_transfer, share = bool(sources.field.is_set.any()), len(y) / hole.size
        return InpaintResult(result, clock.stages_ms, sources.plan, share, used_transfer=used_transfer, sources=sources)

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
        picture, hole, forbidden = self._check(image, mask, forbid)
        shown = as_shown(picture.pixels)
        if not hole.any():
            return explain_nothing(shown)
        found, learned = self._search(picture, hole, picture.unknown(hole), forbidden, Clock())
        return explain_fill(shown, found.sources, learned)

    def _check(
        self, image: ImageLike, mask: ImageLike, forbid: ImageLike | None
    ) -> tuple[Picture, HoleMap, HoleMap | None]:
        """The picture, what to fill of it, and what not to copy from."""
        picture = as_picture(as_image(image))
        hole = as_hole(mask, picture.size_hw)
        forbidden = None if forbid is None else as_forbidden(forbid, picture.size_hw)
        if self.options.grow_px:
            hole = _grown(hole, self.options.grow_px)
        return picture, hole, forbidden

    def _search(
        self,
        picture: Picture,
        hole: HoleMap,
        unknown: HoleMap,
        forbidden: HoleMap | None,
        clock: Clock,
        *,
        inplace: bool = False,
    ) -> tuple[_Found, Matches]:
        """All that is known before anything is copied, and what the learned descriptors named on the coarsest size.

        It is the one way of :meth:`fill` and :meth:`explain`.
        """
        with clock.stage("plan"):
            plan = self._plan(picture, hole, has_forbidden=forbidden is not None, inplace=inplace)
            workers = self._workers_for(plan)
            clock.expect_looks(plan.looks_px)
            barred = forbidden_at(forbidden, plan.rungs_hw)
        copying = partial(copy_structure, forbidden=barred[0], workers=workers)
        repeating = partial(copy_repeats, forbidden=barred[-1], workers=workers)
        climbed = climb(self._session, picture.pixels, unknown, plan, clock.stage, copying, repeating, workers=workers)
        rungs = climbed.rungs
        with clock.stage("match"):
            field, gate, asked, learned = find_sources(
                rungs,
                climbed.described,
                barred,
                candidates=self.options.candidates,
                agree_rounds=self.options.agree_rounds,
                temperature=self._session.temperature,
                ranker=self._ranker,
                on_done=clock.within,
                workers=workers,
                repeats=climbed.repeats,
            )
            finest = rungs[-1]
            sources = SourceMap(plan, finest.touched, field, gate, asked, climbed.structure, climbed.repeats)
        return _Found(finest, barred[-1], sources, workers), learned

    def _follow(
        self, picture: Picture, unknown: HoleMap, forbidden: HoleMap | None, sources: SourceMap, clock: Clock
    ) -> _Found:
        """What is known where sources are given: the network looks, nothing is searched."""
        with clock.stage("plan"):
            sources.expect_size(picture.size_hw)
            workers = self._workers_for(sources.plan)
            clock.expect_looks(sources.plan.looks_px)
            barred = forbidden_at(forbidden, sources.plan.rungs_hw)
        copying = repeating = None
        if sources.structure is not None:
            copying = partial(copy_structure, forbidden=barred[0], field=sources.structure, workers=workers)
        if sources.repeats is not None:
            repeating = partial(copy_repeats, forbidden=barred[-1], field=sources.repeats, workers=workers)
        climbed = climb(
            self._session, picture.pixels, unknown, sources.plan, clock.stage, copying, repeating, workers=workers
        )
        finest = climbed.rungs[-1]
        with clock.stage("match"):
            sources.expect_hole(finest.touched)
        return _Found(finest, barred[-1], sources, workers)

    def _workers_for(self, plan: Plan) -> Workers:
        """Threads to search and copy with: fewer where memory is limited."""
        return self._workers if plan.workers in (None, self._workers.threads) else Workers(plan.workers)

    def _plan(self, picture: Picture, hole: HoleMap, *, has_forbidden: bool, inplace: bool) -> Plan:
        """Looks and threads, cut down where memory is limited."""
        plan = plan_looks(hole, budget_px=self.options.budget_px, working_px=self.options.working_px)
        if self.options.max_memory_mb is None:
            return plan
        load = load_of(
            hole,
            plan.rungs_hw[0],
            pixel_bytes=picture.given.nbytes // hole.size,
            has_forbidden=has_forbidden,
            is_grown=self.options.grow_px > 0,
            is_feathered=self.options.feather_px > 0,
            inplace=inplace,
        )
        return fit_plan(plan, load, workers=self._workers.threads, limit_mb=self.options.max_memory_mb)


@dataclass(frozen=True)
class _Found:
    """What a fill knows before it copies.

    Attributes:
        finest: The finest network picture.
        small_forbidden: Its pixels that hold anything forbidden.
        sources: Where its tokens are copied from.
        workers: Threads to copy with.
    """

    finest: Rung
    small_forbidden: HoleMap | None
    sources: SourceMap
    workers: Workers


def _expect_fillable(image: object) -> None:
    """Checks that a picture can be filled in place."""
    if not isinstance(image, np.ndarray):
        raise OptionError(f"inplace is True with a picture of type {type(image).__name__}; it goes with an array only")
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
        raise MaskError(f"the hole grown by {px} px covers the whole picture; nothing is known: grow it less")
    return grown


def _expect_usable(network: object, threads: object) -> None:
    expect_threads(threads)
    if network is not None and not isinstance(network, (str, os.PathLike)):
        raise OptionError(
            f"{option('network')} is of type {type(network).__name__}; expected the path of a rethined ONNX file"
        )


@lru_cache(maxsize=1)
def _shipped_inpainter() -> Inpainter:
    return Inpainter()


@overload
def inpaint(
    image: AnyPicture,
    mask: ImageLike,
    *,
    forbid: ImageLike | None = None,
    out: None = None,
    options: InpaintOptions | None = None,
) -> AnyPicture: ...
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
    image: Pixels | Image.Image | PathLike,
    mask: ImageLike,
    *,
    forbid: ImageLike | None = None,
    out: PathLike | None = None,
    options: InpaintOptions | None = None,
) -> Pixels | Image.Image | Path:
    """One call of :class:`Inpainter` with the shipped network, which is loaded once and kept.

    See :meth:`Inpainter.__call__` for arguments, result and errors.
    """
    inpainter = _shipped_inpainter()
    if options is not None:
        inpainter = inpainter.with_options(options)
    return inpainter._answer(image, mask, forbid=forbid, out=out)

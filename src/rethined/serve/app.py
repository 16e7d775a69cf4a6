"""The application: what each address answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from fastapi import FastAPI, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from rethined import jpeg
from rethined._version import __version__
from rethined.doors import through
from rethined.engine import Inpainter
from rethined.imageio import PictureHeader
from rethined.options import InpaintOptions, Preset
from rethined.serve import refusals
from rethined.serve.answers import CUSTOM_HEADERS, TurnResponse
from rethined.serve.formats import FORMATS, MEDIA_TYPES, format_of_result
from rethined.serve.guard import Guard
from rethined.serve.hearing import hearing
from rethined.serve.metrics import Metrics
from rethined.serve.models import FillOptions, Info, Limits, State, ViewOptions
from rethined.serve.openapi import FILL_BODY, PROBLEMS, VIEW_BODY, describe, picture_answer
from rethined.serve.problems import add_handlers
from rethined.serve.settings import ServeSettings
from rethined.serve.turns import Turn, Turns
from rethined.serve.uploads import FORM_TYPE, content_type_of, receive_bytes, receive_fill
from rethined.serve.work import Done, FillJob, fill_files, header_of, show_file

PAGE = Path(__file__).parent / "page"
Received = TypeVar("Received")


def create_app(inpainter: Inpainter, settings: ServeSettings, turns: Turns | None = None) -> FastAPI:
    """The application around an engine, for any ASGI server.

    Args:
        inpainter: Fills for all requests.
        settings: What is allowed. Where to listen is up to the server; it only decides who may ask.
        turns: Where requests wait, for who wants to stop it from outside.
    """
    if turns is None:
        turns = Turns(workers=settings.workers, queue=settings.queue, timeout_s=settings.timeout_s)
    metrics = Metrics(turns)
    api = _Api(inpainter, settings, turns, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with hearing():
            yield
            await run_in_threadpool(turns.close)

    # No page of documentation: FastAPI's loads its scripts from elsewhere.
    app = FastAPI(title="rethined", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    describe(app)
    add_handlers(app)
    app.post("/v1/fill", **picture_answer("The filled picture.", MEDIA_TYPES.values()), openapi_extra=FILL_BODY)(
        api.fill
    )
    app.post("/v1/view", **picture_answer("The picture, shrunk.", ["image/png"]), openapi_extra=VIEW_BODY)(api.view)
    app.get("/v1/info", responses=PROBLEMS)(api.info)
    app.get("/health", responses=PROBLEMS)(api.health)
    app.get("/ready", responses=PROBLEMS)(api.ready)
    app.get("/metrics", response_class=Response, responses=PROBLEMS, include_in_schema=False)(api.metrics)
    app.get("/", include_in_schema=False)(api.page)
    app.mount("/page", StaticFiles(directory=PAGE))
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    if settings.allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=CUSTOM_HEADERS,
        )
    return app


class _Api:
    """The addresses, and what they share."""

    def __init__(self, inpainter: Inpainter, settings: ServeSettings, turns: Turns, metrics: Metrics) -> None:
        self._inpainter = inpainter
        self._settings = settings
        self._turns = turns
        self._metrics = metrics

    async def fill(self, request: Request, query: Annotated[FillOptions, Query()]) -> Response:
        """Fills the hole of one picture; all other pixels stay as they are.

        Send a form with the files `image` and `mask`, which may be a picture or annotations, or the bytes of a picture
        and say by `box`, `mask_colour` or its transparency what is to be filled. The result has the format of the
        image, or that of `format` or `Accept`.
        `Server-Timing` tells the milliseconds of each stage, `Rethined-Warning` what is odd about the mask, and what
        of the file is not kept.
        """
        content_type_of(request)
        turn = self._turns.take()
        try:
            with through("http"):
                return await self._fill(request, query, turn)
        except BaseException:
            turn.close()
            raise

    async def _fill(self, request: Request, query: FillOptions, turn: Turn) -> Response:
        began = time.perf_counter()
        received = await _of_client(receive_fill(request, query, turn.folder, self._settings.timeout_s))
        self._metrics.add_stage("receive", (time.perf_counter() - began) * 1e3)
        options, files = received.options, received.files
        own_format = format_of_result(
            await self._checked(received.pictures), named=options.format, accept=request.headers.get("accept")
        )
        job = FillJob(
            image=files["image"],
            out=turn.folder / f"out.{own_format}",
            mask=options.mask_source(files.get("mask")),
            forbid=files.get("forbid"),
            name=received.name,
            options=self._options(options),
        )
        done = await turn.run(partial(fill_files, self._inpainter, job, turn.expect_wanted), _left(request))
        self._count(turn, done)
        response = self._answer(
            turn,
            job.out,
            media_type=MEDIA_TYPES[own_format],
            name=f"{received.stem_of_result}.{own_format}",
            headers={
                "Rethined-Hole-Pixels": str(done.hole_px),
                "Rethined-Working-Px": str(done.working_px),
                "Server-Timing": ", ".join(f"{stage};dur={ms:.1f}" for stage, ms in done.stages_ms.items()),
            },
        )
        for warning in done.warnings:
            response.headers.append("Rethined-Warning", warning.encode("ascii", "replace").decode())
        return response

    async def view(self, request: Request, query: Annotated[ViewOptions, Query()]) -> Response:
        """Shows a picture that browsers cannot show: as 8-bit PNG, upright, shrunk. `Rethined-Size` tells its own size.

        For the page at `/`.
        """
        if content_type_of(request) == FORM_TYPE:
            raise refusals.form_for_picture()
        turn = self._turns.take()
        try:
            source, out = turn.folder / "image", turn.folder / "out.png"
            await _of_client(receive_bytes(request, source, self._settings.timeout_s))
            await self._checked([source])
            work = partial(show_file, source, out, max_px=query.max_px, step=turn.expect_wanted)
            height, width = await turn.run(work, _left(request))
            return self._answer(
                turn, out, media_type="image/png", name="view.png", headers={"Rethined-Size": f"{width}x{height}"}
            )
        except BaseException:
            turn.close()
            raise

    async def info(self) -> Info:
        """What this server is and what it allows."""
        limits = self._settings
        return Info(
            version=__version__,
            network=self._inpainter.network_metadata,
            preset=limits.options.preset,
            presets=list(get_args(Preset)),
            formats=list(FORMATS),
            jpeg_lossless=jpeg.is_installed(),
            limits=Limits(
                max_pixels=limits.max_pixels,
                max_mb=limits.max_mb,
                queue=limits.queue,
                workers=limits.workers,
                timeout_s=limits.timeout_s,
            ),
        )

    async def health(self) -> State:
        """Whether the process answers at all."""
        return State(status="live")

    async def ready(self) -> State:
        """Whether new requests are taken: not while it stops."""
        if self._turns.is_stopping:
            raise refusals.stopping()
        return State(status="ready")

    async def metrics(self) -> Response:
        """Counters for Prometheus."""
        return Response(self._metrics.text(), media_type=self._metrics.media_type)

    async def page(self) -> FileResponse:
        """The page."""
        return FileResponse(PAGE / "index.html")

    async def _checked(self, paths: Iterable[Path]) -> PictureHeader:
        """The header of the first picture, after a look at those of all; nothing is decoded yet."""
        headers = []
        for path in paths:
            header = await run_in_threadpool(header_of, path)
            if header.size_hw[0] * header.size_hw[1] > self._settings.max_pixels:
                raise refusals.too_many_pixels(path.name, header.size_hw, self._settings.max_pixels)
            headers.append(header)
        return headers[0]

    def _options(self, options: FillOptions) -> InpaintOptions:
        return InpaintOptions(
            preset=options.preset or self._settings.options.preset,
            working_px=options.working_px or self._settings.options.working_px,
            grow_px=options.grow,
            feather_px=options.feather,
            max_memory_mb=self._settings.options.max_memory_mb,
            strip=options.strip,
            jpeg=options.jpeg,
        )

    def _count(self, turn: Turn, done: Done) -> None:
        self._metrics.add_stage("wait", turn.waited_ms)
        for stage, milliseconds in done.stages_ms.items():
            self._metrics.add_stage(stage, milliseconds)
        self._metrics.add_filled(done.hole_px)

    def _answer(self, turn: Turn, path: Path, *, media_type: str, name: str, headers: dict[str, str]) -> TurnResponse:
        return TurnResponse(
            turn,
            path,
            media_type=media_type,
            name=name,
            timeout_s=self._settings.timeout_s,
            on_sent=partial(self._metrics.add_stage, "send"),
            headers=headers,
        )


async def _left(request: Request) -> None:
    """Ends when the client has gone; the body has been read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _of_client(receiving: Awaitable[Received]) -> Received:
    """What is received, or 499."""
    try:
        return await receiving
    except ClientDisconnect as error:
        raise refusals.gone() from error

"""``rethined serve``: an HTTP server and its page."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_engine_options, add_runtime_option, missing_extra, tell
from rethined.serve.settings import ServeSettings


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``serve`` to the commands."""
    defaults = ServeSettings()
    parser = commands.add_parser(
        "serve",
        help="fill over HTTP, with a page to draw holes on",
        description="Serves POST /v1/fill and a page at / to this machine alone. Ctrl-C or SIGTERM lets what is going"
        " on be finished. Needs: pip install 'rethined[serve]'",
    )
    parser.add_argument(
        "--host",
        default=defaults.host,
        help=f"address to listen on (default {defaults.host}); 0.0.0.0 lets all machines in, without a password",
    )
    parser.add_argument("--port", type=int, default=defaults.port, help=f"default {defaults.port}; 0 takes a free one")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of another server in, https://photos.example; may be given many times, * is all",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-pixels",
        type=int,
        default=defaults.max_pixels,
        metavar="N",
        help=f"most pixels of a picture (default {defaults.max_pixels})",
    )
    limits.add_argument(
        "--max-mb",
        type=int,
        default=defaults.max_mb,
        metavar="MB",
        help=f"most megabytes of a request (default {defaults.max_mb})",
    )
    limits.add_argument(
        "--max-memory",
        type=int,
        default=defaults.options.max_memory_mb,
        metavar="MB",
        help="most memory each fill may take beside the picture: looks less closely where it would take more"
        f" (default {defaults.options.max_memory_mb})",
    )
    limits.add_argument(
        "--queue",
        type=int,
        default=defaults.queue,
        metavar="N",
        help=f"requests that may wait; what comes then gets 429 (default {defaults.queue})",
    )
    limits.add_argument(
        "--timeout",
        type=float,
        default=defaults.timeout_s,
        metavar="SECONDS",
        help=f"how long a request may wait and be filled; then it gets 503 (default {defaults.timeout_s:g})",
    )
    limits.add_argument(
        "--workers", type=int, default=defaults.workers, metavar="N", help=f"fills at once (default {defaults.workers})"
    )
    parser.add_argument(
        "--preset",
        default=defaults.options.preset,
        help=f"fast, balanced or best, where a request does not say (default {defaults.options.preset})",
    )
    add_engine_options(parser)
    add_runtime_option(parser)
    parser.add_argument("--access-log", action="store_true", help="print a line for each request")
    parser.set_defaults(run=_run_serve)


def _run_serve(parsed: argparse.Namespace) -> None:
    from rethined.engine import Inpainter
    from rethined.options import InpaintOptions
    from rethined.runtime import share_cores
    from rethined.serve.memory import share_heaps

    settings = ServeSettings(
        host=parsed.host,
        port=parsed.port,
        options=InpaintOptions(preset=parsed.preset, max_memory_mb=parsed.max_memory),
        max_pixels=parsed.max_pixels,
        max_mb=parsed.max_mb,
        queue=parsed.queue,
        workers=parsed.workers,
        timeout_s=parsed.timeout,
        allow_origins=tuple(parsed.allow_origin),
    )
    try:
        from rethined.serve.run import serve
    except ImportError as error:
        raise missing_extra("serve", error) from error
    share_heaps()  # before there are threads
    if settings.workers > 1:
        share_cores()
    network = None if parsed.network is None else Path(parsed.network)
    inpainter = Inpainter(network, threads=parsed.threads, runtime=parsed.runtime)
    serve(inpainter, settings, tell, access_log=parsed.access_log)

"""The command line. Each command imports its own room, so that ``rethined inpaint`` never needs the workshop."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rethined._version import __version__
from rethined.errors import DatasetError, MissingExtraError, OptionError, RethinedError

if TYPE_CHECKING:
    from rethined.batch.jobs import JobList
    from rethined.options import InpaintOptions

SILENT_S = 2.0
"""How long a command may say nothing."""
EXIT_OK, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status.

    0: done. 1: some of many photographs failed. 2: input that cannot be used. 130: interrupted.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int | None] = parsed.run
        return run(parsed) or EXIT_OK
    except RethinedError as error:
        print(f"rethined: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("rethined: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="rethined",
        description="Fill holes in photographs, at any size, on a plain CPU.",
        epilog="rethined COMMAND --help tells more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"rethined {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_inpaint(commands)
    _add_batch(commands)
    _add_demo(commands)
    _add_train(commands)
    _add_finetune(commands)
    _add_export(commands)
    _add_eval(commands)
    _add_bench(commands)
    _add_figures(commands)
    _add_dataset(commands)
    return parser


Commands = argparse._SubParsersAction  # the only name argparse has for it


def _add_inpaint(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "inpaint",
        help="fill the hole of one photograph",
        description="Fills what MASK marks white in PHOTO and writes the result. All other pixels stay as they are.",
    )
    parser.add_argument(
        "photo", metavar="PHOTO", help="picture file: PNG, JPEG, WebP, TIFF or BMP; depth and alpha stay"
    )
    parser.add_argument("mask", metavar="MASK", help="picture of the same size; white (128 and above) is filled")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help="where to write; the suffix names the format")
    _add_fill_options(parser)
    parser.add_argument(
        "--explain", metavar="OUT", help="also write a picture of where each part of the fill was copied from"
    )
    parser.add_argument("--times", action="store_true", help="print the milliseconds of each stage")
    parser.set_defaults(run=_run_inpaint)


def _add_batch(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "batch",
        help="fill many photographs",
        description="Fills all PHOTOS and writes the results below DIR under the same names. Run the same command again"
        " to go on where it stopped: what is filled already is not filled again. Exit status: 0 all done, 1 some"
        " failed, 2 nothing can be done, 130 interrupted.",
    )
    parser.add_argument("photos", metavar="PHOTOS", nargs="*", help="files, folders, or patterns in quotes")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", required=True, help="folder of the results")
    parser.add_argument("-r", "--recursive", action="store_true", help="look into folders within folders too")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="instead of PHOTOS and a rule for masks: a CSV file with the columns image,mask[,out] or JSON lines with"
        " these keys; paths are relative to FILE, out is relative to DIR",
    )
    masks = parser.add_argument_group("which mask belongs to a photograph, one of")
    masks.add_argument("--mask", type=Path, metavar="FILE", help="one mask for all")
    masks.add_argument(
        "--mask-dir", type=Path, metavar="DIR", help="the picture in DIR of the same relative path, else the same name"
    )
    masks.add_argument(
        "--mask-suffix", metavar="TEXT", help="the picture beside it whose name goes on: a_mask.png with _mask"
    )
    masks.add_argument(
        "--mask-alpha",
        action="store_true",
        help="its own transparency: alpha up to half is filled, and what is filled becomes opaque",
    )
    parser.add_argument("--format", metavar="NAME", help="png, jpg, webp, tif, bmp (default: that of each photograph)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="photographs at once, each in a process (1)")
    parser.add_argument("--again", action="store_true", help="fill as well what is filled already")
    parser.add_argument(
        "--preview",
        action="store_true",
        help="fill nothing: write small copies with the hole tinted, NAME.preview.jpg, and print how each mask was"
        " understood",
    )
    parser.add_argument("--quiet", action="store_true", help="tell what is odd and what failed, and nothing else")
    _add_fill_options(parser)
    parser.set_defaults(run=_run_batch)


def _add_demo(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="fill holes in sample photographs and show how long it takes",
        description="Fills holes in the photographs that scikit-image carries and in a generated 4096 x 4096 scene,"
        " writes before/after/zoom pictures and prints the time of each stage beside OpenCV's Telea on the same holes."
        " Needs: pip install 'rethined[demo]'.",
    )
    parser.add_argument("--out", type=Path, default=Path("rethined-demo"), help="folder to write to (rethined-demo)")
    _add_engine_options(parser)
    parser.set_defaults(run=_run_demo)


def _add_train(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train the network on a folder of photographs",
        description="Trains on all photographs below FOLDER. Run the same command again to go on where it stopped."
        " Needs: pip install 'rethined[train]'.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="photographs, at any depth")
    parser.add_argument("--out", type=Path, default=Path("runs/default"), help="folder of the run (runs/default)")
    parser.add_argument("--cache", type=Path, help="folder of the decoded photographs (OUT/cache)")
    parser.add_argument("--val", type=Path, metavar="FOLDER", help="photographs to watch the fill on, never trained on")
    parser.add_argument(
        "--start-from", type=Path, metavar="FILE", help="begin a new run with these .safetensors weights"
    )
    parser.add_argument("--max-minutes", type=float, metavar="M", help="stop after M minutes; resume any time")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of settings, see configs/ in the repository; the options below win over it",
    )
    parser.add_argument("--steps", type=int, help="length of the whole run")
    parser.add_argument("--cooldown-steps", type=int, help="steps of falling learning rate at its end")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate")
    parser.add_argument("--seed", type=int, help="start of all randomness")
    parser.add_argument("--feature-weight", type=float, help="weight of the feature distance; 0 leaves it out")
    parser.add_argument("--threads", type=int, help="threads of the computation (default: all cores)")
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write logs for TensorBoard, in OUT/tensorboard; needs: pip install 'rethined[tensorboard]'",
    )
    parser.set_defaults(run=_run_train)


def _add_finetune(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "finetune",
        help="tune the shipped weights to photographs of your own",
        description="Trains the shipped weights on the photographs below FOLDER for some minutes. Some are held out; on"
        " them the result is compared with the shipped weights. Writes OUT.onnx (for --network), OUT.safetensors and"
        " the table, OUT.md. Needs: pip install 'rethined[train]'.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="at least four photographs, at any depth")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, required=True, help="file to write, ending in .onnx")
    parser.add_argument(
        "--minutes", type=float, default=15.0, metavar="M", help="time to train (15); measuring comes on top"
    )
    parser.add_argument(
        "--hold-out", type=int, default=5, metavar="N", help="hold out one in N photographs, at most 32 in all (5)"
    )
    parser.add_argument("--learning-rate", type=float, help="peak learning rate (3e-4)")
    parser.add_argument(
        "--training-data", default="not stated", help="what the photographs are, for the metadata of the file"
    )
    parser.add_argument("--cache", type=Path, help="folder to keep the decoded photographs in (default: none is kept)")
    parser.add_argument("--threads", type=int, help="threads of the computation (default: all cores)")
    parser.set_defaults(run=_run_finetune)


def _add_eval(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "eval",
        help="score rethined and others on photographs",
        description="Cuts holes into all photographs below FOLDER, lets every method fill them and scores the results."
        " Run the same command again to go on where it stopped. Writes scores.csv, report.json, report.md and"
        " report.html. Needs: pip install 'rethined[bench]'.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="photographs, at any depth, or a benchmark")
    parser.add_argument("--out", type=Path, default=Path("eval"), help="folder of the evaluation (eval)")
    parser.add_argument("--sizes", default="2048", metavar="PX,...", help="long sides to shrink to, or native (2048)")
    parser.add_argument(
        "--masks",
        default="df8k-blobs",
        metavar="NAME,...",
        help="hole presets (df8k-blobs); objects=FOLDER for the silhouettes in FOLDER",
    )
    parser.add_argument(
        "--methods",
        default="rethined,telea",
        metavar="NAME,...",
        help="methods, or paths of learned peers' ONNX or TorchScript files (rethined,telea)",
    )
    parser.add_argument("--reference", default="telea", metavar="NAME", help="what differences are taken from (telea)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N photographs only")
    parser.add_argument("--seed", type=int, default=0, help="start of the randomness of the holes")
    parser.add_argument("--no-perc", action="store_true", help="leave out the perceptual distance perc")
    parser.add_argument(
        "--metric-weights",
        type=Path,
        metavar="DIR",
        help="weights of LPIPS and FID (default: torch.hub's folder); needs: pip install 'rethined[published]'",
    )
    _add_peer_options(parser)
    _add_engine_options(parser)
    parser.set_defaults(run=_run_eval)


def _add_bench(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bench",
        help="time rethined and others",
        description="Times every method on a generated scene under holes, array to array, in turns; writes bench.json"
        " and bench.md. Nothing else should run meanwhile.",
    )
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder to write to (bench)")
    parser.add_argument("--sizes", default="512,1024,2048,4096", metavar="PX,...", help="sides (512,1024,2048,4096)")
    parser.add_argument(
        "--methods",
        default="rethined,rethined-fast,telea",
        metavar="NAME,...",
        help="methods, or paths of learned peers' ONNX or TorchScript files (rethined,rethined-fast,telea)",
    )
    parser.add_argument("--reference", default="telea", metavar="NAME", help="what ratios are taken from (telea)")
    parser.add_argument("--shares", default="0.07", metavar="X,...", help="shares of the picture that are hole (0.07)")
    parser.add_argument("--threads", default="all", metavar="N,...", help="numbers of threads, or all (all)")
    _add_peer_options(parser)
    _add_network_option(parser)
    parser.set_defaults(run=_run_bench)


def _add_figures(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "figures",
        help="draw what eval and bench found",
        description="Draws quality against latency, latency against size and latency against the share of the hole,"
        " each as SVG and PNG, as far as the reports have them. Needs: pip install 'rethined[bench]'.",
    )
    parser.add_argument("--eval", type=Path, dest="eval_file", metavar="FILE", help="report.json of rethined eval")
    parser.add_argument("--bench", type=Path, dest="bench_file", metavar="FILE", help="bench.json of rethined bench")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to (figures)")
    parser.add_argument("--score", default="perc", metavar="NAME", help="quality: perc, lpips or psnr (perc)")
    parser.add_argument("--size", type=int, metavar="PX", help="the only size of the evaluation to show")
    parser.add_argument("--masks", metavar="NAME", help="the only hole preset of the evaluation to show")
    parser.set_defaults(run=_run_figures)


def _add_dataset(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "dataset", help="build and check benchmarks", description="Benchmarks of photographs with fixed holes."
    )
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    df8k = kinds.add_parser(
        "df8k",
        help="DF8K-Inpainting from its public sources",
        description="Takes in DIV2K, Flickr2K and CAFHQ as people download them, with the released test masks.",
    )
    df8k.add_argument("--df2k", type=Path, required=True, metavar="DIR", help="DIV2K and Flickr2K, at any depth")
    df8k.add_argument("--cafhq", type=Path, metavar="DIR", help="CAFHQ (its licence is non-commercial)")
    df8k.add_argument("--masks", type=Path, metavar="ARCHIVE", help="the released test masks: zip, tar or folder")
    df8k.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the benchmark")
    df8k.set_defaults(run=_run_dataset_df8k)
    build = kinds.add_parser("build", help="one of any photographs", description="A benchmark of the same kind.")
    build.add_argument("folder", type=Path, metavar="FOLDER", help="photographs, at any depth")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the benchmark")
    build.set_defaults(run=_run_dataset_build)
    verify = kinds.add_parser("verify", help="check a benchmark's files", description="Compares with the checksums.")
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of the benchmark")
    verify.set_defaults(run=_run_dataset_verify)


def _add_export(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a trained network for a runtime", description="Formats: onnx.")
    formats = parser.add_subparsers(title="formats", metavar="FORMAT", required=True)
    onnx = formats.add_parser(
        "onnx",
        help="the file the engine runs",
        description="Writes OUT.onnx with its contract in the metadata, checked against torch, and the same weights as"
        " OUT.safetensors. Needs: pip install 'rethined[train]'.",
    )
    onnx.add_argument("state", metavar="RUN", type=Path, help="folder of a run, or its state.pt")
    onnx.add_argument("-o", "--out", type=Path, required=True, help="file to write, ending in .onnx")
    onnx.add_argument("--training-data", default="not stated", help="what the network was trained on, for the metadata")
    onnx.set_defaults(run=_run_export_onnx)


def _add_fill_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--invert", action="store_true", help="fill what is black in MASK instead")
    parser.add_argument("--forbid", metavar="MASK", help="picture of the same size; white is never copied from")
    parser.add_argument("--grow", type=int, default=0, metavar="PX", help="widen the hole by PX pixels (default 0)")
    parser.add_argument(
        "--preset",
        default="balanced",
        help="fast, balanced or best: how closely the network may look (default balanced)",
    )
    parser.add_argument(
        "--working-px",
        type=int,
        metavar="PX",
        help="long side of the network's closest look instead, from 512, whatever it costs",
    )
    parser.add_argument(
        "--max-memory",
        type=int,
        metavar="MB",
        help="most memory the fill may take beside the picture: looks less closely where it would take more (default:"
        " no limit)",
    )
    _add_engine_options(parser)
    parser.add_argument(
        "--runtime",
        default="onnxruntime",
        help="what runs the network: onnxruntime, or openvino, which is faster on some processors and needs:"
        " pip install 'rethined[openvino]'",
    )


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    _add_network_option(parser)
    parser.add_argument("--threads", type=int, help="threads to use (default: all cores)")


def _add_network_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", metavar="FILE", help="a rethined ONNX file (default: the one in the package)")


def _add_peer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peers-python",
        type=Path,
        metavar="PATH",
        help="interpreter with opencv-contrib-python-headless, for the methods xphoto-shiftmap, xphoto-fsr-fast and"
        " xphoto-fsr-best",
    )


def _run_inpaint(parsed: argparse.Namespace) -> None:
    from rethined.engine import Inpainter
    from rethined.imageio import expect_writable, read_image, write_image
    from rethined.masks import as_hole

    options = _fill_options(parsed)
    expect_writable(parsed.out)
    if parsed.explain is not None:
        expect_writable(parsed.explain)
    with _plain_warnings():
        image = read_image(parsed.photo, as_stored=True)
        expect_writable(parsed.out, image)
        hole = as_hole(parsed.mask, image.shape[:2], invert=parsed.invert)
        inpainter = Inpainter(parsed.network, options=options, threads=parsed.threads, runtime=parsed.runtime)
        result = inpainter.fill(image, hole, forbid=parsed.forbid, on_progress=_tell_when_slow())
        explained = None
        if parsed.explain is not None:
            explained = inpainter.explain(image, hole, forbid=parsed.forbid).picture()
    write_image(parsed.out, result.image)
    if explained is not None:
        write_image(parsed.explain, explained)
    if parsed.times:
        for name, milliseconds in result.stages_ms.items():
            print(f"{name:10s} {milliseconds:8.1f} ms")


def _fill_options(parsed: argparse.Namespace) -> InpaintOptions:
    from rethined.options import InpaintOptions

    return InpaintOptions(
        preset=parsed.preset,
        working_px=parsed.working_px,
        grow_px=parsed.grow,
        max_memory_mb=parsed.max_memory,
    )


def _run_batch(parsed: argparse.Namespace) -> int:
    from rethined.batch.fill import Settings
    from rethined.batch.pool import stop_on_interrupt
    from rethined.batch.progress import Progress
    from rethined.batch.run import fill_all, preview_all
    from rethined.weights import SHIPPED_NETWORK

    settings = Settings(
        network=SHIPPED_NETWORK if parsed.network is None else Path(parsed.network),
        options=_fill_options(parsed),
        invert=parsed.invert,
        forbid=None if parsed.forbid is None else Path(parsed.forbid),
        threads=parsed.threads,
        runtime=parsed.runtime,
    )
    jobs = _batch_jobs(parsed, settings.forbid)

    def progress(total: int) -> Progress:
        return Progress(total, sys.stderr, quiet=parsed.quiet)

    def on_stop() -> None:
        # One write to the file itself: the stream may be in the middle of a line when the signal comes.
        os.write(2, b"\nrethined: finishing what is going on; Ctrl-C again ends at once\n")

    with stop_on_interrupt(on_stop) as is_stopped:
        if parsed.preview:
            outcome = preview_all(jobs, settings, parsed.out, progress, on_line=print, is_stopped=is_stopped)
        else:
            outcome = fill_all(
                jobs, settings, parsed.out, progress, processes=parsed.jobs, again=parsed.again, is_stopped=is_stopped
            )
        if is_stopped():
            raise KeyboardInterrupt
    return EXIT_SOME_FAILED if outcome.failed else EXIT_OK


def _batch_jobs(parsed: argparse.Namespace, forbid: Path | None) -> JobList:
    """What the arguments of ``batch`` ask for."""
    from rethined.batch.jobs import MaskRule, as_preview, keep_name, list_jobs, pair_jobs, with_format
    from rethined.batch.manifest import read_manifest

    naming = keep_name if parsed.format is None else with_format(parsed.format)
    if parsed.preview:
        naming = as_preview
    given = [parsed.mask, parsed.mask_dir, parsed.mask_suffix, parsed.mask_alpha or None]
    if parsed.manifest is not None:
        if parsed.photos or parsed.recursive or any(rule is not None for rule in given):
            raise OptionError("--manifest names photographs and masks; leave out PHOTOS, --recursive and --mask...")
        pairs = read_manifest(parsed.manifest, parsed.out)
        return pair_jobs(pairs, parsed.manifest.parent, parsed.out, naming=naming, forbid=forbid)
    if not parsed.photos:
        raise OptionError("no photographs are given; expected files, folders or patterns, or a --manifest")
    if parsed.mask_alpha and parsed.invert:
        raise OptionError("--invert goes with a mask, not with --mask-alpha: what is transparent is not known")
    rule = MaskRule(file=parsed.mask, folder=parsed.mask_dir, suffix=parsed.mask_suffix, alpha=parsed.mask_alpha)
    return list_jobs(parsed.photos, rule, parsed.out, recursive=parsed.recursive, naming=naming, forbid=forbid)


def _tell_when_slow() -> Callable[[str, float], None]:
    """Names the stages that begin more than two seconds after the start."""
    started = time.monotonic()
    told = ""

    def tell(stage: str, share: float) -> None:
        nonlocal told
        seconds = time.monotonic() - started
        if stage != told and seconds > SILENT_S:
            print(f"rethined: {stage}, {share:.0%} done ({seconds:.0f} s)", file=sys.stderr)
        told = stage

    return tell


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Tells what is odd about a mask in one line, and once: the engine looks at the same mask again."""
    from rethined.masks import MaskWarning

    told: set[str] = set()

    def tell(message: Warning | str, *_where: object, **_more: object) -> None:
        if str(message) not in told:
            print(f"rethined: warning: {message}", file=sys.stderr)
        told.add(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", MaskWarning)
        warnings.showwarning = tell
        yield


def _run_demo(parsed: argparse.Namespace) -> None:
    from rethined.demo import run_demo

    run_demo(parsed.out, network=parsed.network, threads=parsed.threads)


def _run_train(parsed: argparse.Namespace) -> None:
    try:
        from rethined.train.run import train_folder
    except ImportError as error:
        raise _missing_extra("train", error) from error
    names = ("steps", "cooldown_steps", "learning_rate", "seed", "feature_weight")
    changes = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    train_folder(
        parsed.folder,
        parsed.out,
        settings_file=parsed.config,
        changes=changes,
        cache=parsed.cache,
        start_from=parsed.start_from,
        val_folder=parsed.val,
        max_minutes=parsed.max_minutes,
        threads=parsed.threads,
        tensorboard=parsed.tensorboard,
    )


def _run_finetune(parsed: argparse.Namespace) -> None:
    try:
        from rethined.finetune.run import finetune_folder
    except ImportError as error:
        raise _missing_extra("train", error) from error
    table = finetune_folder(
        parsed.folder,
        parsed.out,
        minutes=parsed.minutes,
        hold_out=parsed.hold_out,
        learning_rate=parsed.learning_rate,
        training_data=parsed.training_data,
        cache=parsed.cache,
        threads=parsed.threads,
    )
    print(table)
    print(
        f"in {parsed.out.parent}: " + ", ".join(f"{parsed.out.stem}{end}" for end in (".onnx", ".safetensors", ".md"))
    )


def _run_eval(parsed: argparse.Namespace) -> None:
    try:
        from rethined.eval.command import run_eval
    except ImportError as error:
        raise _missing_extra("bench", error) from error
    table = run_eval(
        parsed.folder,
        parsed.out,
        sizes_px=[] if parsed.sizes == "native" else _whole_numbers(parsed.sizes),
        presets=parsed.masks.split(","),
        methods=parsed.methods.split(","),
        reference=parsed.reference,
        limit=parsed.limit,
        seed=parsed.seed,
        network=parsed.network,
        threads=parsed.threads,
        peers_python=parsed.peers_python,
        with_perc=not parsed.no_perc,
        metric_weights=parsed.metric_weights,
    )
    print(table)
    print(f"\nreport in {parsed.out}: report.html, report.md, report.json, scores.csv")


def _run_dataset_df8k(parsed: argparse.Namespace) -> None:
    try:
        from rethined.dataset.build import build_df8k
    except ImportError as error:
        raise _missing_extra("bench", error) from error
    items = build_df8k(parsed.df2k, parsed.cafhq, parsed.masks, parsed.out, tell=_tell)
    _print_splits(parsed.out, [item.split for item in items])


def _run_dataset_build(parsed: argparse.Namespace) -> None:
    try:
        from rethined.dataset.build import build_folder
    except ImportError as error:
        raise _missing_extra("bench", error) from error
    items = build_folder(parsed.folder, parsed.out, tell=_tell)
    _print_splits(parsed.out, [item.split for item in items])


def _run_dataset_verify(parsed: argparse.Namespace) -> None:
    from rethined.dataset.manifest import load_benchmark, problems

    found = list(problems(parsed.folder))
    if found:
        raise DatasetError(f"{parsed.folder} is damaged: {'; '.join(found)}; build it again")
    print(f"{parsed.folder}: {len(load_benchmark(parsed.folder))} pictures, all as they were built")


def _tell(line: str) -> None:
    print(f"rethined: {line}", file=sys.stderr)


def _print_splits(out: Path, splits: Sequence[str]) -> None:
    counts = ", ".join(f"{splits.count(split)} {split}" for split in ("train", "val", "test"))
    print(f"{out}: {len(splits)} pictures ({counts}), manifest.json")


def _run_bench(parsed: argparse.Namespace) -> None:
    from rethined.bench.run import run_bench

    table = run_bench(
        parsed.out,
        sides_px=_whole_numbers(parsed.sizes),
        methods=parsed.methods.split(","),
        reference=parsed.reference,
        network=parsed.network,
        threads=_thread_counts(parsed.threads),
        shares=_numbers(parsed.shares),
        peers_python=parsed.peers_python,
        on_row=lambda what: print(f"rethined: timing {what}", file=sys.stderr),
    )
    print(table)
    print(f"in {parsed.out}: bench.json, bench.md")


def _run_figures(parsed: argparse.Namespace) -> None:
    try:
        from rethined.figures.command import run_figures
    except ImportError as error:
        raise _missing_extra("bench", error) from error
    drawn = run_figures(
        parsed.out,
        eval_file=parsed.eval_file,
        bench_file=parsed.bench_file,
        score=parsed.score,
        size_px=parsed.size,
        preset=parsed.masks,
    )
    for line in drawn.left_out:
        print(f"left out: {line}")
    for file in drawn.files:
        print(file)


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of whole numbers; expected for example 1024,2048") from error


def _thread_counts(text: str) -> list[int | None]:
    try:
        return [None if part == "all" else int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of numbers of threads; expected for example 1,all") from error


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of numbers; expected for example 0.01,0.07") from error


def _run_export_onnx(parsed: argparse.Namespace) -> None:
    try:
        from rethined.export.run import export_run
    except ImportError as error:
        raise _missing_extra("train", error) from error
    print(f"exporting {parsed.state}: fusing, tracing, comparing with torch", file=sys.stderr)
    difference = export_run(parsed.state, parsed.out, training_data=parsed.training_data)
    print(f"{parsed.out}: largest difference from torch {difference:.1e}")


def _missing_extra(extra: str, error: ImportError) -> MissingExtraError:
    return MissingExtraError(f"this command needs the package {error.name!r}: pip install 'rethined[{extra}]'")

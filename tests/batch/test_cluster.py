from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from rethined.batch import cluster as cluster_module
from rethined.batch.cluster import cluster_engine, scatter
from rethined.batch.fill import Settings
from rethined.batch.jobs import Task
from rethined.batch.journal import JOURNAL_NAME
from rethined.cli import main
from rethined.errors import ClusterError, ImageReadError, MissingExtraError, ModelSignatureError
from rethined.imageio import write_image
from rethined.masking import AlphaMask, FileMask
from rethined.places import Url, located
from rethined.types import HoleMap, Image8

pytestmark = pytest.mark.usefixtures("album")

NO_RAY = "a cluster needs Ray; scripts/test-cluster installs it and runs these"
FILES = 40
EXITS = "__import__('os')._exit(3)"


def test_without_ray_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tiny_network_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MissingExtraError, match=r"needs the package 'ray': pip install 'rethined\[cluster\]'"),
        cluster_engine(Settings(network=tiny_network_path)),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto"])
def test_where_no_cluster_is_nobody_waits(address: str, tiny_network_path: Path) -> None:
    pytest.importorskip("ray", reason=NO_RAY)
    with (
        pytest.raises(ClusterError, match=f"cannot connect to a Ray cluster at '{address}'"),
        cluster_engine(Settings(network=tiny_network_path), address=address),
    ):
        pass


def test_an_order_carries_what_workers_may_not_have(
    tmp_path: Path, tiny_network_path: Path, photo: Image8, hole: HoleMap
) -> None:
    forbid = tmp_path / "forbid.png"
    write_image(tmp_path / "a.png", photo)
    write_image(tmp_path / "mask.png", hole.astype("uint8") * 255)
    write_image(forbid, hole.astype("uint8") * 255)
    order = cluster_module._Order.of(Settings(network=tiny_network_path, forbid=forbid), 1)
    order = pickle.loads(pickle.dumps(order))
    order = replace(order, settings=replace(order.settings, network=Path("/nowhere/n.onnx"), forbid=Path("/nowhere/f")))
    (tmp_path / "there").mkdir()
    forbid.unlink()
    work = order.work(tmp_path / "there")
    work(Task(tmp_path / "a.png", FileMask(path=tmp_path / "mask.png"), tmp_path / "out.png", "out.png"))
    assert (tmp_path / "out.png").is_file()
    with pytest.raises(ImageReadError):
        work(Task(tmp_path / "b.png", AlphaMask(), tmp_path / "out.png", "out.png"))


def test_a_worker_with_another_network_refuses(tmp_path: Path) -> None:
    order = replace(cluster_module._Order.of(Settings(), 1), network_sha256="0" * 64, version="9.9")
    with pytest.raises(ModelSignatureError, match=r"another network than rethined 9\.9"):
        order.work(tmp_path)


@pytest.fixture(scope="module")
def store() -> Iterator[str | None]:
    """A bucket of a store on this machine that all processes reach that are started from now on; if moto is there."""
    try:
        import s3fs
        from moto.server import ThreadedMotoServer
    except ImportError:
        yield None
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        s3fs.S3FileSystem().mkdir("bucket")
        yield "bucket"
    server.stop()


@pytest.fixture(scope="module")
def cluster(store: str | None) -> Iterator[object]:
    """A cluster on this machine: a head that does no work, and two nodes of one core."""
    pytest.importorskip("ray", reason=NO_RAY)
    from ray.cluster_utils import Cluster

    del store  # only that it is there before the workers are
    node = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1, **node)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def connected(cluster: object) -> Iterator[None]:
    with cluster_module._connected(cluster.address, cpus=None):
        yield


def scattered(items: list[str], **more: object) -> dict[str, object]:
    """Items are evaluated by workers; what became of each."""
    given = {"argument": None, "cpus": 1, "at_once": 2, "is_stopped": lambda: False, **more}
    # A lambda goes to the workers as it is: they cannot import this module.
    done = [(item, future) for item, future in scatter(lambda _, item: eval(item), items, **given)]
    assert len({item for item, _ in done}) == len(done), "each is told of once"
    return {item: future.exception() or future.result() for item, future in done}


@pytest.mark.usefixtures("connected")
def test_a_worker_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    times = tmp_path / "times"
    # Dies the first time it is done, and writes down that it was begun.
    once = f"open({str(times)!r}, 'a').write('x') and len(open({str(times)!r}).read()) == 1 and {EXITS} or 'done'"
    done = scattered(["1", once, "2", EXITS, "1 / 0", "3"])
    assert done.pop(once) == "done"
    assert times.read_text() == "xx"
    assert isinstance(done.pop(EXITS), BrokenProcessPool)
    assert isinstance(done.pop("1 / 0"), ZeroDivisionError)
    assert done == {"1": 1, "2": 2, "3": 3}


@pytest.mark.usefixtures("connected")
def test_both_nodes_work_and_no_more_than_they_have_cores_for() -> None:
    # The node's name is all that tells two nodes of one machine apart.
    node = "__import__('time').sleep(.3) or __import__('ray').get_runtime_context().get_node_id() + '{}'"
    nodes = {str(name)[:-1] for name in scattered([node.format(i) for i in range(6)], at_once=None).values()}
    assert len(nodes) == 2
    assert cluster_module._Room(1, None).now() == 2
    assert cluster_module._Room(2, None).now() == 1
    assert cluster_module._Room(1, 5).now() == 5


@pytest.mark.usefixtures("connected")
def test_after_a_stop_nothing_is_begun() -> None:
    assert scattered(["1", "2"], is_stopped=lambda: True) == {}


@pytest.mark.usefixtures("connected")
def test_what_a_worker_cannot_even_begin_is_an_error_of_that_item() -> None:
    (error,) = scattered(["lambda: 0"]).values()  # a result that can be sent: Ray knows how
    assert callable(error)
    (error,) = scattered(["__import__('threading').Lock()"]).values()  # one that cannot
    assert "the worker could not do it" in str(error)


@pytest.fixture
def run(cluster: object, photo: Image8, tiny_network_path: Path) -> Callable[..., list[str]]:
    """The arguments that fill many photographs on the cluster, and those that do it here."""
    for i in range(FILES - 2):
        write_image(f"photos/many{i:02d}.png", photo)

    def arguments(out: str, *more: str, is_here: bool = False) -> list[str]:
        where = [] if is_here else ["--engine", "ray", "--cluster", cluster.address]
        network = ["--network", str(tiny_network_path), "--threads", "1"]
        return ["batch", "photos", "--mask", "mask.png", "--out", out, *network, *where, *more]

    return arguments


def lines(out: str) -> list[bytes]:
    journal = Path(out, JOURNAL_NAME)
    return journal.read_bytes().splitlines() if journal.is_file() else []


def busy_workers(cluster: object) -> list[int]:
    """Processes of the cluster's nodes that are filling right now: Ray writes it into their names."""
    nodes = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    found = []
    for place in Path("/proc").iterdir():
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in nodes and (place / "cmdline").read_bytes().startswith(b"ray::_guarded"):
                found.append(int(place.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for workers below /proc")
def test_every_file_is_done_once_when_a_worker_is_killed(
    cluster: object, run: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        until_s = time.monotonic() + 60
        while not killed and time.monotonic() < until_s:
            if len(lines("out")) >= 5:
                for pid in busy_workers(cluster)[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.001)

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert main(run("out")) == 0
    killer.join()
    assert len(killed) == 1
    assert f"rethined: {FILES} filled" in capsys.readouterr().err
    names = sorted(path.name for path in Path("photos").glob("*.png"))
    assert len(names) == FILES
    assert sorted(line.split(b'"')[3].decode() for line in lines("out")) == names
    assert main(run("here", is_here=True)) == 0
    for name in names:
        assert Path("out", name).read_bytes() == Path("here", name).read_bytes()


def test_a_killed_run_goes_on_where_it_was(run: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen([sys.executable, "-m", "rethined", *run("out")], stderr=subprocess.DEVNULL)
    while process.poll() is None and len(lines("out")) < 5:
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = len(lines("out"))
    assert 5 <= done < FILES
    assert main(run("out")) == 0
    assert capsys.readouterr().err.endswith(f"rethined: {FILES - done} filled, {done} done before\n")
    assert len(lines("out")) == FILES


def test_errors_and_exit_statuses_are_those_of_a_run_here(
    run: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in Path("photos").glob("many*"):
        path.unlink()
    Path("photos/broken.png").write_text("no picture")
    assert main(run("here", is_here=True)) == 1
    here = capsys.readouterr().err
    assert main(run("out")) == 1
    there = capsys.readouterr().err
    for text in (here, there):
        assert text.count("photos/broken.png: ") == 2
        assert text.endswith("rethined: 2 filled, 1 failed\n")
    assert main(run("out", "--threads", "2")) == 2
    assert "no machine of the cluster has more than 1 cores" in capsys.readouterr().err


def test_photographs_masks_and_results_in_a_store(
    store: str | None, run: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    if store is None:
        pytest.skip("the store is moto's; scripts/test-cluster installs it and runs this")
    bucket = located(f"s3://{store}")
    assert isinstance(bucket, Url)
    for path in (*Path("photos").glob("*.png"), Path("mask.png")):
        (bucket / path).send(path)
    (bucket / "photos/broken.png").write_bytes(b"no picture")
    arguments = run(f"s3://{store}/out", "--mask", f"s3://{store}/mask.png")
    arguments[1] = f"s3://{store}/photos"
    assert main(arguments) == 1
    assert capsys.readouterr().err.endswith(f"rethined: {FILES} filled, 1 failed\n")
    assert main(run("here", is_here=True)) == 0
    for path in Path("here").glob("*.png"):
        assert (bucket / "out" / path.name).read_bytes() == path.read_bytes()
    (bucket / "photos/broken.png").unlink()
    (bucket / "out/a.png").unlink()
    assert main(arguments) == 0
    assert capsys.readouterr().err.endswith(f"rethined: 1 filled, {FILES - 1} done before\n")

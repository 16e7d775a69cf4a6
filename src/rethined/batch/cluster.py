"""Photographs filled by the machines of a Ray cluster (extra ``cluster``): one task a photograph.

Ray's tasks, not Ray Data: a photograph is read and written by the one that fills it, and no data flow between steps.
What a run promises is told by photograph, and Ray Data knows blocks: one whose worker dies is tried for ever
(Ray 2.60), so that a photograph that kills its worker keeps the run from ending, and nothing says which one it is.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rethined._version import __version__
from rethined.batch.fill import Filler, Report, Settings, expect_no_less_than_one
from rethined.batch.jobs import Task
from rethined.batch.pool import POLL_S, IsStopped
from rethined.batch.staging import Work, staged, with_file
from rethined.errors import ClusterError, MissingExtraError, ModelSignatureError, OptionError
from rethined.files import sha256_of
from rethined.places import Location, Url
from rethined.runtime import available_cores
from rethined.weights import SHIPPED_NETWORK

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_DEATHS = 3
"""How many workers a photograph may take with it: machines go away, and the killer of a full one is not particular."""
SIZE_HOLDS_S = 2.0
"""How long the size of the cluster is taken to be what it was."""
ANSWERS_WITHIN_S = 5.0
"""How long a cluster may take to accept a connection."""
OWN_STORE_BYTES = 100 * 2**20
"""Ray's memory for objects in a cluster of our own: it carries orders and reports, no pictures."""


@contextmanager
def cluster_engine(
    settings: Settings, *, address: str | None = None, at_once: int | None = None
) -> Iterator[ClusterEngine]:
    """An engine whose photographs are filled by a cluster, connected for as long as the context lasts.

    Args:
        settings: How. The network and the forbid mask may be files of this machine.
        address: As Ray takes it, ``auto`` for the cluster that this machine is part of; ``None``: what ``RAY_ADDRESS``
            names, else one is started here and ended again.
        at_once: How many photographs at once; ``None``: as many as the cluster has cores for. More than it has room
            for are waiting tasks, at which a cluster grows that can.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: No cluster at the address.
        OptionError, ModelError: Settings that no photograph could be filled with.
    """
    expect_no_less_than_one("jobs", at_once)
    expect_no_less_than_one("threads", settings.threads)
    Filler(settings, 1)  # what is wrong with it is then said once, and not for each photograph
    threads = settings.threads or 1
    with _connected(address, cpus=None if at_once is None else at_once * threads):
        _expect_room(threads)
        yield ClusterEngine(settings, threads, at_once)


class ClusterEngine:
    """Fills on the cluster that this process is connected to.

    Args:
        settings: How.
        threads: Cores of each photograph.
        at_once: As for :func:`cluster_engine`.
    """

    def __init__(self, settings: Settings, threads: int, at_once: int | None) -> None:
        self._order = _Order.of(settings, threads)
        self._at_once = at_once

    def fill(self, tasks: Sequence[Task], *, is_stopped: IsStopped) -> Iterator[tuple[Task, Future[Report]]]:
        """As :meth:`rethined.batch.engines.Engine.fill`."""
        given = {task.name: task for task in tasks}
        done = scatter(
            _fill_there,
            [_from_anywhere(task) for task in tasks],
            argument=self._order,
            cpus=self._order.threads,
            at_once=self._at_once,
            is_stopped=is_stopped,
        )
        return ((given[task.name], future) for task, future in done)


def scatter(
    work: Callable[[Any, Item], Result],
    items: Sequence[Item],
    *,
    argument: object,
    cpus: int,
    at_once: int | None,
    is_stopped: IsStopped,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Calls ``work(argument, item)`` for each item as a Ray task; what comes out is as that of :func:`spread`.

    An item whose worker dies is begun again; after the third it has a :class:`BrokenProcessPool` as its error.

    Args:
        work: Named in a module that the workers have too; an item in flight may be computed twice.
        items: What to call it with.
        argument: Sent to the cluster once.
        cpus: Cores of each task.
        at_once: How many tasks are handed over at most; ``None``: as many as there are cores for.
        is_stopped: Asked before each item; after ``True`` only what is going on is finished.
    """
    import ray
    from ray import exceptions

    deaths = (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.OwnerDiedError,
    )
    # Retries are counted here: Ray does not count all kinds of death, and repeats some for ever.
    task = ray.remote(num_cpus=cpus, max_retries=0)(_guarded)
    sent = ray.put(argument)
    room = _Room(cpus, at_once)
    waiting = deque(enumerate(items))
    going: dict[Any, tuple[int, Item]] = {}
    died: Counter[int] = Counter()
    while True:
        while waiting and len(going) < room.now() and not is_stopped():
            number, item = waiting.popleft()
            going[task.remote(work, sent, item)] = (number, item)
        if not going:
            return
        for reference in ray.wait(list(going), num_returns=1, timeout=POLL_S)[0]:
            number, item = going.pop(reference)
            future: Future[Result] = Future()
            try:
                result, error = ray.get(reference)
            except deaths as death:
                died[number] += 1
                if died[number] < MOST_DEATHS:
                    waiting.append((number, item))
                    continue
                future.set_exception(BrokenProcessPool(f"{died[number]} workers died, the last of: {death}"))
            except exceptions.RayError as failure:
                # Not of the work, whose errors come back as results: the worker could not even begin or answer.
                future.set_exception(ClusterError(f"the worker could not do it: {failure}"))
            else:
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            yield item, future


def _guarded(work: Callable[[Any, Item], Result], argument: object, item: Item) -> tuple[Result | None, Any]:
    """The result or the error; Ray would wrap an error into a class of its own, with the whole trace as its text."""
    try:
        return work(argument, item), None
    except Exception as error:  # noqa: BLE001 - handed to the caller, as a process would
        return None, error


class _Room:
    """How many tasks may be handed over."""

    def __init__(self, cpus: int, at_once: int | None) -> None:
        self._cpus = cpus
        self._at_once = at_once
        self._fits = 1
        self._asked_s = -float("inf")

    def now(self) -> int:
        if self._at_once is not None:
            return self._at_once
        if time.monotonic() - self._asked_s > SIZE_HOLDS_S:
            import ray

            self._fits = max(1, int(ray.cluster_resources().get("CPU", 0)) // self._cpus)
            self._asked_s = time.monotonic()
        return self._fits


@dataclass(frozen=True)
class _Order:
    """What a worker needs to know to fill photographs.

    Attributes:
        settings: How; the paths in it are those of the machine that gave the order.
        threads: Of each photograph.
        version: Of rethined there.
        network_sha256: Of the network there.
        network: Its content, unless it is the one in the package.
        forbid: Content of the forbid mask.
    """

    settings: Settings
    threads: int
    version: str
    network_sha256: str
    network: bytes | None
    forbid: bytes | None

    @classmethod
    def of(cls, settings: Settings, threads: int) -> _Order:
        is_shipped = settings.network == SHIPPED_NETWORK
        return cls(
            settings,
            threads,
            __version__,
            sha256_of(settings.network),
            None if is_shipped else settings.network.read_bytes(),
            None if settings.forbid is None else settings.forbid.read_bytes(),
        )

    def work(self, folder: Path) -> Work:
        """The work as it can be done on this machine; ``folder`` keeps what was sent along.

        Raises:
            ModelSignatureError: This machine's rethined has another network.
        """
        network = SHIPPED_NETWORK if self.network is None else folder / "network.onnx"
        forbid = None if self.settings.forbid is None else folder / self.settings.forbid.name
        if self.network is not None:
            network.write_bytes(self.network)
        if forbid is not None and self.forbid is not None:
            forbid.write_bytes(self.forbid)
        if sha256_of(network) != self.network_sha256:
            raise ModelSignatureError(
                f"{socket.gethostname()} has rethined {__version__} with another network than rethined {self.version},"
                " which gave the order; install the same version on all machines of the cluster"
            )
        return staged(Filler(replace(self.settings, network=network, forbid=forbid), self.threads))


_ready_here: dict[str, tuple[_Order, Work, Any]] = {}
"""The last order of a worker, what does it, and the folder that lives as long."""


def _fill_there(order: _Order, task: Task) -> Report:
    """What a worker does."""
    ready = _ready_here.get("order")
    if ready is None or ready[0] != order:
        folder = tempfile.TemporaryDirectory(prefix="rethined-")
        ready = _ready_here["order"] = (order, order.work(Path(folder.name)), folder)
    return ready[1](task)


def _from_anywhere(task: Task) -> Task:
    """The same task with paths that mean the same in another working folder: workers have one of their own."""

    def absolute(place: Location) -> Location:
        return place if isinstance(place, Url) else place.absolute()

    mask = with_file(task.mask, absolute)
    return replace(task, photo=absolute(task.photo), mask=mask, out=absolute(task.out))


@contextmanager
def _connected(address: str | None, *, cpus: int | None) -> Iterator[None]:
    """A connection to a cluster; one that the host process has made already is taken as it is."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            f"a cluster needs the package {error.name!r}: pip install 'rethined[cluster]'"
        ) from error
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    more: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of ours tells nobody of its use
        more = {
            "num_cpus": cpus or available_cores(),
            "object_store_memory": OWN_STORE_BYTES,
            "include_dashboard": False,
        }
    try:
        _expect_answer(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **more)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"cannot connect to a Ray cluster at {address!r}: {error}; check --cluster or RAY_ADDRESS"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _expect_answer(address: str) -> None:
    """Checks that somebody listens at ``HOST:PORT``; Ray (2.60) waits for more than ten minutes, and says nothing.

    Raises:
        OSError: Nobody does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN_S).close()


def _expect_room(cpus: int) -> None:
    """Checks that some machine has as many cores as a photograph is to get; a cluster of none may grow."""
    import ray

    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if 0 < max(cores, default=0) < cpus:
        raise OptionError(
            f"threads is {cpus}, and no machine of the cluster has more than {max(cores)} cores; pass fewer --threads"
        )

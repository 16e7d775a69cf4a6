from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rethined.engine import Inpainter
from rethined.errors import OptionError
from rethined.types import Image8
from served import SlowWork, encoded, served, until

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
from rethined.serve.app import create_app
from rethined.serve.run import serve
from rethined.serve.settings import ServeSettings

FILL = "/v1/fill?box=30,20,20,20"
# The command, with a filling that takes until a file appears.
PROGRAM = """
import sys, time
from pathlib import Path
from rethined.cli import main
from rethined.serve import app

fill = app.fill_files

def wait_and_fill(inpainter, job, step):
    while not Path(sys.argv[1]).exists():
        step()
        time.sleep(0.01)
    return fill(inpainter, job, step)

app.fill_files = wait_and_fill
sys.exit(main(["serve", "--port", "0", "--workers", "1", "--threads", "1", "--network", sys.argv[2]]))
"""


def ask(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def program(go_on: Path, network: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server as a process, and its address."""
    command = [sys.executable, "-c", PROGRAM, str(go_on), str(network)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        yield process, re.fullmatch(r"rethined: serving on (http://127\.0\.0\.1:\d+) until Ctrl-C\n", line)[1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def go_on(tmp_path: Path) -> Path:
    return tmp_path / "go-on"


def post_in_thread(address: str, photo: Image8) -> tuple[threading.Thread, list[tuple[int, bytes]]]:
    answers: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: answers.append(ask(address, "POST", FILL, encoded(photo))))
    thread.start()
    until(lambda: b"rethined_fills_in_flight 1.0\n" in ask(address, "GET", "/metrics")[1])
    return thread, answers


def test_after_sigterm_what_runs_is_finished_and_new_requests_get_503(
    go_on: Path, tiny_network_path: Path, photo: Image8
) -> None:
    with program(go_on, tiny_network_path) as (process, address):
        thread, answers = post_in_thread(address, photo)
        process.send_signal(signal.SIGTERM)
        until(lambda: ask(address, "GET", "/ready")[0] == 503)
        assert ask(address, "GET", "/health")[0] == 200
        status, problem = ask(address, "POST", FILL, encoded(photo))
        assert (status, b"the server is stopping" in problem) == (503, True)
        assert process.poll() is None
        go_on.touch()
        thread.join()
        assert answers[0][0] == 200
        assert answers[0][1].startswith(b"\x89PNG")
        assert process.wait(10) == 0
        assert process.stderr.read() == "rethined: finishing what is going on (1); again ends at once\n"


def test_a_second_signal_ends_what_runs(go_on: Path, tiny_network_path: Path, photo: Image8) -> None:
    with program(go_on, tiny_network_path) as (process, address):
        thread, answers = post_in_thread(address, photo)
        process.send_signal(signal.SIGINT)
        until(lambda: ask(address, "GET", "/ready")[0] == 503)
        process.send_signal(signal.SIGINT)
        thread.join()
        assert answers[0][0] == 503
        assert process.wait(10) == 0


@pytest.fixture
def small_server(inpainter: Inpainter, leftovers: Callable[[], list[Path]]) -> Iterator[str]:
    with served(create_app(inpainter, ServeSettings(workers=1, timeout_s=0.3))) as address:
        yield address
    assert leftovers() == []


def test_when_the_client_goes_its_fill_ends(
    inpainter: Inpainter, photo: Image8, slow_work: SlowWork, leftovers: Callable[[], list[Path]]
) -> None:
    with served(create_app(inpainter, ServeSettings(workers=1))) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc)
        connection.request("POST", FILL, encoded(photo), {"Content-Type": "image/png"})
        until(lambda: slow_work.begun == 1)
        connection.close()
        until(lambda: slow_work.ended == 1)
        until(lambda: b'{path="/v1/fill",status="499"} 1.0\n' in ask(address, "GET", "/metrics")[1])
    assert leftovers() == []


def test_a_request_that_does_not_come_to_its_end_is_408(small_server: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(small_server).netloc)
    connection.putrequest("POST", FILL)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"only some")
    assert connection.getresponse().status == 408
    connection.close()


def test_a_client_that_goes_while_it_sends_is_499(small_server: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(small_server).netloc)
    connection.putrequest("POST", FILL)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"--x\r\n")
    connection.close()
    until(lambda: b'{path="/v1/fill",status="499"} 1.0\n' in ask(small_server, "GET", "/metrics")[1])


def test_a_client_that_does_not_fetch_its_answer_is_cut_off(inpainter: Inpainter, photo: Image8) -> None:
    large = photo.repeat(40, axis=0).repeat(40, axis=1)  # more than the buffers of the system take
    with served(create_app(inpainter, ServeSettings(workers=1, timeout_s=2))) as address:
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = encoded(large, "BMP")
            headers = f"Host: {parts.netloc}\r\nContent-Type: image/bmp\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(f"POST {FILL} HTTP/1.1\r\n{headers}".encode() + body)
            until(lambda: b"rethined_requests_in_flight 1.0\n" in ask(address, "GET", "/metrics")[1])
            until(lambda: b"rethined_requests_in_flight 0.0\n" in ask(address, "GET", "/metrics")[1])


def test_a_place_that_is_taken_is_named(inpainter: Inpainter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"cannot listen on 127.0.0.1 port {port}: .*; choose another --host or"):
            serve(inpainter, ServeSettings(port=port), print)

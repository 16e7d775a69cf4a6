from __future__ import annotations

from collections.abc import Callable

import pytest

from rethined.types import Image8
from served import encoded

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("httpx2", reason="the test client needs httpx2")
from fastapi.testclient import TestClient

MakeClient = Callable[..., TestClient]
FILL = "/v1/fill?box=30,20,20,20"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8766", "127.0.0.1:1", "[::1]:8766"])
def test_it_answers_to_its_own_names(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8766", "localhost.evil:80", "", "[::1"])
def test_another_name_that_points_at_this_machine_is_421(client: TestClient, host: str) -> None:
    answer = client.get("/v1/info", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["detail"].startswith(f"the Host is {host!r}")


def test_a_server_for_all_answers_to_any_name(make_client: MakeClient) -> None:
    client = make_client(host="0.0.0.0")
    assert client.get("/health", headers={"Host": "photos.example"}).status_code == 200


def test_pages_of_other_servers_may_send_nothing(client: TestClient, photo: Image8) -> None:
    def post(origin: str) -> int:
        headers = {"Content-Type": "image/png", "Origin": origin}
        return client.post(FILL, content=encoded(photo), headers=headers).status_code

    assert post("http://127.0.0.1:8766") == 200
    others = ("http://127.0.0.1:9", "https://evil.example", "null", "http://[")
    assert [post(origin) for origin in others] == [403] * 4
    answer = client.post(FILL, content=b"", headers={"Content-Type": "image/png", "Origin": "null"})
    assert answer.json()["detail"].startswith("the Origin is 'null', that of a page without a server")
    answer = client.get("/v1/info", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options(FILL, headers=preflight).status_code == 405


def test_an_allowed_origin_is_let_in_and_no_other(make_client: MakeClient, photo: Image8) -> None:
    client = make_client(allow_origins=("https://photos.example",))
    headers = {"Content-Type": "image/png", "Origin": "https://photos.example"}
    answer = client.post(FILL, content=encoded(photo), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://photos.example"
    assert "Rethined-Warning" in answer.headers["access-control-expose-headers"]
    refused = client.post(FILL, content=b"", headers={**headers, "Host": "evil.example"})
    assert refused.status_code == 421
    assert client.get("/health", headers={"Host": "photos.example"}).status_code == 200
    other = client.post(FILL, content=b"", headers={**headers, "Origin": "https://evil.example"})
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers


def test_every_answer_keeps_pages_apart(client: TestClient) -> None:
    for path, cache in (("/", "no-cache"), ("/page/main.js", "no-cache"), ("/v1/info", "no-store"), ("/x", "no-store")):
        headers = client.get(path).headers
        assert headers["cache-control"] == cache
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["referrer-policy"] == "no-referrer"


def test_strange_addresses_are_counted_as_one(client: TestClient) -> None:
    for i in range(5):
        client.get(f"/v1/{i}")
        client.get(f"/page/{i}.js")
    counted = client.get("/metrics").text
    assert 'rethined_requests_total{path="other",status="404"} 5.0\n' in counted
    assert 'rethined_requests_total{path="/page",status="404"} 5.0\n' in counted
    assert counted.count("rethined_requests_total{") == 2

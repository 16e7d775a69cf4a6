from __future__ import annotations

import pytest

from rethined.errors import OptionError
from rethined.serve.settings import ServeSettings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": ""}, "host is empty"),
        ({"port": 65536}, "port is 65536; expected a whole number from 0 to 65535"),
        ({"max_pixels": 0}, "max_pixels is 0; expected a whole number from 1 to 250000000"),
        ({"max_pixels": 250_000_001}, "max_pixels is 250000001"),
        ({"max_mb": 0}, "max_mb is 0"),
        ({"queue": -1}, "queue is -1"),
        ({"workers": 0}, "workers is 0"),
        ({"timeout_s": 0}, "timeout is 0; expected seconds above 0"),
        ({"timeout_s": float("nan")}, "timeout is nan"),
        ({"timeout_s": float("inf")}, "timeout is inf"),
        ({"allow_origins": ("photos.example",)}, "the allowed origin is 'photos.example'; expected for example https"),
        ({"allow_origins": ("http://[",)}, r"the allowed origin is 'http://\['"),
        ({"allow_origins": ("https://",)}, "the allowed origin is 'https://'"),
        ({"allow_origins": ("https://photos.example/",)}, "the allowed origin is 'https://photos.example/'"),
    ],
)
def test_what_is_out_of_range_is_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        ServeSettings(**settings)


@pytest.mark.parametrize(
    ("host", "is_private"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("photos.example", False),
    ],
)
def test_only_loopback_is_private(host: str, is_private: bool) -> None:
    assert ServeSettings(host=host).is_private is is_private
    assert ServeSettings().is_private, "nobody is let in who was not asked for"

"""The files that every installation has."""

from __future__ import annotations

from rethined.files import sha256_of
from rethined.session import OnnxSession
from rethined.weights import RANKING_GRAPH, SHIPPED_NETWORK, SHIPPED_TENSORS

MOST_BYTES = 12_000_000


def test_the_shipped_network_says_what_it_was_trained_on() -> None:
    stated = OnnxSession(SHIPPED_NETWORK, threads=1).metadata["training_data"]
    assert "not stated" not in stated
    assert "1,102 pictures" in stated


def test_the_shipped_network_was_made_from_the_shipped_tensors() -> None:
    assert OnnxSession(SHIPPED_NETWORK, threads=1).metadata["weights_sha256"] == sha256_of(SHIPPED_TENSORS)


def test_they_are_small() -> None:
    assert sum(file.stat().st_size for file in (SHIPPED_NETWORK, SHIPPED_TENSORS, RANKING_GRAPH)) < MOST_BYTES

from __future__ import annotations

from contextlib import suppress

import onnxruntime as ort
import pytest

from rethined import runtime
from rethined.runtime import open_graph, share_cores
from rethined.weights import RANKING_GRAPH


def settings(session: ort.InferenceSession) -> dict[str, str]:
    """What was set of how threads wait."""
    options, found = session.get_session_options(), {}
    for key in ("session.force_spinning_stop", "session.intra_op.allow_spinning"):
        with suppress(RuntimeError):  # not set
            found[key] = options.get_session_config_entry(key)
    return found


def test_threads_spin_during_a_run_alone() -> None:
    assert settings(open_graph(RANKING_GRAPH, threads=2)) == {"session.force_spinning_stop": "1"}


def test_where_cores_are_shared_threads_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_waiting", dict(runtime._waiting))  # the process of the tests stays as it is
    share_cores()
    assert settings(open_graph(RANKING_GRAPH, threads=2)) == {"session.intra_op.allow_spinning": "0"}

from __future__ import annotations

import torch

from rethined.train.meter import Meter


def test_meter_takes_means_and_starts_anew() -> None:
    meter = Meter()
    for name, value in (("a", 1.0), ("b", torch.tensor(5.0, requires_grad=True)), ("a", 2.0)):
        meter.add(name, value)
    assert meter.take() == {"a": 1.5, "b": 5.0}
    assert meter.take() == {}

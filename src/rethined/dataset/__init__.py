"""Benchmarks of photographs with fixed holes: built, checked, loaded.

>>> from rethined.dataset import load_benchmark  # doctest: +SKIP
>>> for item in load_benchmark("df8k", split="test"):  # doctest: +SKIP
...     image, hole = item.read()
"""

from rethined.dataset.manifest import BenchmarkItem, load_benchmark

__all__ = ["BenchmarkItem", "load_benchmark"]

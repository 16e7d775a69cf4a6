from __future__ import annotations

import threading
import warnings

from rethined.masks import MaskWarning
from rethined.serve.hearing import heard, hearing


def test_each_thread_hears_its_own_masks_each_once() -> None:
    both_are_here = threading.Barrier(2)
    told: dict[str, list[str]] = {}

    def work(name: str) -> None:
        with heard() as said:
            both_are_here.wait()
            for _ in range(3):
                warnings.warn(f"mask of {name}", MaskWarning, stacklevel=1)
            both_are_here.wait()
        told[name] = said

    with hearing():
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == {"a": ["mask of a"], "b": ["mask of b"]}


def test_other_warnings_go_where_they_went() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with hearing():
            with heard() as said:
                warnings.warn("something else", UserWarning, stacklevel=1)
            warnings.warn("a mask that nobody listens for", MaskWarning, stacklevel=1)
    assert said == []
    assert [str(warning.message) for warning in caught] == ["something else", "a mask that nobody listens for"]


def test_afterwards_all_is_as_before() -> None:
    before = (warnings.showwarning, list(warnings.filters))
    with hearing():
        pass
    assert (warnings.showwarning, list(warnings.filters)) == before

"""How many files a process may have open: each level of a decoded photograph is one, for as long as it is mapped."""

from __future__ import annotations

import sys

from rethined.errors import DatasetError

OTHERS = 256
"""Files that a process has open besides."""


def allow_open_files(count: int) -> None:
    """Raises this process's own limit of open files where it is lower; 1024 is common, and reached by 340 photographs.

    Args:
        count: Files that are about to be mapped.

    Raises:
        DatasetError: The system allows fewer.
    """
    if sys.platform == "win32":
        return
    import resource

    wanted = count + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise DatasetError(
            f"the photographs would take {wanted} open files, the system allows {hard}; raise its limit (ulimit -Hn) or"
            " keep fewer photographs decoded at a time (window_photos)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

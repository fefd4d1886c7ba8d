"""One local pool for the tests that do not kill it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from afield.connectors.local_pool.home import PoolHome
from afield.connectors.local_pool.process import Options, ensure

sys.path.insert(0, str(Path(__file__).parents[1] / "adapter"))


@pytest.fixture(scope="session")
def pool_folder() -> Iterator[Path]:
    """The home of a pool whose process is up."""
    with new_home() as home:
        ensure(PoolHome(home), Options(linger_s=120, languages=("python", "bash"), lanes=4))
        yield home


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A home of its own, without a process yet."""
    with new_home() as home:
        yield home


@contextmanager
def new_home() -> Iterator[Path]:
    """A folder whose process ends with it."""
    path = Path(tempfile.mkdtemp(prefix="afield-pool-"))
    try:
        yield path
    finally:
        running = PoolHome(path).running()
        if running is not None:
            with suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGTERM)
        shutil.rmtree(path, ignore_errors=True)

"""What the tests of session pools share: one simulator in a process of its own, whose containers are real adapters."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from afield_sim.testing import SimulatorProcess

sys.path.insert(0, str(Path(__file__).parents[1] / "adapter"))


@pytest.fixture(scope="session")
def pools_ready() -> Iterator[Mapping[str, Any]]:
    """The ready file of a simulator whose containers are up."""
    from pool_world import more_ready

    with tempfile.TemporaryDirectory(prefix="afield-pools-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFIELD_SANDBOX_LANGUAGES", "python,bash")  # its containers start more quickly so
        patch.setenv("AFIELD_SANDBOX_LANES", "2")
        process = SimulatorProcess(Path(folder), "--instances", "1", keep_data=False)
        with process:
            asyncio.run(more_ready(process.ready, 3))
            yield process.ready
            process.stop()

"""Keeps numpy's products on one thread, where the package threadpoolctl is installed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol


class _Controller(Protocol):
    def limit(self, *, limits: int, user_api: str) -> AbstractContextManager[object]: ...


def one_thread() -> AbstractContextManager[object]:
    """A sentence's products are small: on a busy machine, threads that wait for each other make them far slower."""
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> _Controller | None:
    if find_spec("threadpoolctl") is None:
        return None
    found: _Controller = import_module("threadpoolctl").ThreadpoolController()
    return found

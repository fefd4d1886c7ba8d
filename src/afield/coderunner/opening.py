"""The code runner of a process, opened and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from afield.coderunner.service import CodeRunner
from afield.inline import Inline
from afield.kernel import Kernel


@asynccontextmanager
async def open_code_runner(kernel: Kernel) -> AsyncIterator[CodeRunner]:
    """With what it drives its runs by."""
    inline = Inline(kernel)
    runner = CodeRunner(kernel, inline)
    try:
        yield runner
    finally:
        await runner.close()
        await inline.close()

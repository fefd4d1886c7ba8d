"""The heap of a process that drives."""

from __future__ import annotations

import gc

_YOUNG = 50_000  # objects made and not freed again, before the collector goes through them


def settle() -> None:
    """Call once, before the work begins: lets the garbage collector run less often.

    A driver with thousands of calls under way holds many objects for a moment, and hardly any cycles. The interpreter's
    default walks through them every few hundred, which took a tenth of a worker's CPU. What has no cycles is freed at
    once as ever; what has may stay for a few megabytes longer.
    """
    gc.set_threshold(_YOUNG, 20, 50)

"""What the emulated AMC keeps: instances, saved queries, executions."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

PENDING = "PENDING"
RUNNING = "RUNNING"
PUBLISHING = "PUBLISHING"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
REJECTED = "REJECTED"

LIVE = frozenset({PENDING, RUNNING, PUBLISHING})
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED, REJECTED})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a result, as `outputColumns` tells it."""

    name: str
    data_type: str
    column_type: Literal["DIMENSION", "METRIC"]
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared input parameter of a query: its type word and its default, if any."""

    name: str
    data_type: str = "STRING"
    default: Any = None


@dataclass(frozen=True, slots=True)
class Window:
    """The time window of an execution.

    `start` and `end` are seconds since 1970 (absent while a relative window is unresolved);
    the originals are the texts of the request; `zoned` says that they came with a trailing Z.
    """

    kind: str
    zone: str = "UTC"
    start: float | None = None
    end: float | None = None
    start_original: str | None = None
    end_original: str | None = None
    zoned: bool = False


@dataclass(slots=True, kw_only=True)
class Execution:
    """One execution and everything needed to show it, run it and go on after a restart.

    Times are seconds since 1970 on the simulator's clock; `skew` is what the instance's own clock
    was ahead when it took the execution. `number` counts arrivals from 1. A `held` execution keeps the
    status it was given from outside.
    """

    id: str
    instance_id: str
    workflow_id: str
    number: int
    source: Literal["api", "planted"]
    arrived_at: float
    updated_at: float
    status: str
    window: Window
    skew: float = 0.0
    status_reason: str | None = None
    sql: str | None = None
    parameters: list[Parameter] = field(default_factory=list)
    parameter_values: dict[str, Any] = field(default_factory=dict)
    timeout_seconds: int = 21600
    dry_run: bool = False
    skip_publish: bool = False
    ignore_data_gaps: bool = False
    disable_aggregation_controls: bool = False
    require_synthetic_data: bool | None = None
    advertisers: list[dict[str, Any]] | None = None
    separator: str = ","
    started_at: float | None = None
    finished_at: float | None = None
    columns: list[Column] = field(default_factory=list)
    files: int = 0
    instant: bool = False
    held: bool = False
    planned_status: str | None = None
    planned_reason: str | None = None
    planned_empty: bool = False
    word: str | None = None
    word_instead_of: list[str] = field(default_factory=list)

    @property
    def created_at(self) -> float:
        """When it was created, as the instance's own clock told it."""
        return self.arrived_at + self.skew

    @property
    def shown_status(self) -> str:
        """The status word on the wire."""
        if self.word is not None and self.status in self.word_instead_of:
            return self.word
        return self.status

    @property
    def sql_hash(self) -> str | None:
        """SHA-256 of the SQL text in hex; absent without SQL."""
        return None if self.sql is None else hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def computes(self) -> bool:
        """Whether it reaches the compute at all, and so takes a slot."""
        lifted = self.disable_aggregation_controls and not self.require_synthetic_data
        return not (self.dry_run or lifted)


def execution_from_record(record: dict[str, Any]) -> Execution:
    """An execution as it was journalled."""
    return Execution(
        **{
            **record,
            "window": Window(**record["window"]),
            "columns": [Column(**column) for column in record["columns"]],
            "parameters": [Parameter(**parameter) for parameter in record["parameters"]],
        }
    )

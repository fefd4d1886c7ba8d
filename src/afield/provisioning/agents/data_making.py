"""The Synthetic Data Generator."""

from __future__ import annotations

from datetime import date

from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.names import AgentName
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.checking import CheckOutcome, check_data
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.making import make
from afield.provisioning.pipeline import JobOrder

_MAKING = 0.85  # its part of the work; the rest is checking


class DataInput(Frozen):
    """What data depends on."""

    model: DataModel
    brief: Brief
    seed: int
    today: date
    rows: int


class MadeData(Frozen):
    """The manifest of the files beside it, and what their checks found."""

    dataset: Dataset
    checks: tuple[CheckOutcome, ...]

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(file.rows for file in self.dataset.files)


class DataAgent(Agent[DataInput, MadeData]):
    """Makes the data and checks it."""

    name = AgentName.DATA
    output = MadeData

    def gather(self, order: JobOrder, shelf: Shelf) -> DataInput:
        model = shelf.output(AgentName.MODEL, DataModel)
        return DataInput(model=model, brief=order.brief, seed=order.seed, today=order.today, rows=order.rows)

    async def work(self, given: DataInput, bench: Bench) -> MadeData:
        def told(share: float, message: str) -> None:
            bench.tell.progress(share * _MAKING, message)

        dataset = make(given.model, given.brief, given.seed, given.today, given.rows, bench.folder, told)
        bench.tell.progress(_MAKING, "Checking what was made")
        return MadeData(dataset=dataset, checks=check_data(given.model, dataset, bench.folder))

    def summary(self, made: MadeData) -> Summary:
        counts = {file.table: file.rows for file in made.dataset.files}
        passed = sum(check.passed for check in made.checks)
        message = f"{made.rows:,} rows in {len(counts)} tables, {passed} of {len(made.checks)} checks passed"
        anomalies = len(made.dataset.anomalies)
        return Summary(message=message, data={"row_counts": dict(counts), "anomalies": anomalies})

    def objection(self, made: MadeData) -> str:
        return _failed(made.checks)


def _failed(checks: tuple[CheckOutcome, ...]) -> str:
    failed = [f"{check.name}: {check.detail}" for check in checks if check.matters and not check.passed]
    return f"The data did not pass its checks. {' '.join(failed[:3])}" if failed else ""

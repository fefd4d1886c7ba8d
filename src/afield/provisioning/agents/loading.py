"""The Infrastructure Agent."""

from __future__ import annotations

from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import Placed, ordered_place, warehouse_at
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Frozen
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.pipeline import JobOrder


class LoadInput(Frozen):
    """What is loaded, and under which name."""

    model: DataModel
    dataset: Dataset
    name: str


class InfrastructureAgent(Agent[LoadInput, Placed]):
    """Loads the data into the warehouse."""

    name = AgentName.INFRASTRUCTURE
    output = Placed

    def gather(self, order: JobOrder, shelf: Shelf) -> LoadInput:
        made = shelf.output(AgentName.DATA, MadeData)
        model = shelf.output(AgentName.MODEL, DataModel)
        return LoadInput(model=model, dataset=made.dataset, name=order.dataset_name)

    async def work(self, given: LoadInput, bench: Bench) -> Placed:
        files, place = bench.shelf.latest(AgentName.DATA), ordered_place(bench.order, bench.settings)
        async with warehouse_at(bench.home, place, bench.settings, job=str(bench.order.job_id)) as warehouse:
            bench.tell.progress(0.1, f"Loading {len(given.dataset.files)} tables")
            loaded = await warehouse.load(given.model, given.dataset, files, given.name)
        return Placed(
            name=loaded.name,
            full_name=loaded.address,
            dialect=place.warehouse,
            project=place.project,
            location=place.location,
            rows=loaded.rows,
        )

    def beside(self, order: JobOrder, llm: LlmSettings) -> str:
        return f"bigquery {order.project_id}" if order.warehouse == "bigquery" else ""

    def summary(self, made: Placed) -> Summary:
        rows = sum(made.rows.values())
        return Summary(message=f"{rows:,} rows in {made.full_name}", data={"dataset_full_name": made.full_name})

"""The bodies of requests: what is read, what is coerced, what is refused.

Booleans and numbers may come as text. Unknown fields are ignored.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from .errors import refused
from .model import Parameter

WorkflowId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=512)]
_none_as_missing = BeforeValidator(lambda value: [] if value is None else value)


class Body(BaseModel):
    """A JSON body in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class InputParameter(Body):
    """A declared parameter of a query."""

    name: str
    data_type: str = "STRING"
    default_value: Any = None


class OutputFormat(Body):
    """How the CSV is written."""

    separator_character: str | None = Field(default=None, min_length=1, max_length=1)


class Workflow(Body):
    """A query: saved, or given ad hoc."""

    workflow_id: WorkflowId | None = None
    sql_query: str = Field(min_length=1)
    input_parameters: Annotated[list[InputParameter], Field(max_length=100), _none_as_missing] = []
    output_format: OutputFormat | None = None

    @property
    def parameters(self) -> list[Parameter]:
        """The declared parameters."""
        return [
            Parameter(name=entry.name, data_type=entry.data_type, default=entry.default_value)
            for entry in self.input_parameters
        ]

    @property
    def separator(self) -> str:
        """What stands between two values of the CSV."""
        return (self.output_format and self.output_format.separator_character) or ","


class Advertiser(Body):
    """A restriction of the data to one advertiser."""

    id: str
    type: str | None = None
    marketplace_id: str | None = None


class CreateExecution(Body):
    """What to run, over which time, and how."""

    workflow_id: str | None = None
    workflow: Workflow | None = None
    time_window_type: Literal[
        "EXPLICIT", "MOST_RECENT_DAY", "MOST_RECENT_WEEK", "CURRENT_MONTH", "PREVIOUS_MONTH", "ALL"
    ] = "MOST_RECENT_DAY"
    time_window_start: str | None = None
    time_window_end: str | None = None
    time_window_time_zone: str | None = None
    parameter_values: dict[str, Any] | None = None
    dry_run: bool = False
    skip_publish: bool = False
    disable_aggregation_controls: bool = False
    require_synthetic_data: bool | None = None
    ignore_data_gaps: bool = False
    workflow_execution_timeout_seconds: int = Field(default=21600, ge=900, le=86400)
    advertisers: list[Advertiser] | None = None


class ChangeExecution(Body):
    """The one change an execution takes."""

    status: str | None = None


AnyBody = TypeVar("AnyBody", bound=Body)


def read_body(model: type[AnyBody], data: bytes) -> AnyBody:
    """The body as `model`; a 400 that names the field when it cannot be read."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise refused(400, _explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    text = re.sub(r"\s+", " ", first["msg"])
    return f"Invalid request: {where}: {text}" if where else f"Invalid request: {text}"

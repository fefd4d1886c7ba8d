"""Bodies that callers send; a member nobody knows is refused, as Compute does."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from .model import JsonObject


class Body(BaseModel):
    """A JSON object in camel case."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Parameter(Body):
    """A parameter of a script; one without a name is positional."""

    name: str = ""
    value: str = ""


class ActionBody(Body):
    """POST runCommand: a document by its id, its script as lines."""

    command_id: str
    script: list[str] | None = None
    parameters: list[Parameter] | None = None


class Source(Body):
    """Where the script of a managed run command comes from: exactly one of these."""

    script: str | None = None
    script_uri: str | None = None
    script_uri_managed_identity: JsonObject | None = None
    command_id: str | None = None
    gallery_script_reference_id: str | None = None
    script_shell: str | None = None


class CommandProperties(Body):
    """The properties of a managed run command."""

    source: Source | None = None
    parameters: list[Parameter] | None = None
    protected_parameters: list[Parameter] | None = None
    async_execution: bool = False
    run_as_user: str | None = None
    run_as_password: str | None = None
    timeout_in_seconds: int = 0
    output_blob_uri: str | None = None
    error_blob_uri: str | None = None
    output_blob_managed_identity: JsonObject | None = None
    error_blob_managed_identity: JsonObject | None = None
    treat_failure_as_deployment_failure: bool | None = None


class CommandBody(Body):
    """PUT of a managed run command."""

    location: str | None = None
    tags: dict[str, str] | None = None
    properties: CommandProperties = CommandProperties()
    id: str | None = None
    name: str | None = None
    type: str | None = None


class CommandPatch(Body):
    """PATCH of a managed run command: the properties to change."""

    tags: dict[str, str] | None = None
    properties: JsonObject = {}

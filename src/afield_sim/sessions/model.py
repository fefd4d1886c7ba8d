"""What a session pool is: the resource as its owner wrote it. Field names on the wire are in camel case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

JsonObject = dict[str, Any]

MIN_COOLDOWN, MAX_COOLDOWN = 300, 3600
MAX_SESSIONS = 600


class Container(StrEnum):
    """The `containerType` of a pool, as far as there is something to run it with."""

    PYTHON = "PythonLTS"
    SHELL = "Shell"
    CUSTOM = "CustomContainer"


class Lifecycle(StrEnum):
    """When a session ends: some time after its last request, or with its container."""

    TIMED = "Timed"
    ON_CONTAINER_EXIT = "OnContainerExit"


class Egress(StrEnum):
    """Whether code reaches the network."""

    ENABLED = "EgressEnabled"
    DISABLED = "EgressDisabled"


class Wire(BaseModel):
    """Base of all parts of the resource; what is not named here is kept out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def show(self) -> JsonObject:
        """As it goes over the wire."""
        return self.model_dump(mode="json", by_alias=True)


class Scale(Wire):
    """How many instances wait, how many sessions there may be."""

    ready_session_instances: int = Field(default=1, ge=0)
    max_concurrent_sessions: int = Field(default=10, ge=1, le=MAX_SESSIONS)


class LifecycleConfiguration(Wire):
    """When a session ends; seconds."""

    lifecycle_type: Lifecycle = Lifecycle.TIMED
    cooldown_period_in_seconds: int = Field(default=MIN_COOLDOWN, le=MAX_COOLDOWN)
    max_alive_period_in_seconds: int | None = Field(default=None, ge=1)

    def show(self) -> JsonObject:
        """Only what belongs to the type."""
        shown = super().show()
        shown.pop("maxAlivePeriodInSeconds" if self.lifecycle_type is Lifecycle.TIMED else "cooldownPeriodInSeconds")
        return shown


class DynamicPool(Wire):
    """Around the lifecycle; the old flat form (`executionType`, `cooldownPeriodInSeconds`) is read too."""

    lifecycle_configuration: LifecycleConfiguration = LifecycleConfiguration()

    @model_validator(mode="before")
    @classmethod
    def _read_old_form(cls, given: object) -> object:
        if not isinstance(given, dict) or "executionType" not in given:
            return given
        cooldown = given.get("cooldownPeriodInSeconds", MIN_COOLDOWN)
        return {"lifecycleConfiguration": {"lifecycleType": "Timed", "cooldownPeriodInSeconds": cooldown}}


class Ingress(Wire):
    """Where requests go inside the container."""

    target_port: int = Field(ge=1, le=65_535)


class ImageContainer(Wire):
    """One container of the template."""

    image: str = Field(min_length=1)
    name: str = "main"
    resources: dict[str, Any] = {"cpu": 0.5, "memory": "1Gi"}
    env: list[dict[str, Any]] = []
    probes: list[dict[str, Any]] = []


class Template(Wire):
    """What runs in a custom pool."""

    registry_credentials: dict[str, Any] | None = None
    containers: list[ImageContainer] = Field(min_length=1)
    ingress: Ingress | None = None

    @property
    def port(self) -> int | None:
        """Where requests go; None: nowhere."""
        return self.ingress.target_port if self.ingress else None


class Network(Wire):
    """Whether code reaches the network."""

    status: Egress = Egress.DISABLED


class Properties(Wire):
    """The properties of a pool that its owner sets."""

    environment_id: str | None = None
    pool_management_type: str = "Dynamic"
    container_type: Container = Container.CUSTOM
    scale_configuration: Scale = Scale()
    secrets: list[dict[str, Any]] = []
    dynamic_pool_configuration: DynamicPool = DynamicPool()
    custom_container_template: Template | None = None
    session_network_configuration: Network = Network()
    managed_identity_settings: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _has_a_template(self) -> Self:
        if (self.container_type is Container.CUSTOM) is (self.custom_container_template is None):
            raise ValueError("customContainerTemplate is for containerType CustomContainer, and required there")
        return self

    @property
    def lifecycle(self) -> LifecycleConfiguration:
        """When a session ends."""
        return self.dynamic_pool_configuration.lifecycle_configuration


@dataclass(slots=True)
class Resource:
    """A pool as Resource Manager knows it; `provisioned_at`: when its last change is done."""

    name: str
    resource_group: str
    subscription_id: str
    properties: Properties
    location: str = "West Europe"
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    provisioned_at: float = 0.0

    @property
    def id(self) -> str:
        """The resource id."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.App/sessionPools/{self.name}"

    @property
    def custom(self) -> bool:
        """Whether its requests go to a container of the owner's own."""
        return self.properties.container_type is Container.CUSTOM


def merge(old: JsonObject, patch: Mapping[str, Any]) -> JsonObject:
    """`old` with `patch` laid over it, object by object; null takes a member away (a JSON merge patch)."""
    merged = dict(old)
    for key, value in patch.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged

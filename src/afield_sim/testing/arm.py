"""The simulated cloud from a test's side: how to reach it, and its part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .caller import AdminCaller, Json, Plan


@dataclass(frozen=True, slots=True)
class VmAccess:
    """A machine as the ready file names it."""

    name: str
    resource_group: str
    id: str
    os_type: str
    location: str


@dataclass(frozen=True, slots=True)
class ArmAccess:
    """How to reach the simulated cloud: the `arm` entry of the ready file."""

    base_url: str
    token_endpoint: str
    authority: str
    ca_file: str
    imds_endpoint: str
    tenant_id: str
    client_id: str
    client_secret: str
    subscription_id: str
    resource_groups: list[str]
    vms: list[VmAccess]

    def vm(self, name: str) -> VmAccess:
        """The machine with this name; KeyError when there is none."""
        found = {one.name: one for one in self.vms}
        return found[name]


def read_arm_access(ready: Mapping[str, Any]) -> ArmAccess:
    """The access to the simulated cloud out of a ready file's content."""
    known = {field.name for field in fields(ArmAccess)}
    entry = {key: value for key, value in ready["arm"].items() if key in known}
    return ArmAccess(**{**entry, "vms": [VmAccess(**one) for one in entry["vms"]]})


class ArmAdmin(AdminCaller):
    """A client of the admin service, for everything about the simulated cloud."""

    async def faults(self) -> Json:
        """All faults that are set."""
        return await self.call("GET", "/admin/arm/faults")

    async def put_faults(self, plan: Plan) -> Json:
        """Replace the faults of the machines named: `{vm: {fault: parameters}}`; `*` is for all others."""
        return await self.call("PUT", "/admin/arm/faults", plan)

    async def add_faults(self, plan: Plan) -> Json:
        """Add faults to those that are set."""
        return await self.call("PATCH", "/admin/arm/faults", plan)

    async def clear_faults(self, vm: str | None = None, fault: str | None = None) -> Json:
        """Take back all faults, those of a machine, or one of them."""
        return await self.call("DELETE", "/admin/arm/faults", vm=vm, fault=fault)

    async def settings(self) -> Json:
        """All settings."""
        return await self.call("GET", "/admin/arm/settings")

    async def put_settings(self, **settings: object) -> Json:
        """Change the settings that are named."""
        return await self.call("PUT", "/admin/arm/settings", settings)

    async def counters(self) -> Json:
        """`calls` and `faults` by machine and kind, `violations` of budgets by machine and budget."""
        return await self.call("GET", "/admin/arm/counters")

    async def journal(self, vm: str | None = None) -> list[Json]:
        """The scripts that really ran, on one machine or on all."""
        lines: list[Json] = (await self.call("GET", "/admin/arm/journal", vm=vm))["journal"]
        return lines

    async def vms(self) -> dict[str, Json]:
        """All machines by name: power, what runs, managed run commands as they are."""
        found = await self.call("GET", "/admin/arm/vms")
        return {one["name"]: one for one in found["vms"]}

    async def add_vm(self, name: str, **more: object) -> VmAccess:
        """Add a machine: `resource_group`, `os_type`, `location`, `tags` may be given."""
        made = await self.call("POST", "/admin/arm/vms", {"name": name, **more})
        location = str(more.get("location", "westeurope"))
        return VmAccess(made["name"], made["resource_group"], made["id"], made["os_type"], location)

    async def put_file(self, vm: str, path: str, content: bytes) -> None:
        """Plant a file, by its path on the machine."""
        await self.send("PUT", f"/admin/arm/vms/{vm}/files/{path.lstrip('/')}", content)

    async def get_file(self, vm: str, path: str) -> bytes:
        """A file of a machine; AdminError 404 when it is not there."""
        return await self.send("GET", f"/admin/arm/vms/{vm}/files/{path.lstrip('/')}")

    async def plant(self, vm: str, name: str, **more: object) -> list[str]:
        """Plant managed run commands: `state`, `age_seconds`, `script`, `count` may be given; their names."""
        names: list[str] = (await self.call("POST", "/admin/arm/run-commands", {"vm": vm, "name": name, **more}))[
            "run_commands"
        ]
        return names

    async def force(self, vm: str, name: str, state: str, **more: object) -> Json:
        """Give a managed run command a state: `exit_code`, `message`, `output`, `error`, `ended` may be given."""
        return await self.call("PATCH", f"/admin/arm/run-commands/{vm}/{name}", {"state": state, **more})

    async def wait(self, what: str = "started", **query: object) -> int:
        """Wait for `at_least` of `what`; the count reached. AssertionError when it does not come.

        `what` is `running`, `started`, `ended`, `idle` or `calls`; `vm`, `name`, `call`, `timeout` narrow it.
        """
        found = await self.call("GET", "/admin/arm/wait", what=what, **query)
        if not found["met"]:
            raise AssertionError(f"waited for {what} {query}, there were {found['count']}")
        return int(found["count"])

    async def reset(self) -> None:
        """Back to the beginning: new machines, no faults, the first settings."""
        await self.call("POST", "/admin/arm/reset")

"""The documents of action run commands, and the routes that list them."""

from dataclasses import dataclass

from aiohttp import web

from .calls import Call
from .errors import entity_not_found
from .gate import Gate, Reply, Request
from .model import JsonObject, Os

_BASE = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/runCommands"
_SCHEMA = "http://schema.management.azure.com/schemas/2016-11-17/runcommands.json"


@dataclass(frozen=True, slots=True)
class Document:
    """A command by its id: the system it is for, a label, the script it runs when none is given."""

    id: str
    os: Os
    label: str
    script: str = ""
    parameters: tuple[str, ...] = ()


_DOCUMENTS = (
    Document("RunShellScript", Os.LINUX, "Executes a Linux shell script", 'echo "arg1 is: $arg1"', ("arg1",)),
    Document("ifconfig", Os.LINUX, "List network configuration", "ip address"),
    Document("RunPowerShellScript", Os.WINDOWS, "Executes a PowerShell script", "Write-Host arg1", ("arg1",)),
    *(
        Document(name, Os.WINDOWS, f"Runs {name}", f"Write-Host {name}")
        for name in (
            "IPConfig", "EnableWindowsUpdate", "DisableWindowsUpdate", "EnableAdminAccount", "EnableEMS",
            "EnableRemotePS", "IMDSCertCheck", "RDPSettings", "ResetRDPCert", "SetRDPPort",
            "Windows_WindowsActivation_Validation", "DisableNLA",
        )
    ),
)  # fmt: skip


def default_script(command_id: str, os: Os) -> str | None:
    """The script of a document; None when this system has no such document."""
    return next((one.script for one in _DOCUMENTS if one.id.lower() == command_id.lower() and one.os is os), None)


def removes_extension(command_id: str, os: Os) -> bool:
    """Whether this id removes the extension that runs action commands."""
    return command_id.lower() == f"RemoveRunCommand{os}Extension".lower()


class CatalogueRoutes:
    """The documents, all and one."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        self._gate.add(router, "GET", _BASE, Call.CATALOGUE, self.list_all)
        self._gate.add(router, "GET", _BASE + "/{command}", Call.CATALOGUE, self.get)

    async def list_all(self, _: Request) -> Reply:
        """All documents, without their scripts."""
        return Reply({"value": [_show(one) for one in _DOCUMENTS]})

    async def get(self, request: Request) -> Reply:
        """One document, with its script and parameters."""
        wanted = request.part("command").lower()
        found = next((one for one in _DOCUMENTS if one.id.lower() == wanted), None)
        if found is None:
            raise entity_not_found()
        parameters = [{"name": name, "type": "string", "defaultValue": ""} for name in found.parameters]
        return Reply({**_show(found), "script": found.script.splitlines(), "parameters": parameters})


def _show(document: Document) -> JsonObject:
    return {
        "$schema": _SCHEMA,
        "id": document.id,
        "osType": str(document.os),
        "label": document.label,
        "description": document.label,
    }

"""The kinds of calls: what right each needs and which budgets it spends."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_VM = "Microsoft.Compute/virtualMachines"
_POOL = "Microsoft.App/sessionPools"


class Call(StrEnum):
    """One kind of call."""

    VM_GET = "vm_get"
    INSTANCE_VIEW = "instance_view"
    VM_LIST = "vm_list"
    RUN_COMMAND = "run_command"
    COMMAND_PUT = "command_put"
    COMMAND_PATCH = "command_patch"
    COMMAND_GET = "command_get"
    COMMAND_LIST = "command_list"
    COMMAND_DELETE = "command_delete"
    OPERATION = "operation"
    RESULT = "result"
    RESTART = "restart"
    START = "start"
    POWER_OFF = "power_off"
    DEALLOCATE = "deallocate"
    REDEPLOY = "redeploy"
    REAPPLY = "reapply"
    EXTENSION_LIST = "extension_list"
    EXTENSION_GET = "extension_get"
    EXTENSION_DELETE = "extension_delete"
    CATALOGUE = "catalogue"
    PERMISSIONS = "permissions"
    SUBSCRIPTIONS = "subscriptions"
    GROUPS = "groups"
    GRAPH = "graph"
    POOL_GET = "pool_get"
    POOL_LIST = "pool_list"
    POOL_PUT = "pool_put"
    POOL_PATCH = "pool_patch"
    POOL_DELETE = "pool_delete"
    ROLE_ASSIGNMENTS = "role_assignments"


class Group(StrEnum):
    """A budget of Compute, by the name its headers use."""

    UPDATE = "UpdateVM"
    DELETE = "DeleteVM"
    LOW_COST_GET = "LowCostGet"
    HIGH_COST_GET = "HighCostGet"
    OPERATION = "GetOperation"


class Traffic(StrEnum):
    """A budget of Resource Manager, by the name its headers use."""

    READS = "reads"
    WRITES = "writes"
    DELETES = "deletes"


@dataclass(frozen=True, slots=True)
class Rule:
    """The right a call needs (empty: none) and the budgets it spends."""

    action: str
    group: Group | None = None
    traffic: Traffic = Traffic.READS


RULES: Mapping[Call, Rule] = {
    Call.VM_GET: Rule(f"{_VM}/read", Group.LOW_COST_GET),
    Call.INSTANCE_VIEW: Rule(f"{_VM}/instanceView/read", Group.LOW_COST_GET),
    Call.VM_LIST: Rule(f"{_VM}/read", Group.HIGH_COST_GET),
    Call.RUN_COMMAND: Rule(f"{_VM}/runCommand/action", Group.UPDATE, Traffic.WRITES),
    Call.COMMAND_PUT: Rule(f"{_VM}/runCommands/write", Group.UPDATE, Traffic.WRITES),
    Call.COMMAND_PATCH: Rule(f"{_VM}/runCommands/write", Group.UPDATE, Traffic.WRITES),
    Call.COMMAND_GET: Rule(f"{_VM}/runCommands/read", Group.LOW_COST_GET),
    Call.COMMAND_LIST: Rule(f"{_VM}/runCommands/read", Group.LOW_COST_GET),
    Call.COMMAND_DELETE: Rule(f"{_VM}/runCommands/delete", Group.UPDATE, Traffic.DELETES),
    Call.OPERATION: Rule("", Group.OPERATION),
    Call.RESULT: Rule("", Group.OPERATION),
    Call.RESTART: Rule(f"{_VM}/restart/action", Group.UPDATE, Traffic.WRITES),
    Call.START: Rule(f"{_VM}/start/action", Group.UPDATE, Traffic.WRITES),
    Call.POWER_OFF: Rule(f"{_VM}/powerOff/action", Group.UPDATE, Traffic.WRITES),
    Call.DEALLOCATE: Rule(f"{_VM}/deallocate/action", Group.DELETE, Traffic.WRITES),
    Call.REDEPLOY: Rule(f"{_VM}/redeploy/action", Group.UPDATE, Traffic.WRITES),
    Call.REAPPLY: Rule(f"{_VM}/reapply/action", Group.UPDATE, Traffic.WRITES),
    Call.EXTENSION_LIST: Rule(f"{_VM}/extensions/read", Group.LOW_COST_GET),
    Call.EXTENSION_GET: Rule(f"{_VM}/extensions/read", Group.LOW_COST_GET),
    Call.EXTENSION_DELETE: Rule(f"{_VM}/extensions/delete", Group.UPDATE, Traffic.DELETES),
    Call.CATALOGUE: Rule("Microsoft.Compute/locations/runCommands/read", Group.HIGH_COST_GET),
    Call.PERMISSIONS: Rule(""),
    Call.SUBSCRIPTIONS: Rule(""),
    Call.GROUPS: Rule("Microsoft.Resources/subscriptions/resourceGroups/read"),
    Call.GRAPH: Rule(""),
    Call.POOL_GET: Rule(f"{_POOL}/read"),
    Call.POOL_LIST: Rule(f"{_POOL}/read"),
    Call.POOL_PUT: Rule(f"{_POOL}/write", traffic=Traffic.WRITES),
    Call.POOL_PATCH: Rule(f"{_POOL}/write", traffic=Traffic.WRITES),
    Call.POOL_DELETE: Rule(f"{_POOL}/delete", traffic=Traffic.DELETES),
    Call.ROLE_ASSIGNMENTS: Rule("Microsoft.Authorization/roleAssignments/read"),
}

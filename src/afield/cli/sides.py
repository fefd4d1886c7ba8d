"""Both sides of a target for reading: one comparison, sorted into groups that always appear. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from afield.cli.run import Exit
from afield.model.execution import Execution
from afield.model.finding import Finding, FindingKind, Severity
from afield.model.jsontypes import JsonObject, JsonValue
from afield.model.states import OCCUPYING
from afield.model.target import Target
from afield.reconcile.judge import LIVE_THERE
from afield.reconcile.repair import PlannedRepair, Repaired
from afield.reconcile.scan import Scan

_SHOWN = 20  # lines of a group that people are shown
_COLOURS = {Severity.OK: "green", Severity.INFO: "", Severity.WARNING: "yellow", Severity.ERROR: "red"}


class Heading(StrEnum):
    """The groups, in the order in which they are shown. An execution can be in several: it runs here, and matches."""

    MATCHED = "matched"
    RUNNING_HERE = "running_here"
    RUNNING_THERE = "running_there"
    MISSING_IDS = "missing_amc_ids"
    HERE_ONLY = "here_only"
    THERE_ONLY = "there_only"
    MISMATCHES = "status_mismatches"
    AMBIGUOUS = "ambiguous"
    UNDECIDED = "undecided"  # shown to people only when there is something in it

    @property
    def words(self) -> str:
        return self.value.replace("_", " ").replace("amc", "AMC")


_OF_KIND = {
    FindingKind.MATCHED: Heading.MATCHED,
    FindingKind.MISSING_REMOTE_ID: Heading.MISSING_IDS,
    FindingKind.LOCAL_ONLY: Heading.HERE_ONLY,
    FindingKind.REMOTE_ONLY: Heading.THERE_ONLY,
    FindingKind.STATUS_MISMATCH: Heading.MISMATCHES,
    FindingKind.AMBIGUOUS: Heading.AMBIGUOUS,
    FindingKind.NOT_LOOKED: Heading.UNDECIDED,
    FindingKind.TOO_EARLY: Heading.UNDECIDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One execution in a group; what one side does not know is None."""

    execution_id: UUID | None
    amc_execution_id: str | None
    here: str | None
    there: str | None
    why: str = ""
    explanation: str = ""
    severity: Severity = Severity.OK
    repairs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A target's findings, filtered, with what was or would be done."""

    target: Target
    scan: Scan
    findings: Sequence[Finding]
    executions: Sequence[Execution]
    planned: Sequence[PlannedRepair] = ()
    repaired: Sequence[Repaired] = ()

    @property
    def exit(self) -> Exit:
        """2 could not look, 1 findings, 0 nothing wrong."""
        if not self.scan.looked.complete:
            return Exit.FAILED
        return Exit.FINDINGS if any(one.needs_attention for one in self.findings) else Exit.OK

    def groups(self) -> Mapping[Heading, Sequence[Line]]:
        """All groups, also those with nothing in them."""
        sorted_in: dict[Heading, list[Line]] = {heading: [] for heading in Heading}
        for finding in self.findings:
            sorted_in[_OF_KIND[finding.kind]].append(_of_finding(finding, self.scan.executions))
        sorted_in[Heading.RUNNING_HERE] = [_of_row(row) for row in self.executions if row.state in OCCUPYING]
        sorted_in[Heading.RUNNING_THERE] = list(_running_there(self.findings))
        return sorted_in

    def to_json(self) -> dict[str, object]:
        """For `--json`. Every group and every kind is there, also when there is nothing of it."""
        return {
            "target": self.target.name,
            "target_id": self.target.id,
            "looked": self.scan.looked,
            "groups": self.groups(),
            "counts": {kind: sum(one.kind is kind for one in self.findings) for kind in FindingKind},
            "findings": {kind: [one for one in self.findings if one.kind is kind] for kind in FindingKind},
            "planned": [_repair_json(one) for one in self.planned],
            "repaired": [_repair_json(one.planned) | {"done": one.done, "text": one.text} for one in self.repaired],
        }


def compared(target: Target, scan: Scan, user_email: str | None) -> Compared:
    """The part of a comparison that is about one user's executions, or all of it. What nobody here started belongs to
    no user, and is not left out."""

    def theirs(row: Execution | None) -> bool:
        return row is None or user_email is None or row.labels.get("user_email") == user_email

    findings = [f for f in scan.findings if theirs(scan.executions.get(f.execution_id) if f.execution_id else None)]
    rows = [row for row in scan.executions.values() if theirs(row)]
    return Compared(target=target, scan=scan, findings=findings, executions=rows)


def _of_row(row: Execution) -> Line:
    return Line(execution_id=row.id, amc_execution_id=row.handle, here=row.state, there=row.remote_status)


def _of_finding(finding: Finding, executions: Mapping[UUID, Execution]) -> Line:
    row = executions.get(finding.execution_id) if finding.execution_id else None
    return Line(
        execution_id=finding.execution_id,
        amc_execution_id=finding.handle,
        here=row.state if row else _text(finding.local.get("state")),
        there=_text(finding.remote.get("status")),
        why=finding.why,
        explanation=finding.explanation,
        severity=finding.severity,
        repairs=[repair.kind for repair in finding.repairs],
    )


def _running_there(findings: Iterable[Finding]) -> Iterator[Line]:
    """Each live entry once; an ambiguous finding shows several."""
    told: set[str] = set()
    for finding in findings:
        for side in _entries(finding):
            handle = _text(side.get("handle"))
            if handle is None or handle in told or side.get("state") not in LIVE_THERE:
                continue
            told.add(handle)
            sure = finding.execution_id if finding.kind is not FindingKind.AMBIGUOUS else None
            here, there = _text(finding.local.get("state")) if sure else None, _text(side.get("status"))
            yield Line(execution_id=sure, amc_execution_id=handle, here=here, there=there)


def _entries(finding: Finding) -> Iterator[JsonObject]:
    candidates = finding.remote.get("candidates")
    yield from (side for side in candidates or [] if isinstance(side, dict)) if isinstance(candidates, list) else ()
    yield finding.remote


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _repair_json(planned: PlannedRepair) -> dict[str, object]:
    return {"finding": planned.finding.fingerprint, "repair": planned.repair.kind}


# ------------------------------------------------------------------------------------------- for people


def picture(one: Compared) -> RenderableType:
    """How the look went, the groups, what was or would be done."""
    looked = one.scan.looked
    verdict = "complete" if looked.complete else f"NOT COMPLETE: {looked.error}"
    seen = f"{looked.entries} seen in {looked.calls} calls at {looked.taken_at:%H:%M:%S} UTC"
    parts: list[RenderableType] = [Text(f"{one.target.name}: {seen}, {verdict}", style="bold")]
    for heading, lines in one.groups().items():
        if lines or heading is not Heading.UNDECIDED:
            parts += _group(heading, lines)
    parts += [Text(f"would {p.repair.kind} {_about(p)}") for p in one.planned]
    parts += [
        Text(f"{'did' if r.done else 'did not'} {r.planned.repair.kind} {_about(r.planned)}: {r.text}")
        for r in one.repaired
    ]
    return Group(*parts, "")


def _group(heading: Heading, lines: Sequence[Line]) -> Iterator[RenderableType]:
    yield Text(f"{heading.words}: {len(lines)}", style="bold" if lines else "dim")
    if lines:
        yield Padding(_lines_table(lines[:_SHOWN]), (0, 0, 0, 2))
    if len(lines) > _SHOWN:
        yield Text(f"  and {len(lines) - _SHOWN} more; --json lists all of them")


def _lines_table(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in ("execution", "AMC id", "here and there", "why"):
        table.add_column(no_wrap=True)
    table.add_column()
    for line in lines:
        ids = (str(line.execution_id or "-"), line.amc_execution_id or "-")
        why = Text(line.why, style=_COLOURS[line.severity])
        table.add_row(*ids, f"{line.here or '-'} / {line.there or '-'}", why, line.explanation)
    return table


def _about(planned: PlannedRepair) -> str:
    return str(planned.finding.execution_id or planned.repair.handle or planned.finding.handle)

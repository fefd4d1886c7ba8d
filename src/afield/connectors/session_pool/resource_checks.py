"""What the pool's resource tells: kind, endpoint, port, template, capacity. Pure: each judges what was read."""

from __future__ import annotations

from urllib.parse import urlsplit

from afield.connectors.base import CheckResult
from afield.connectors.session_pool import remedies
from afield.connectors.session_pool import remedies_commands as commands
from afield.connectors.session_pool.blame import said
from afield.connectors.session_pool.checks import Fix, could_not_look, failed, ok, skipped, warned
from afield.connectors.session_pool.evidence import Answer, PoolKind, Reply, form_of
from afield.connectors.session_pool.evidence_pool import PoolView
from afield.connectors.session_pool.remedies import Situation

_FORM = {PoolKind.CUSTOM: "the form of a custom container pool", PoolKind.INTERPRETER: "the regional form"}
_NOT_OURS = "Azure's own interpreter runs there: it has no port, image or adapter of yours."
_WHERE_WANTED = "properties.customContainerTemplate.ingress.targetPort"
_WHERE_ACTIVE = f"{commands.STATUS}.ingress.targetPort"
_IN_PROGRESS = frozenset({"inprogress", "updating", "creating", "accepted"})


def judge_state(view: PoolView, now: Situation) -> CheckResult:
    """Whether the pool is there and done. `Succeeded` says nothing about its containers."""
    asked = "GET the pool's resource"
    answered = f"{now.pool}: {view.container_type or 'no container type'}, {view.provisioning or 'no state'}"
    state = view.provisioning.lower()
    if state in {"failed", "canceled", "deleting"}:
        fix = Fix(
            f"The last change of the pool {now.pool} did not succeed: its provisioning state is {view.provisioning}.",
            f"Look at `{commands.show(now.place, 'properties')}`, and send the change again.",
        )
        return failed(asked, answered, fix)
    if state in _IN_PROGRESS:
        fix = Fix(f"The pool {now.pool} is being changed right now.", "Wait some minutes, then ask again.")
        return warned(asked, answered, fix)
    return ok(asked, answered)


def judge_unreadable(reply: Reply, now: Situation) -> CheckResult:
    """What it means that the resource cannot be read. With an endpoint, the pool can be used all the same."""
    asked = "GET the pool's resource"
    answered = said(reply) if isinstance(reply, Answer) else reply.text
    if isinstance(reply, Answer) and reply.status == 404:
        fix = Fix(
            f"Azure knows no session pool {now.pool}: it was deleted, or its id is misspelt.",
            'Compare the target with what `az containerapp sessionpool list --query "[].id" --output tsv` prints.',
        )
        return failed(asked, answered, fix)
    if now.place.endpoint:
        return skipped(f"The resource could not be read ({answered}); the target's own endpoint is used.")
    if isinstance(reply, Answer) and reply.status in {401, 403}:
        fix = Fix(
            f"The credential may not read the pool {now.pool}, so its endpoint is not known.",
            f"Run `{commands.assign_role(now.place, now.claims, 'Reader')}`, or give the target its endpoint.",
        )
        return failed(asked, answered, fix)
    fix = Fix("Azure Resource Manager gives no good answer, so the pool's endpoint is not known.", "Ask again later.")
    return could_not_look(asked, answered, fix)


def judge_kind(endpoint: str, now: Situation) -> CheckResult:
    """Whether the endpoint's form fits the pool's type, by the resource, else by what the target says."""
    form, told = form_of(endpoint), now.view.kind if now.view is not None else None
    kind = told or now.place.kind
    asked = "the endpoint's form against the pool's type"
    answered = f"{_FORM[form]}; the pool is {kind or 'of an unknown kind'}"
    if kind is None or kind is form:
        return ok(asked, answered)
    if form is PoolKind.INTERPRETER:
        return failed(asked, answered, remedies.wrong_kind(now))
    fix = Fix(
        f"{now.pool} is a code-interpreter pool, and the endpoint has {_FORM[form]}.",
        f"Set the target's endpoint to what `{commands.show_endpoint(now.place)}` prints.",
    )
    return failed(asked, answered, fix) if told is not None else warned(asked, answered, fix)


def judge_endpoint(view: PoolView, now: Situation) -> CheckResult:
    """Whether the endpoint that the target names is the resource's own."""
    asked, own = "the endpoint against properties.poolManagementEndpoint", view.endpoint
    named = (now.place.endpoint or "").rstrip("/")
    if not own:
        fix = Fix(
            f"The pool {now.pool} has no endpoint yet: it is not made to its end.",
            f"Wait some minutes, then look at `{commands.show_endpoint(now.place)}`.",
        )
        return warned(asked, "the resource names none", fix) if named else failed(asked, "the resource names none", fix)
    if not named:
        return ok(asked, f"read from the resource: {own}")
    if _same(named, own):
        return ok(asked, f"the same: {own}")
    fix = Fix(
        f"The target's endpoint is not that of the pool {now.pool}: the pool was made anew, or it is another pool's.",
        f"Set the target's endpoint to {own}, or give the target pool_id alone.",
    )
    return failed(asked, f"{named} here, {own} at the resource", fix)


def judge_port(view: PoolView, now: Situation) -> CheckResult:
    """Where requests go inside the container: what is wanted, and what is active."""
    if view.kind is PoolKind.INTERPRETER:
        return skipped(_NOT_OURS)
    wanted, active = view.port_wanted, view.port_active if view.active else view.port_wanted
    asked = f"{_WHERE_WANTED} and {_WHERE_ACTIVE}"
    answered = f"wanted {wanted or 'null'}, active {active or 'null'}; the adapter listens on {now.adapter_port}"
    if wanted is None:
        return failed(asked, answered, _no_port(now))
    if active != wanted:
        return failed(asked, answered, _not_rolled_out(view, wanted, active, now))
    if wanted != now.adapter_port:
        told = "" if view.adapter_port else " unless the image says otherwise"
        fix = Fix(
            f"The pool sends requests to port {wanted}, and the adapter listens on {now.adapter_port}{told}.",
            f"Run `{commands.update(now.place, '--target-port', str(now.adapter_port))}`.",
        )
        return warned(asked, answered, fix)
    return ok(asked, answered)


def _no_port(now: Situation) -> Fix:
    return Fix(
        f"The pool {now.pool} has no target port, so no request reaches its container.",
        f"Run `{commands.set_port(now.place, now.adapter_port)}`.",
    )


def _not_rolled_out(view: PoolView, wanted: int, active: int | None, now: Situation) -> Fix:
    where = f"port {active}" if active else "no port at all"
    if view.provisioning.lower() in _IN_PROGRESS:
        step = "Wait until the change is rolled out, which takes minutes."
    else:
        step = f"Run `{commands.set_port(now.place, wanted)}`, which rolls the template out again."
    return Fix(f"The pool wants port {wanted}, and its active template still sends requests to {where}.", step)


def judge_template(view: PoolView, now: Situation) -> CheckResult:
    """Whether containers of the active template can be had. It does not see a dead program in a living container."""
    if view.kind is PoolKind.INTERPRETER:
        return skipped(_NOT_OURS)
    if not view.active:
        return skipped("The resource does not show the state of its template.")
    asked, answered = f"{commands.STATUS}.status", f"{view.details or 'no details'}; {view.counts}"
    fix = remedies.broken_template(view, now)
    if fix is None:
        return ok(asked, answered)
    return failed(asked, answered, fix) if view.lifeless else warned(asked, answered, fix)


def judge_capacity(view: PoolView, now: Situation) -> CheckResult:
    """Places, and how many new sessions a minute they allow when no identifier is used twice."""
    asked = f"{commands.STATUS}.status.allocatedCount against properties.scaleConfiguration.maxConcurrentSessions"
    taken, most = view.counts.allocated, view.most_sessions
    if most is None:
        return skipped("The resource does not show how many sessions it may have.")
    answered = f"{'an unknown number' if taken is None else taken} of {most} taken{_rate(view)}"
    return warned(asked, answered, remedies.full(view, now)) if view.full else ok(asked, answered)


def _rate(view: PoolView) -> str:
    """New identifiers a minute that can be kept up: each holds its place for the cooldown at least."""
    if not view.most_sessions or not view.cooldown_s:
        return ""
    rate = view.most_sessions / view.cooldown_s * 60
    return f"; with a cooldown of {view.cooldown_s} s that is {rate:.3g} new sessions a minute, if none is stopped"


def _same(one: str, other: str) -> bool:
    """Hosts and the names in paths are the same in any case."""
    first, second = urlsplit(one.lower()), urlsplit(other.lower())
    return (first.netloc, first.path.rstrip("/")) == (second.netloc, second.path.rstrip("/"))

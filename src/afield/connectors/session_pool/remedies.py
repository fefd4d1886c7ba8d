"""What an answer that is not the adapter's means, and the exact command or change that mends it. Pure.

A diagnosis ends with the cause and the first sentence of the next step, so that sentence has the command.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from afield.connectors.session_pool.blame import Blame, Speaker
from afield.connectors.session_pool.checks import Fix
from afield.connectors.session_pool.evidence import PoolPlace
from afield.connectors.session_pool.evidence_pool import ADAPTER_PORT, PoolView
from afield.connectors.session_pool.remedies_commands import (
    ROLE,
    STATUS,
    assign_role,
    console_log,
    list_roles,
    new_image,
    pull_image,
    show,
    show_endpoint,
    stop_session,
    update,
)
from afield.connectors.session_pool.token_checks import Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known besides the answer. None: not known."""

    place: PoolPlace
    endpoint: str = ""
    view: PoolView | None = None
    claims: Claims | None = None
    role_given: bool = False
    role_since: datetime | None = None

    @property
    def pool(self) -> str:
        return self.view.name if self.view is not None and self.view.name else self.place.pool

    @property
    def port(self) -> int | None:
        """Where requests go inside the container."""
        return self.view.port if self.view is not None else None

    @property
    def adapter_port(self) -> int:
        """Where the adapter listens, as the template tells it, or as it does by itself."""
        told = self.view.adapter_port if self.view is not None else None
        return told or ADAPTER_PORT


def remedy(blame: Blame, now: Situation) -> Fix:
    """What it means that somebody else than the adapter gave this answer, and what to do."""
    return _REMEDIES.get(blame.speaker, _unknown)(blame, now)


def _piston(_: Blame, now: Situation) -> Fix:
    port = now.port or ADAPTER_PORT
    return Fix(
        f"Piston holds port {port} inside the image; the adapter is not listening.",
        f"Build the image so that only the adapter starts, and run `{new_image(now.place, _image(now))}`. Or give the "
        "adapter another port (AFIELD_SANDBOX_PORT), and name that with --target-port. Piston cannot work in a pool: "
        "it needs privileged containers.",
    )


def _other_app(blame: Blame, now: Situation) -> Fix:
    if now.port is not None and now.port != now.adapter_port:
        return Fix(
            f"Another program than the adapter answers on target port {now.port}; "
            f"the adapter listens on {now.adapter_port}.",
            f"Run `{update(now.place, '--target-port', str(now.adapter_port))}`.",
        )
    return Fix(
        f"Another program than the adapter answers on {_port(now)} of the container ({blame.because}).",
        f"Build the image so that only the adapter holds that port, and run `{new_image(now.place, _image(now))}`. "
        "If the adapter listens elsewhere in it, name its port with --target-port.",
    )


def _wrong_kind(_: Blame, now: Situation) -> Fix:
    return wrong_kind(now)


def wrong_kind(now: Situation) -> Fix:
    """The two forms of endpoints are not exchangeable."""
    return Fix(
        f"The endpoint is the regional one, for code interpreters, and {now.pool} is a custom container pool: "
        "the platform refuses such calls (DynamicApisNotAllowed).",
        f"Set the target's endpoint to what `{show_endpoint(now.place)}` prints. Or give the target pool_id alone: the "
        "endpoint is read from there.",
    )


def _capacity(blame: Blame, now: Situation) -> Fix:
    view = now.view
    most = view.most_sessions if view is not None else None
    taken = view.counts.allocated if view is not None else None
    told = f" ({taken} of {most} are taken)" if most is not None and taken is not None else ""
    doubt = "" if view is not None else "; or it has no target port, which is answered in the same way"
    return Fix(
        f"The pool {now.pool} has no place for another session{told}: the platform answers {blame.because}{doubt}.",
        _more_room(now),
    )


def full(view: PoolView, now: Situation) -> Fix:
    """Every place is taken, by the resource's own count."""
    return Fix(
        f"All {view.most_sessions} sessions of {now.pool} are taken: a request with a new identifier is refused, "
        "with 404 or 429, until one ends.",
        _more_room(now),
    )


def _more_room(now: Situation) -> str:
    most = (now.view.most_sessions if now.view is not None else None) or 10
    return (
        f"Run `{update(now.place, '--max-sessions', str(2 * most))}`, or stop sessions that nobody needs with "
        f"`{stop_session(now.place)}`. A session holds its place until its cooldown ends: use identifiers again, or "
        "stop each when it is done."
    )


def _platform(blame: Blame, now: Situation) -> Fix:
    return Fix(
        f"The platform itself refuses the request: {blame.because}.",
        _STEPS.get(blame.code, "Look the code up in the reference of session pools, and compare the target's address."),
    )


def _identity(blame: Blame, now: Situation) -> Fix:
    issued = now.claims.issued_at if now.claims is not None else None
    if now.role_since is not None and issued is not None and issued < now.role_since:
        return Fix(
            f"The role {ROLE} was given after the token was issued, so this token does not carry it ({blame.because}).",
            "Wait up to ten minutes, then ask again with a new token.",
        )
    if now.role_given:
        return Fix(
            f"The role {ROLE} is assigned, and the pool does not go by it yet ({blame.because}): "
            "a new assignment takes up to ten minutes.",
            f"Wait ten minutes and ask again with a new token; if it stays, compare "
            f"`{list_roles(now.place)}` with the token's oid.",
        )
    return Fix(
        f"The pool does not accept this identity ({blame.because}); the usual cause is a missing role {ROLE}.",
        f"Run `{assign_role(now.place, now.claims)}`. It takes some minutes, and then a new token, to count.",
    )


def _container_down(blame: Blame, now: Situation) -> Fix:
    view = now.view
    if view is not None and now.port is not None and now.port != now.adapter_port:
        return Fix(
            f"Nothing answers on target port {now.port} of the container: the adapter listens on {now.adapter_port}.",
            f"Run `{update(now.place, '--target-port', str(now.adapter_port))}`.",
        )
    if view is not None and view.counts.ready:
        return Fix(
            f"The container lives, but nothing answers on its {_port(now)}: the adapter in it is dead, "
            f"or not listening on 0.0.0.0 ({blame.because}).",
            f"Make the adapter the container's own process, so that the container ends with it, and run "
            f"`{new_image(now.place, _image(now))}`. Its last words: `{console_log(now.pool)}`.",
        )
    return (broken_template(view, now) if view is not None else None) or Fix(
        f"The platform gets no answer from the container of {now.pool} ({blame.because}): "
        "it is starting, crashing, or nothing listens on its target port.",
        f"Look at `{show(now.place, STATUS)}`, and at the console log.",
    )


def broken_template(view: PoolView, now: Situation) -> Fix | None:
    """What keeps containers of the active template from being had; None when nothing does."""
    counts = view.counts
    if counts.pull_failed:
        return Fix(
            f"The image {view.image or 'of the pool'} cannot be pulled ({counts.pull_failed} times).",
            f"Check name, tag and the registry's rights, then run `{pull_image(now.place, view.image)}`. A registry of "
            "Azure wants the role AcrPull for the pool's identity.",
        )
    if counts.crashed:
        return Fix(
            f"The container of {now.pool} crashes as it runs ({counts.crashed} crashed, {counts.ready or 0} ready).",
            f"Read why with `{console_log(now.pool)}`, then run `{new_image(now.place, view.image)}`.",
        )
    if view.waiting:
        return Fix(
            f"No container of {now.pool} is ready ({counts.pending or 0} pending): it starts, or never gets ready.",
            f"Wait some minutes and look at `{show(now.place, STATUS)}`; if it stays, read `{console_log(now.pool)}`.",
        )
    return None


def _too_slow(blame: Blame, now: Situation) -> Fix:
    ready = (now.view.ready_wanted if now.view is not None else None) or 1
    return Fix(
        f"Nothing came in time ({blame.because}): allocating a session takes too long, or the adapter hangs.",
        f"Keep more sessions ready with `{update(now.place, '--ready-sessions', str(ready + 1))}`; if it stays, read "
        f"`{console_log(now.pool)}`.",
    )


def slow(seconds: float, now: Situation) -> Fix:
    """An answer that came, though late."""
    ready = (now.view.ready_wanted if now.view is not None else None) or 1
    return Fix(
        f"A new session of {now.pool} answered only after {seconds:.1f} s: none was ready, or its container is slow.",
        f"Keep more sessions ready with `{update(now.place, '--ready-sessions', str(ready + 1))}`.",
    )


def passing(blame: Blame, now: Situation) -> Fix:
    """Trouble that was gone when the same was asked again."""
    return Fix(
        f"The first answer was not the adapter's ({blame.because}), the second was: a container that was just "
        "starting, or a way there that is not steady.",
        f"Ask again; if it stays, keep more sessions ready and read `{console_log(now.pool)}`.",
    )


def odd_platform(blame: Blame, now: Situation) -> Fix:
    """The platform's own call was answered in a way that it is not known to answer."""
    return Fix(
        f"The platform of {now.pool} does not answer its own management call as expected: {blame.because}.",
        "Compare the target's endpoint and kind with the pool's resource.",
    )


def _wrong_host(blame: Blame, now: Situation) -> Fix:
    host = urlsplit(now.endpoint).netloc or "the endpoint"
    return Fix(
        f"No session pool answers at {host}: it was deleted, or the endpoint is another's ({blame.because}).",
        f"Compare the target's endpoint with what `{show_endpoint(now.place)}` prints.",
    )


def _network(blame: Blame, now: Situation) -> Fix:
    host = urlsplit(now.endpoint).netloc or "the endpoint"
    return Fix(
        f"{host} gives no answer: {blame.because}.",
        "Check the network, proxies, firewalls and certificates between here and there, then ask again.",
    )


def _unknown(blame: Blame, now: Situation) -> Fix:
    return Fix(
        f"Somebody else than the adapter answered, in a shape that is not known: {blame.because}.",
        f"Look at the whole answer with `curl -si`, and at the console log: `{console_log(now.pool)}`.",
    )


_REMEDIES = {
    Speaker.PISTON: _piston,
    Speaker.OTHER_APP: _other_app,
    Speaker.WRONG_KIND: _wrong_kind,
    Speaker.CAPACITY: _capacity,
    Speaker.PLATFORM: _platform,
    Speaker.IDENTITY: _identity,
    Speaker.CONTAINER_DOWN: _container_down,
    Speaker.TOO_SLOW: _too_slow,
    Speaker.WRONG_HOST: _wrong_host,
    Speaker.NETWORK: _network,
}

_GOOD_IDENTIFIER = "Send the query parameter `identifier`: 4 to 128 letters, digits or hyphens."
_STEPS = {
    "MissingIdentifier": _GOOD_IDENTIFIER,
    "SessionRequestValidationFailed": _GOOD_IDENTIFIER,
    "SessionPropertiesMissing": "Send the flat body to `/executions`; the one wrapped in `properties` is for "
    "`/code/execute`.",
    "SessionRequestNotSupported": "Compare the target's kind with the pool's containerType.",
    "QuotaExceeded": "Ask Azure for a higher quota of session pools in this region.",
}


# ---------------------------------------------------------------------------------- words


def _port(now: Situation) -> str:
    return f"port {now.port}" if now.port is not None else "target port"


def _image(now: Situation) -> str:
    return now.view.image if now.view is not None else ""

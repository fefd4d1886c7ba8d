"""The sessions of a pool, as both endpoints list them."""

from aiohttp import web

from . import errors
from .model import JsonObject
from .pool import Pool

_PAGE = 20


def list_page(http: web.Request, pool: Pool) -> JsonObject:
    """The sessions from `skip` on, with a `nextLink` when there are more; PoolError 400."""
    pool.settle()
    skip = http.query.get("skip", "0")
    if not (skip.isascii() and skip.isdigit()):
        raise errors.invalid("Query parameter 'skip' is invalid.")
    sessions, start = list(pool.sessions.values()), int(skip)
    end, lifecycle = start + _PAGE, pool.resource.properties.lifecycle
    more = end < len(sessions)
    return {
        "sessions": [one.show(lifecycle) for one in sessions[start:end]],
        "nextLink": str(http.url.update_query({"skip": str(end)})) if more else None,
    }


def show_session(pool: Pool, identifier: str) -> JsonObject:
    """One session; PoolError 400 when there is none."""
    pool.settle()
    session = pool.sessions.get(identifier)
    if session is None:
        raise errors.session_not_found(identifier)
    return session.show(pool.resource.properties.lifecycle)

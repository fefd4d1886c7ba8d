"""The whole output of a managed run command: append blobs the VM writes and Afield reads.

Source: Microsoft Learn, run-command-managed: a SAS with read, append, create and write permission.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import aiohttp

from afield.connectors.azure.wire import OutputBlobs
from afield.connectors.base import CollectError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

_PIECE = 256 * 1024


def blobs_of(container: str, sas: str, key: str) -> OutputBlobs:
    """The two blobs of the attempt `key`, with the right to write them."""
    base, signed = f"{container.rstrip('/')}/{quote(key, safe='')}", sas.lstrip("?")
    return OutputBlobs(stdout=f"{base}.stdout?{signed}", stderr=f"{base}.stderr?{signed}")


async def read_blob(session: aiohttp.ClientSession, url: str, patience: timedelta) -> AsyncIterator[bytes]:
    """The blob's bytes; nothing when there is none, since a script without output may leave no blob.

    Raises CollectError, without the URL: it is signed.
    """
    limit = aiohttp.ClientTimeout(sock_connect=10, sock_read=patience.total_seconds())
    try:
        async with session.get(url, timeout=limit, allow_redirects=False) as response:
            if response.status == 404:
                return
            if response.status != 200:
                raise _refused(response)
            async for piece in response.content.iter_chunked(_PIECE):
                reach(FaultPoint.DURING_COLLECT)
                yield piece
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        text = f"The output blob could not be read ({type(error).__name__})."
        raise CollectError(Reason("no_reply", text)) from None


def _refused(response: aiohttp.ClientResponse) -> CollectError:
    throttled = response.status in {429, 503}
    final = response.status in {400, 403}
    text = f"The storage account answered {response.status} to the request for the output blob."
    hint = " Check the container's SAS in the credential (output_sas)." if final else ""
    patience = response.headers.get("Retry-After", "")
    wait = timedelta(seconds=float(patience)) if patience.isdigit() else None
    return CollectError(Reason("throttled" if throttled else "output_refused", text + hint), retry_after=wait)

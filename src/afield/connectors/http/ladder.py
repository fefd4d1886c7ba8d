"""The checks that find out why a web service does not answer. They only read; a request only if the address has a
path for that."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from yarl import URL

from afield.connectors.base import Check, CheckResult, CheckVerdict
from afield.connectors.http.client import HttpClient, NoAnswer
from afield.connectors.http.spec import HttpAddress

_CONNECT_S = 10


def checks(client: HttpClient, address: HttpAddress) -> Sequence[Check]:
    rungs = _Rungs(client, address)
    return (
        Check(name="reachable", probe=rungs.reachable),
        Check(name="health", probe=rungs.health, needs=("reachable",)),
    )


class _Rungs:
    """The probes."""

    def __init__(self, client: HttpClient, address: HttpAddress) -> None:
        self._client = client
        self._address = address
        self._url = URL(address.base_url)

    async def reachable(self) -> CheckResult:
        host, port = self._url.host or "", self._url.port or 443
        asked = f"a connection to {host}:{port}"
        context = await asyncio.to_thread(ssl.create_default_context) if self._url.scheme == "https" else None
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, writer = await asyncio.open_connection(host, port, ssl=context)
        except ssl.SSLError as error:
            step = "Check the service's certificate and its name, or the CA certificates of this machine."
            return _fail(asked, error.reason or str(error), f"{host} shows no certificate that can be trusted.", step)
        except (OSError, TimeoutError) as error:
            step = "Check base_url, the network, proxies and firewalls, and that the service is up."
            return _fail(asked, str(error) or "no answer in time", f"{host}:{port} cannot be reached from here.", step)
        writer.close()
        return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered="connected")

    async def health(self) -> CheckResult:
        path = self._address.health_path
        if path is None:
            text = "The address has no health_path, so nothing is asked of the service."
            return CheckResult(verdict=CheckVerdict.SKIPPED, asked="nothing", answered=text)
        asked = f"GET {path}"
        answer = await self._client.ask(path)
        if isinstance(answer, NoAnswer):
            return CheckResult(verdict=CheckVerdict.COULD_NOT_LOOK, asked=asked, answered=answer.text)
        if 200 <= answer.status <= 299:
            return CheckResult(verdict=CheckVerdict.OK, asked=asked, answered=str(answer.status))
        refused = answer.status in {401, 403}
        step = "Check the headers in the target's credential." if refused else "Check the service, then health_path."
        cause = "The service does not accept the credential." if refused else "The service says that it is not well."
        return _fail(asked, str(answer.status), cause, step)


def _fail(asked: str, answered: str, cause: str, next_step: str) -> CheckResult:
    return CheckResult(verdict=CheckVerdict.FAIL, asked=asked, answered=answered, next_step=next_step, cause=cause)

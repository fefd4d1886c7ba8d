"""Looking at a website in a process of its own: strangers' pages are not read where requests are answered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import orjson

from afield.errors import AfieldError, UnavailableError
from afield.provisioning.jobs import checked_url
from afield.provisioning.settings import ProvisionSettings

LONGEST_S = 60.0
_AT_ONCE = 2
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


class BrandingError(AfieldError):
    """A website could not be looked at."""


class Brander:
    """Looks at few websites at once."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._longest_s = longest_s

    async def look_at(self, url: str) -> bytes:
        """What the website looks like, as JSON. Raises InvalidInputError, BrandingError, UnavailableError (time)."""
        url = checked_url(url)
        async with self._places:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, url,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=_environment(os.environ),
            )  # fmt: skip
            try:
                async with asyncio.timeout(self._longest_s):
                    out, _ = await process.communicate()
            except TimeoutError:
                raise UnavailableError(f"{url} was not read in time.", hint="Try again later.") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        return _checked(out, url)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """No secret of ours is among it."""
    return {name: ours[name] for name in ours if name in _PASSED_ON or name.startswith("AFIELD_PROVISION_")}


def _checked(out: bytes, url: str) -> bytes:
    try:
        found = orjson.loads(out)
    except orjson.JSONDecodeError:
        raise UnavailableError(f"{url} could not be looked at.", hint="Try again later.") from None
    if "error" not in found:
        return out
    failed = BrandingError(found["error"]["message"], hint=found["error"]["hint"])
    failed.code, failed.status = found["error"]["code"], found["error"]["status"]
    raise failed


async def _look(url: str) -> bytes:
    from afield.provisioning.agents.researching import reach_of  # noqa: PLC0415 - only this process needs them
    from afield.provisioning.research.branding import extract_branding  # noqa: PLC0415

    try:
        return (await extract_branding(url, reach_of(ProvisionSettings()))).model_dump_json().encode()
    except AfieldError as error:
        told = {"code": error.code, "status": error.status, "message": error.message, "hint": error.hint}
        return orjson.dumps({"error": told})


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(_look(sys.argv[1])))

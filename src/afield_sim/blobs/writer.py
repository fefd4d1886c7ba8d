"""A client that fills append blobs, as the agent of a machine does; for this simulator's blobs and anyone else's."""

from io import BytesIO

import aiohttp
from yarl import URL

MAX_BLOCK = 4 * 1024 * 1024
_VERSION = {"x-ms-version": "2021-12-02"}


class BlobRefusedError(Exception):
    """The blob service said no, or could not be reached: what was tried, the status and code. Never the address."""

    def __init__(self, action: str, status: int, code: str) -> None:
        super().__init__(f"{action} of an append blob: {status} {code}")
        self.status = status
        self.code = code


class AppendBlobWriter:
    """Creates one append blob and appends to it; `url` carries its own authorisation (a SAS).

    The blob's offset goes along with every block, so a block that is sent twice is refused and not doubled.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._offset = 0

    async def create(self) -> None:
        """Create the blob, empty, in place of one that is there; BlobRefusedError."""
        await self._put("create", self._url, b"", {"x-ms-blob-type": "AppendBlob"})
        self._offset = 0

    async def append(self, data: bytes) -> None:
        """Append in blocks of 4 MiB at most; BlobRefusedError."""
        url = f"{self._url}{'&' if '?' in self._url else '?'}comp=appendblock"
        for start in range(0, len(data), MAX_BLOCK):
            block = data[start : start + MAX_BLOCK]
            await self._put("append", url, block, {"x-ms-blob-condition-appendpos": str(self._offset)})
            self._offset += len(block)

    async def _put(self, action: str, url: str, body: bytes, headers: dict[str, str]) -> None:
        sent = {**_VERSION, "Content-Type": "application/octet-stream", **headers}
        try:
            async with self._session.put(URL(url, encoded=True), data=BytesIO(body), headers=sent) as reply:
                if reply.status != 201:
                    raise BlobRefusedError(action, reply.status, reply.headers.get("x-ms-error-code", ""))
        except (aiohttp.ClientError, ValueError) as error:
            raise BlobRefusedError(action, 0, type(error).__name__) from None

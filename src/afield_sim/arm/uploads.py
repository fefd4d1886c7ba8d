"""What a machine does for the full output of a managed run command: it fills an append blob."""

from io import BytesIO
from pathlib import Path

import aiohttp
from yarl import URL

from .reading import read_from

_VERSION = {"x-ms-version": "2021-12-02"}
_PIECE = 4 * 1024 * 1024


class UploadError(Exception):
    """The blob refused: its status."""


class Upload:
    """Copies a growing file into an append blob, from the beginning; the query (a signature) is kept."""

    def __init__(self, http: aiohttp.ClientSession, address: str, file: Path) -> None:
        self._http = http
        self._address = address
        self._file = file
        self._sent = 0

    async def create(self) -> None:
        """Create the blob, in place of one that is there; UploadError when it is refused."""
        await self._put(self._address, b"", {"x-ms-blob-type": "AppendBlob"})

    async def go_on(self) -> None:
        """Append what has come since; UploadError when it is refused."""
        joint = "&" if "?" in self._address else "?"
        while piece := await read_from(self._file, self._sent, _PIECE):
            await self._put(f"{self._address}{joint}comp=appendblock", piece, {})
            self._sent += len(piece)

    async def _put(self, address: str, body: bytes, headers: dict[str, str]) -> None:
        sent = {**_VERSION, "Content-Length": str(len(body)), **headers}
        try:
            async with self._http.put(URL(address, encoded=True), data=BytesIO(body), headers=sent) as reply:
                if reply.status != 201:
                    raise UploadError(f"the blob answered {reply.status}")
        except (aiohttp.ClientError, ValueError) as error:
            raise UploadError(f"the blob cannot be reached: {type(error).__name__}") from error

"""Signed download URLs that expire."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

PATH = "/downloads"
METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Signs paths with a key of its own."""

    key: bytes

    def sign(self, base_url: str, execution_id: str, part: str, now: float, seconds: float) -> str:
        """A URL for one part of a result, good for `seconds` from `now` (seconds since 1970)."""
        expires = f"{now + seconds:.3f}"
        signature = self._signature(execution_id, part, expires)
        return f"{base_url}{PATH}/{execution_id}/{part}?Expires={expires}&Signature={signature}"

    def allows(self, execution_id: str, part: str, query: Mapping[str, str], now: float) -> bool:
        """Whether a URL was signed by this signer, and is not expired."""
        expires = query.get("Expires", "")
        expected = self._signature(execution_id, part, expires)
        if not hmac.compare_digest(expected.encode(), query.get("Signature", "").encode()):
            return False
        return now < float(expires)

    def _signature(self, execution_id: str, part: str, expires: str) -> str:
        return hmac.new(self.key, f"{execution_id}/{part}/{expires}".encode(), sha256).hexdigest()

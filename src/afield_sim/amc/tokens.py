"""Access and refresh tokens of the one account."""

import secrets
from dataclasses import dataclass
from typing import Literal

from ..clock import Clock
from ..journal import Journal, Record

KIND = "token"
CODE_SECONDS = 300

Verdict = Literal["good", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class Client:
    """The credentials of the one client."""

    client_id: str
    client_secret: str
    refresh_token: str


class TokenBook:
    """Issues, checks and revokes tokens; all of them survive a restart."""

    def __init__(self, client: Client, clock: Clock, journal: Journal) -> None:
        self.client = client
        self.refresh_revoked = False
        self._clock = clock
        self._journal = journal
        self._expiry: dict[str, float] = {}
        self._codes: dict[str, float] = {}

    def load(self, records: dict[str, Record]) -> None:
        """Take in what was journalled."""
        for key, record in records.items():
            if key == "refresh":
                self.refresh_revoked = bool(record["revoked"])
            else:
                self._expiry[key] = record["expires"]

    def issue(self, seconds: float) -> str:
        """A new access token that lives `seconds`."""
        token = f"Atza|{secrets.token_urlsafe(48)}"
        self._keep(token, self._clock.now() + seconds)
        return token

    def check(self, token: str) -> Verdict:
        """What an access token is worth now."""
        expires = self._expiry.get(token)
        if expires is None:
            return "unknown"
        return "good" if self._clock.now() < expires else "expired"

    def revoke_access(self) -> int:
        """Make all access tokens expired; how many still lived."""
        now = self._clock.now()
        living = [token for token, expires in self._expiry.items() if expires > now]
        for token in living:
            self._keep(token, 0.0)
        return len(living)

    def revoke_refresh(self, *, revoked: bool = True) -> None:
        """Revoke the refresh token, or make it good again."""
        self.refresh_revoked = revoked
        self._journal.put(KIND, "refresh", {"revoked": revoked})

    def rewrite(self) -> None:
        """Write all tokens into an emptied journal."""
        for token, expires in self._expiry.items():
            self._keep(token, expires)
        self.revoke_refresh(revoked=self.refresh_revoked)

    def issue_code(self) -> str:
        """A new authorization code, good for one exchange within five minutes."""
        code = secrets.token_hex(10)
        self._codes[code] = self._clock.now() + CODE_SECONDS
        return code

    def use_code(self, code: str) -> bool:
        """Whether `code` was good; it is used up."""
        return self._codes.pop(code, 0.0) > self._clock.now()

    def _keep(self, token: str, expires: float) -> None:
        self._expiry[token] = expires
        self._journal.put(KIND, token, {"expires": expires})

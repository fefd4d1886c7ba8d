"""Tickets as faces use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson

from afield.errors import InvalidInputError
from afield.kernel import Kernel
from afield.model.jsontypes import JsonObject, JsonValue
from afield.runbooks.tickets.csv_import import BadRow, read_csv
from afield.runbooks.tickets.mapping import check_mapping
from afield.runbooks.tickets.model import SourceKind, Ticket, TicketIn, TicketStatus, Webhook
from afield.runbooks.tickets.resolve import MachineLike, Resolution, resolve
from afield.runbooks.tickets.signatures import verify
from afield.runbooks.tickets.sources import READERS
from afield.runbooks.tickets.store import TicketStore, WebhookStore
from afield.runbooks.tickets.write_back import WriteBack, check_url

SHORTEST_SECRET = 16
BY_HAND, BY_FILE = "manual", "csv"
_RESERVED = frozenset({BY_HAND, BY_FILE})


class Tickets:
    """Tickets and alerts of one tenant."""

    def __init__(self, kernel: Kernel, tenant_id: UUID) -> None:
        self._clock = kernel.clock
        self._tenant_id = tenant_id
        self.store = TicketStore(kernel.ledger.database)
        self.webhooks = WebhookStore(kernel.ledger.database, kernel.keyring)
        self.write_back = WriteBack(kernel.ledger.database, self.store, self.webhooks)

    async def add_webhook(
        self, name: str, kind: SourceKind, secret: str, *, mapping: JsonObject, write_back_url: str | None
    ) -> Webhook:
        """Let a sender in. Raises InvalidInputError (name, secret, mapping, address), ConflictError."""
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name in _RESERVED:
            raise InvalidInputError(f"A webhook cannot be called {name!r}.", hint="Use letters, digits, - and _.")
        if len(secret) < SHORTEST_SECRET:
            raise InvalidInputError(
                f"The secret is shorter than {SHORTEST_SECRET} characters.", hint="Take a random one."
            )
        check_mapping(mapping)
        url = check_url(write_back_url) if write_back_url else None
        secrets = {"secret": secret}
        return await self.webhooks.add(
            self._tenant_id, name, kind, secrets, mapping=mapping, write_back_url=url
        )  # fmt: skip

    async def deliver(self, name: str, headers: Mapping[str, str], body: bytes) -> list[Ticket]:
        """Take a delivery in. Raises NotFoundError, SignatureError, InvalidInputError; then nothing is recorded."""
        webhook = await self.webhooks.find(self._tenant_id, name)
        secrets = await self.webhooks.secrets(webhook)
        verify(webhook.kind, secrets["secret"], headers, body, self._clock.now())
        tickets = READERS[webhook.kind](_json(body), webhook.mapping)
        return await self.store.take(self._tenant_id, name, tickets, self._clock.now())

    async def add(self, ticket: TicketIn) -> Ticket:
        """Record a ticket by hand."""
        return (await self.store.take(self._tenant_id, BY_HAND, [ticket], self._clock.now()))[0]

    async def import_csv(self, text: str, *, partial: bool = False) -> tuple[list[Ticket], Sequence[BadRow]]:
        """Record the rows of a file: all, or with `partial` those that are good. Raises InvalidInputError naming the
        bad lines."""
        imported = read_csv(text)
        if imported.bad and not partial:
            shown = "; ".join(f"line {bad.line}: {bad.problem}" for bad in imported.bad[:10])
            raise InvalidInputError(
                f"{len(imported.bad)} rows cannot be taken: {shown}",
                hint="Nothing was recorded. Mend them, or allow a part.",
            )
        return await self.store.take(self._tenant_id, BY_FILE, imported.tickets, self._clock.now()), imported.bad

    async def find(self, text: str) -> Ticket:
        """By id, or by its id at the sender. Raises NotFoundError, ConflictError."""
        return await self.store.find(self._tenant_id, text)

    async def page(
        self, *, status: TicketStatus | None = None, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[Ticket], str | None]:
        """Newest first."""
        return await self.store.page(self._tenant_id, status=status, limit=limit, cursor=cursor)

    async def resolve(self, text: str, machines: Sequence[MachineLike]) -> tuple[Ticket, Resolution]:
        """Which machine a ticket is about, and how that was found out."""
        ticket = await self.find(text)
        return ticket, resolve(ticket, machines)


def _json(body: bytes) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"The body is not JSON: {error}.") from error
    return value

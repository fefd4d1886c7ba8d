"""Everything the emulated AMC account holds, put together."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

from ..clock import Clock
from ..counters import Counters
from ..journal import Contents, Journal
from ..pulse import Pulse
from .accepting import Acceptor
from .downloads import UrlSigner
from .engine import Compute, compute_for
from .faults import FaultBox
from .lifecycle import Lifecycle
from .model import LIVE, Execution
from .objects import ObjectStore
from .results import FolderResults, MemoryResults
from .runner import Runner
from .settings import AccountSettings, InstanceSettings
from .store import KIND as EXECUTION
from .store import ExecutionStore
from .tokens import KIND as TOKEN
from .tokens import Client, TokenBook

IDENTITY = "identity"
SETTINGS = "settings"
CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Options:
    """How an account is made: its size, the seed of its data, and the last day of it (default today)."""

    instances: int = 3
    seed: int = 7
    last_day: date | None = None
    folder: Path | None = None


class Account:
    """The one account: who may call, which instances there are, what they did."""

    entity_id = "ENTITYSIM00000001"
    marketplace_id = "ATVPDKIKX0DER"
    name = "Simulated account"

    def __init__(self, options: Options, clock: Clock, journal: Journal, pulse: Pulse) -> None:
        self.clock = clock
        self.pulse = pulse
        self.counters = Counters()
        self.faults = FaultBox(options.seed, self.counters)
        self.instance_ids = [f"amcsim{number:05d}" for number in range(1, options.instances + 1)]
        self._options = options
        self._journal = journal
        contents = journal.load()
        self._load_settings(contents)
        self._load_identity(contents)
        self.lifecycle: Lifecycle
        self.runner: Runner
        self._make_parts(contents)

    @cached_property
    def compute(self) -> Compute:
        """The data, made when the service starts."""
        last_day = self._options.last_day or datetime.fromtimestamp(self.clock.now(), UTC).date()
        return compute_for(self._options.seed, last_day)

    def settings_of(self, instance_id: str) -> InstanceSettings:
        """The settings of an instance."""
        return self._settings[instance_id]

    def change_settings(self, instance_id: str, settings: InstanceSettings) -> None:
        """Replace the settings of an instance."""
        self._settings[instance_id] = settings
        self._journal.put(SETTINGS, instance_id, settings.model_dump())
        self.lifecycle.fill(self.clock.now())

    def change_account(self, settings: AccountSettings) -> None:
        """Replace the settings of the account, in place: others hold on to it."""
        self.account.concurrency = settings.concurrency
        self.account.access_token_seconds = settings.access_token_seconds
        self._journal.put(SETTINGS, "account", settings.model_dump())

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and do what became due."""
        self.clock.advance(seconds)
        self._keep_clock()
        self.settle()
        self.pulse.beat()

    def settle(self) -> None:
        """Do what is due by now."""
        self.lifecycle.settle(self.clock.now())

    def resume(self) -> None:
        """Go on with what was live at the last stop; needs a running event loop."""
        for execution in self.executions:
            if execution.status in LIVE:
                self.lifecycle.resume(execution)

    def plant(self, execution: Execution) -> None:
        """Add an execution that no caller of this API created."""
        self.executions.add(execution)
        self.pulse.beat()

    def reset(self) -> None:
        """Forget executions, saved queries, schedules, faults, counts and settings; keep the credentials."""
        self.runner.stop_all()
        self.lifecycle.forget()
        self.executions.clear()
        self.workflows.clear()
        self.schedules.clear()
        self.results.clear()
        self.faults.clear()
        self.counters.reset()
        self._journal.clear()
        self._settings = {instance_id: InstanceSettings() for instance_id in self.instance_ids}
        self.change_account(AccountSettings())
        self._keep_identity()
        self._keep_clock()
        self.tokens.rewrite()
        self.pulse.beat()

    def _load_settings(self, contents: Contents) -> None:
        kept = contents.get(SETTINGS, {})
        self._settings = {
            instance_id: InstanceSettings.model_validate(kept.get(instance_id, {})) for instance_id in self.instance_ids
        }
        self.account = AccountSettings.model_validate(kept.get("account", {}))
        self.clock.offset += contents.get(CLOCK, {}).get("offset", {}).get("seconds", 0.0)

    def _load_identity(self, contents: Contents) -> None:
        kept = contents.get(IDENTITY, {}).get("client")
        self._identity: Mapping[str, str] = kept or {
            "client_id": f"amzn1.application-oa2-client.{secrets.token_hex(16)}",
            "client_secret": secrets.token_hex(32),
            "refresh_token": f"Atzr|{secrets.token_urlsafe(48)}",
            "url_key": secrets.token_hex(32),
        }
        if kept is None:
            self._keep_identity()

    def _keep_identity(self) -> None:
        self._journal.put(IDENTITY, "client", self._identity)

    def _keep_clock(self) -> None:
        self._journal.put(CLOCK, "offset", {"seconds": self.clock.offset})

    def _make_parts(self, contents: Contents) -> None:
        identity, journal, folder = self._identity, self._journal, self._options.folder
        client = Client(identity["client_id"], identity["client_secret"], identity["refresh_token"])
        self.signer = UrlSigner(identity["url_key"].encode())
        self.tokens = TokenBook(client, self.clock, journal)
        self.tokens.load(contents.get(TOKEN, {}))
        self.workflows = ObjectStore("workflow", journal, contents.get("workflow", {}))
        self.schedules = ObjectStore("schedule", journal, contents.get("schedule", {}))
        self.executions = ExecutionStore(journal)
        self.executions.load(contents.get(EXECUTION, {}))
        self.results = FolderResults(folder / "results") if folder else MemoryResults()
        self.lifecycle = Lifecycle(
            now=self.clock.now,
            store=self.executions,
            results=self.results,
            settings_of=self.settings_of,
            account=self.account,
            faults=self.faults,
            pulse=self.pulse,
        )
        self.runner = Runner(lambda: self.compute, self.lifecycle.query_done)
        self.lifecycle.use(self.runner)
        self.acceptor = Acceptor(
            clock=self.clock,
            store=self.executions,
            lifecycle=self.lifecycle,
            faults=self.faults,
            settings_of=self.settings_of,
        )

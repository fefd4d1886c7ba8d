"""Who answers: version and boot, told with every answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4


def _version() -> str:
    try:
        return version("afield")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of the adapter. `boot_id` is another one after each start: what was before is not remembered."""

    started_at: datetime
    version: str = field(default_factory=_version)
    boot_id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def name(self) -> str:
        return f"afield-sandbox/{self.version}"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"x-afield-adapter": self.version, "x-afield-boot": self.boot_id, "Server": self.name}

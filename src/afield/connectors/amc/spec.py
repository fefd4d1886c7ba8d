"""What an AMC target and an AMC execution look like, checked before anything is recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from afield.connectors.base import StrictModel

# --------------------------------------------------------------------------------------- the target


class Region(StrEnum):
    """Where the Amazon Ads account lives."""

    NA = "NA"
    EU = "EU"
    FE = "FE"


API_URLS: Mapping[Region, str] = {
    Region.NA: "https://advertising-api.amazon.com",
    Region.EU: "https://advertising-api-eu.amazon.com",
    Region.FE: "https://advertising-api-fe.amazon.com",
}

TOKEN_URLS: Mapping[Region, str] = {
    Region.NA: "https://api.amazon.com/auth/o2/token",
    Region.EU: "https://api.amazon.co.uk/auth/o2/token",
    Region.FE: "https://api.amazon.co.jp/auth/o2/token",
}


class AttemptName(StrEnum):
    """How an attempt is made recognisable at AMC, which has no idempotency key."""

    SAVED_WORKFLOW = "saved_workflow"  # one saved workflow per attempt, named after it: exact
    AD_HOC_WORKFLOW_ID = "ad_hoc_workflow_id"  # an ad hoc query that carries the name: exact if AMC repeats it
    ECHOED_VALUES = "echoed_values"  # an ad hoc query found by the values AMC repeats: exact with a run tag


def _clear_url(url: str) -> str:
    """An absolute URL without a trailing slash; plain http only where it cannot leave the house."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or parts.query:
        raise ValueError("must be a URL like https://host/path, without a user name and without a query")
    near = parts.hostname in {"127.0.0.1", "::1"} or "." not in parts.hostname
    if parts.scheme == "http" and not near:
        raise ValueError("must be https: the calls carry secrets")
    return url.rstrip("/")


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Url = Annotated[str, AfterValidator(_clear_url)]


class AmcAddress(StrictModel):
    """One AMC instance, and the account through which it is reached."""

    instance_id: Identifier
    entity_id: Identifier
    marketplace_id: Identifier
    region: Region = Region.NA
    base_url: Url = ""  # of the API; by region if not given
    token_url: Url = ""  # of Login with Amazon; by region if not given
    attempt_name: AttemptName = AttemptName.SAVED_WORKFLOW
    run_tag_parameter: ParameterName | None = "afield_run"  # with echoed values: the parameter that carries the key
    retire_by_deleting: bool = True  # before a resubmission, delete the attempt's saved workflow: a late request fails
    keep_attempt_workflows: bool = False  # leave the saved workflow of an attempt behind once its output is stored

    @model_validator(mode="before")
    @classmethod
    def _by_region(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        region = given.get("region", Region.NA)
        if not isinstance(region, str) or region not in set(Region):
            return given  # the field's own error is the clearer one
        return {
            **given,
            "base_url": given.get("base_url") or API_URLS[Region(region)],
            "token_url": given.get("token_url") or TOKEN_URLS[Region(region)],
        }


# --------------------------------------------------------------------------------------- the execution


class WindowType(StrEnum):
    """Which span of data a query reads. All but EXPLICIT are resolved by AMC when it runs."""

    EXPLICIT = "EXPLICIT"
    MOST_RECENT_DAY = "MOST_RECENT_DAY"
    MOST_RECENT_WEEK = "MOST_RECENT_WEEK"
    CURRENT_MONTH = "CURRENT_MONTH"
    PREVIOUS_MONTH = "PREVIOUS_MONTH"
    ALL = "ALL"


_TIME_ZONES = available_timezones()  # it reads many files: now, not on an event loop

_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def _local_time(text: str) -> str:
    """A time as AMC wants it: whole seconds, no zone. A trailing Z is kept here and judged with the time zone."""
    bare = text.removesuffix("Z")
    if not _LOCAL_TIME.fullmatch(bare):
        raise ValueError(f"must look like 2025-01-20T00:00:00 (date and time, no zone), not {text!r}")
    datetime.fromisoformat(bare)
    return text


def _time_zone(name: str) -> str:
    if name not in _TIME_ZONES:
        raise ValueError(f"{name!r} is not an IANA time zone such as America/New_York")
    return name


LocalTime = Annotated[str, AfterValidator(_local_time)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class TimeWindow(StrictModel):
    """The span of data a query reads. `start` and `end` belong to EXPLICIT alone, and are read in `time_zone`."""

    type: WindowType = WindowType.MOST_RECENT_DAY
    start: LocalTime | None = None
    end: LocalTime | None = None
    time_zone: TimeZone = "UTC"

    @model_validator(mode="before")
    @classmethod
    def _without_zone(cls, given: object) -> object:
        """Drop a trailing Z where it says what the time zone says: AMC answers it with empty results."""
        if not isinstance(given, Mapping) or given.get("time_zone", "UTC") != "UTC":
            return given
        bare = {name: given[name].removesuffix("Z") for name in ("start", "end") if isinstance(given.get(name), str)}
        return {**given, **bare}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type is not WindowType.EXPLICIT:
            if self.start is not None or self.end is not None:
                raise ValueError(f"start and end need the type EXPLICIT; with {self.type} AMC chooses them")
            return self
        if self.start is None or self.end is None:
            raise ValueError("the type EXPLICIT needs start and end")
        if self.start.endswith("Z") or self.end.endswith("Z"):
            raise ValueError(f"a trailing Z says UTC, and time_zone says {self.time_zone}; leave out the Z")
        if self.start >= self.end:
            raise ValueError("end must be after start")
        return self


def _as_text(value: object) -> object:
    """AMC takes parameter values as text; a number is written out, so that what is echoed can be compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


ParameterValue = Annotated[str | list[str], BeforeValidator(_as_text)]


class InputParameter(StrictModel):
    """A parameter that the SQL reads with CUSTOM_PARAMETER('name')."""

    name: ParameterName
    data_type: str = "STRING"
    column_type: Literal["DIMENSION", "METRIC"] = "DIMENSION"
    description: str | None = None
    default_value: str | None = None


class Advertiser(StrictModel):
    """An advertiser the data is restricted to."""

    id: str
    type: Literal["DISPLAY", "SAS", "SPONSORED_ADS"]
    marketplace_id: str


class PrivacyFilter(StrEnum):
    """What AMC does with rows about too few people."""

    REMOVE_ROWS = "REMOVE_ROWS"
    REMOVE_VALUES = "REMOVE_VALUES"


class AmcSpec(StrictModel):
    """One AMC query: the SQL, the span of data, the parameters."""

    sql_query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    workflow_name: str | None = None  # a label for people; AMC never sees it
    time_window: TimeWindow = TimeWindow()
    parameter_values: dict[ParameterName, ParameterValue] = Field(default_factory=dict)
    input_parameters: list[InputParameter] = Field(default_factory=list, max_length=100)  # undeclared ones are text
    timeout_seconds: Annotated[int, Field(ge=900, le=86400)] | None = None  # AMC's own default is 6 hours
    dry_run: bool = False  # AMC checks the query and computes nothing
    ignore_data_gaps: bool = False
    disable_aggregation_controls: bool = False  # sandboxes only
    require_synthetic_data: bool = False  # sandboxes only
    privacy_filter: PrivacyFilter = PrivacyFilter.REMOVE_ROWS
    advertisers: list[Advertiser] = Field(default_factory=list)

"""Times as Azure writes them."""

from datetime import UTC, datetime


def show_time(seconds: float) -> str:
    """Seconds since 1970 with seven digits of a fraction: `2022-05-12T10:00:00.0000000+00:00`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def show_second(seconds: float) -> str:
    """Seconds since 1970 as the errors of tokens write them: `5/12/2022 10:00:00 AM`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.month}/{moment.day}/{moment.year} {moment:%I:%M:%S %p}".replace(" 0", " ")

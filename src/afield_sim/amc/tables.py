"""The advertising data: AMC-like tables, drawn from a seed by DuckDB itself.

Every row belongs to one of 4,000 users and one moment (`event_dt_utc`, UTC) of the last 60 days.
The same seed and last day give the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

SCHEMA = "clean_room"
USERS = 4_000
DAYS = 60
CAMPAIGNS = 8


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its row count, and its columns beyond the ones all tables share, as SQL."""

    rows: int
    columns: Mapping[str, str]


_SALES = "(CASE WHEN {pick} % 3 = 0 THEN 500 + {pick} % 9500 ELSE 0 END / 100.0)::DECIMAL(18,2)"
_TRAFFIC = {
    "request_tag": "md5({i}::VARCHAR)",
    "line_item_id": "(7000 + {campaign} * 10 + {pick} % 3)::BIGINT",
    "creative_id": "(9000 + {pick} % 40)::BIGINT",
    "device_type": "['PHONE','PC','TABLET','TV'][1 + ({pick} % 4)::INTEGER]",
}
_ATTRIBUTED = {
    "ad_product_type": "CASE WHEN {pick} % 2 = 0 THEN 'dsp' ELSE 'sponsored_products' END",
    "conversion_event_subtype": "['order','shoppingCart','detailPageView'][1 + ({pick} % 3)::INTEGER]",
    "impressions": "0::BIGINT",
    "clicks": "0::BIGINT",
    "conversions": "1::BIGINT",
    "purchases": "({pick} % 3 = 0)::BIGINT",
    "units_sold": "CASE WHEN {pick} % 3 = 0 THEN 1 + {pick} % 4 ELSE 0 END::BIGINT",
    "product_sales": _SALES,
}

TABLES: Mapping[str, Table] = {
    "dsp_impressions": Table(
        60_000, {**_TRAFFIC, "impressions": "1::BIGINT", "total_cost": "((100 + {pick} % 900) / 100.0)::DECIMAL(18,2)"}
    ),
    "dsp_clicks": Table(
        6_000, {**_TRAFFIC, "clicks": "1::BIGINT", "click_cost": "((10 + {pick} % 90) / 100.0)::DECIMAL(18,2)"}
    ),
    "dsp_views": Table(20_000, {**_TRAFFIC, "views": "1::BIGINT", "viewable_impressions": "({pick} % 2)::BIGINT"}),
    "sponsored_ads_traffic": Table(
        40_000,
        {
            **_TRAFFIC,
            "ad_product_type": "['sponsored_products','sponsored_brands'][1 + ({pick} % 2)::INTEGER]",
            "customer_search_term": "'term ' || ({pick} % 50)",
            "impressions": "1::BIGINT",
            "clicks": "({pick} % 20 = 0)::BIGINT",
            "spend": "(CASE WHEN {pick} % 20 = 0 THEN 20 + {pick} % 300 ELSE 0 END / 100.0)::DECIMAL(18,2)",
        },
    ),
    "amazon_attributed_events_by_conversion_time": Table(12_000, _ATTRIBUTED),
    "amazon_attributed_events_by_traffic_time": Table(12_000, _ATTRIBUTED),
    "conversions": Table(
        15_000,
        {
            "event_subtype": "['order','shoppingCart','detailPageView'][1 + ({pick} % 3)::INTEGER]",
            "tracked_item": "'B0' || lpad(({pick} % 200)::VARCHAR, 8, '0')",
            "conversions": "1::BIGINT",
            "purchases": "({pick} % 3 = 0)::BIGINT",
            "total_product_sales": _SALES,
        },
    ),
}


def create_tables(connection: duckdb.DuckDBPyConnection, seed: int, last_day: date) -> None:
    """Fill the schema `clean_room` with all tables; rows end with the end of `last_day` (UTC)."""
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for name, table in TABLES.items():
        connection.execute(_creation(name, table, seed, last_day))


def _creation(name: str, table: Table, seed: int, last_day: date) -> str:
    pieces = {"i": "i", "campaign": "campaign_number", "pick": "pick"}
    extra = ", ".join(f"{sql.format(**pieces)} AS {column}" for column, sql in table.columns.items())
    salt = f"'{name}', {int(seed)}"
    return f"""
        CREATE TABLE {SCHEMA}.{name} AS
        WITH drawn AS (
            SELECT i,
                   (hash(i, 'user', {salt}) % {USERS})::BIGINT AS user_number,
                   (hash(i, 'campaign', {salt}) % {CAMPAIGNS})::BIGINT AS campaign_number,
                   (hash(i, 'pick', {salt}) % 1000000)::BIGINT AS pick,
                   TIMESTAMP '{last_day.isoformat()} 00:00:00' + INTERVAL 1 DAY
                       - to_seconds(1 + (hash(i, 'time', {salt}) % {DAYS * 86_400})::BIGINT) AS event_dt_utc
            FROM range({table.rows}) AS numbers(i)
        )
        SELECT md5('user ' || user_number) AS user_id,
               'marketplace 1' AS marketplace_name,
               (300 + campaign_number % 2)::BIGINT AS advertiser_id,
               'Advertiser ' || (1 + campaign_number % 2) AS advertiser,
               (5000 + campaign_number)::BIGINT AS campaign_id,
               'Campaign ' || (1 + campaign_number) AS campaign,
               {extra},
               event_dt_utc,
               CAST(event_dt_utc AS DATE) AS event_date_utc,
               CAST(hour(event_dt_utc) AS INTEGER) AS event_hour_utc
        FROM drawn
    """  # noqa: S608 - put together from this file's own text and an integer

"""The SQL that is really run: windows, parameters, privacy, and what it cannot reach."""

import pytest
from sim_caller import SQL, Caller

from afield_sim.testing import ManualClock, Simulator

COUNT = "SELECT count(*) AS n FROM dsp_impressions"
DAY = "2025-06-10T00:00:00", "2025-06-11T00:00:00"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_750_000_000)  # 2025-06-15T15:06:40Z


def explicit(start: str, end: str) -> dict[str, str]:
    return {"timeWindowType": "EXPLICIT", "timeWindowStart": start, "timeWindowEnd": end}


async def test_the_same_seed_gives_the_same_result(caller: Caller, finished):
    once, again = await finished(SQL + " ORDER BY 1"), await finished(SQL + " ORDER BY 1")
    rows = await caller.rows(once)
    assert rows == await caller.rows(again)
    assert [row[0] for row in rows] == [f"Campaign {number}" for number in range(1, 9)]
    assert sum(int(row[1]) for row in rows) == 60_000


async def test_rows_outside_the_window_cannot_be_seen(caller: Caller, finished):
    day = int((await caller.rows(await finished(COUNT, **explicit(*DAY))))[0][0])
    assert 800 < day < 1200
    per_day = "SELECT DISTINCT event_date_utc AS d, count(*) AS n FROM dsp_impressions GROUP BY 1"
    assert await caller.rows(await finished(per_day, **explicit(*DAY))) == [["2025-06-10", str(day)]]


async def test_a_trailing_z_gives_an_empty_result(caller: Caller, finished):
    execution_id = await finished(COUNT, **explicit(DAY[0] + "Z", DAY[1] + "Z"))
    assert (await caller.get(execution_id)).json["timeWindowStartOriginal"] == DAY[0] + "Z"
    assert await caller.rows(execution_id) == []


async def test_a_parameter_takes_the_value_that_was_sent(caller: Caller, finished):
    workflow = {
        "sqlQuery": SQL.replace("GROUP", "WHERE campaign = CUSTOM_PARAMETER('wanted') GROUP"),
        "inputParameters": [{"name": "wanted", "dataType": "STRING", "defaultValue": "Campaign 2"}],
    }
    given = await finished(workflow=workflow, parameterValues={"wanted": "Campaign 3"})
    assert [row[0] for row in await caller.rows(given)] == ["Campaign 3"]
    default = await finished(workflow=workflow)
    assert [row[0] for row in await caller.rows(default)] == ["Campaign 2"]
    assert (await caller.get(given)).json["parameterValues"] == {"wanted": "Campaign 3"}


@pytest.mark.parametrize("value", ["it's", "'; DROP TABLE x; --", 'a"b', "back\\slash", "two\nlines", "ünï"])
async def test_a_value_stays_a_value(caller: Caller, finished, value):
    workflow = {
        "sqlQuery": "SELECT CUSTOM_PARAMETER('tag') = CUSTOM_PARAMETER('tag') AS same,"
        " length(CUSTOM_PARAMETER('tag')) AS size, count(*) AS n FROM dsp_impressions",
        "inputParameters": [{"name": "tag"}],
    }
    rows = await caller.rows(await finished(workflow=workflow, parameterValues={"tag": value}))
    assert rows == [["True", str(len(value)), "60000"]]


async def test_typed_and_array_parameters(caller: Caller, finished):
    workflow = {
        "sqlQuery": COUNT + " WHERE campaign_id >= CUSTOM_PARAMETER('least')"
        " AND array_contains(CUSTOM_PARAMETER('names'), campaign)",
        "inputParameters": [
            {"name": "least", "dataType": "INTEGER"},
            {"name": "names", "dataType": "ARRAY<STRING>"},
        ],
    }
    values = {"least": "5001", "names": ["Campaign 1", "Campaign 2"]}
    both = int((await caller.rows(await finished(workflow=workflow, parameterValues=values)))[0][0])
    second = COUNT + " WHERE campaign = 'Campaign 2'"
    assert both == int((await caller.rows(await finished(second)))[0][0])


async def test_an_undeclared_parameter_passes_create_and_is_rejected(caller: Caller, finished):
    sql = COUNT + " WHERE campaign = CUSTOM_PARAMETER('nobody')"
    shown = (await caller.get(await finished(sql, parameterValues={"nobody": "x"}))).json
    assert shown["status"] == "REJECTED"
    assert "nobody" in shown["statusReason"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT user_id, count(*) AS n FROM dsp_impressions GROUP BY user_id",
        "SELECT campaign FROM dsp_impressions",
        "SELECT campaign, event_date_utc, event_hour_utc, count(*) AS n FROM dsp_impressions GROUP BY ALL",
        "WITH x AS (SELECT campaign, impressions FROM dsp_impressions) SELECT sum(impressions) AS n FROM x",
        "SELECT (SELECT max(user_id) FROM dsp_impressions WHERE campaign_id = 1) AS u FROM dsp_clicks",
        "SELECT campaign FROM dsp_clicks UNION ALL SELECT campaign FROM dsp_views",
        "SELECT user_id AS someone, count(*) AS n FROM dsp_impressions GROUP BY someone",
        "SELECT user_id, count(*) AS n FROM dsp_impressions GROUP BY 1",
    ],
)
async def test_small_groups_are_left_out(caller: Caller, finished, sql):
    execution_id = await finished(sql)
    assert (await caller.get(execution_id)).json["status"] == "SUCCEEDED"
    assert await caller.rows(execution_id) == []


@pytest.mark.parametrize(
    "sql",
    [
        "WITH each AS (SELECT user_id, count(*) AS seen FROM dsp_impressions GROUP BY 1)"
        " SELECT seen, count(DISTINCT user_id) AS users FROM each GROUP BY seen",
        "SELECT i.campaign, sum(c.clicks) AS n FROM dsp_impressions i"
        " JOIN dsp_clicks c ON i.user_id = c.user_id GROUP BY 1",
        "WITH per AS (SELECT campaign, count(*) AS n FROM dsp_impressions GROUP BY 1) SELECT sum(n) AS n FROM per",
        "SELECT campaign, count(*) AS n FROM dsp_impressions GROUP BY 1 HAVING count(*) > 10",
        "SELECT count(*) AS n FROM dsp_clicks UNION ALL SELECT count(*) FROM dsp_views",
    ],
)
async def test_large_groups_are_kept(caller: Caller, finished, sql):
    assert await caller.rows(await finished(sql))


async def test_a_join_cannot_smuggle_a_small_group_in(caller: Caller, finished):
    sql = (
        "SELECT i.campaign, max(one.cost) AS cost FROM dsp_impressions i CROSS JOIN"
        " (SELECT max(total_cost) AS cost FROM dsp_impressions WHERE event_hour_utc = 3 AND campaign_id = 5001"
        " AND event_date_utc = DATE '2025-06-10') one GROUP BY 1"
    )
    assert await caller.rows(await finished(sql)) == []


async def test_the_threshold_is_lifted_over_synthetic_data_only(caller: Caller, finished):
    sql = "SELECT user_id, count(*) AS n FROM dsp_impressions GROUP BY user_id"
    both = await finished(sql, disableAggregationControls=True, requireSyntheticData=True)
    assert len(await caller.rows(both)) == 4000
    alone = await finished(sql, disableAggregationControls=True)
    assert (await caller.get(alone)).json["status"] == "SUCCEEDED"
    assert (await caller.urls(alone)).status == 404


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'https://example.com/x.csv'",
        "SELECT * FROM clean_room.dsp_impressions",
        "SELECT * FROM memory.clean_room.dsp_impressions",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM query('SELECT 1')",
        "SELECT getenv('HOME') AS home",
        "SELECT 1 AS a; SELECT 2 AS b",
        "DROP TABLE dsp_impressions",
        "COPY dsp_impressions TO '/tmp/x'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "SET threads = 1",
        "SELEC 1",
    ],
)
async def test_nothing_else_can_be_reached(caller: Caller, sql):
    answer = await caller.create(sql)
    assert answer.status == 400, answer
    assert "found to be invalid" in answer.json["details"]


async def test_advertisers_narrow_the_data(caller: Caller, finished):
    sql = "SELECT advertiser, count(*) AS n FROM dsp_impressions GROUP BY 1"
    rows = await caller.rows(await finished(sql, advertisers=[{"id": "301", "type": "DISPLAY"}]))
    assert [row[0] for row in rows] == ["Advertiser 2"]


async def test_the_separator_can_be_chosen(sim: Simulator, caller: Caller, finished):
    workflow = {
        "sqlQuery": COUNT.replace("count(*)", "1 AS one, count(*)"),
        "outputFormat": {"separatorCharacter": "|"},
    }
    execution_id = await finished(workflow=workflow)
    (url,) = (await caller.urls(execution_id)).json["downloadUrls"]
    assert (await caller.send("GET", url)).content == b"one|n\n1|60000\n"

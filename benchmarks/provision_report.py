"""The page's sections about provisioning."""

from __future__ import annotations

from benchmarks.harness import Json
from benchmarks.tables import measured_on, table, verdict


def provision(result: Json) -> str:
    """Whole jobs by stage, what the agents use, and data alone beside Faker."""
    levels, agents = result["levels"], result["agents"]
    rows = [
        [name, *(one["stages_p50_s"][name] for one in levels), costs["cpu_p50_s"], costs["peak_mib"]]
        for name, costs in agents.items()
    ]
    rows.append(["**whole job, p50**", *(one["p50_s"] for one in levels), "", ""])
    rows.append(["whole job, longest", *(one["longest_s"] for one in levels), "", ""])
    head = ["seconds, by rows of facts", *(f"{one['rows']:,}" for one in levels), "CPU s, p50", "peak MiB"]
    told = [f"{_job_aim(one)}: {verdict(result['aims'][str(one['rows'])])}" for one in levels if one["aim"]]
    jobs = ", ".join(f"{one['jobs']} with {one['rows']:,} rows" for one in levels)
    golden = [sum(one[key] for one in levels) for key in ("golden_passed", "golden")]
    ended = f"Jobs, one at a time: {jobs}. Golden questions passed: {golden[0]} of {golden[1]}."
    words = [". ".join([*told, ended]) if told else ended, _data(result)]
    return "\n\n".join([table(head, rows), *words, measured_on(result)])


def _job_aim(level: Json) -> str:
    return f"With {level['rows']:,} rows {level['seconds']} s (aim at most {level['aim']:.0f} s)"


def _data(result: Json) -> str:
    data, met = result["data"], result["aims"]["times_faker"]
    made = f"Data alone, {data['rows']:,} rows to Parquet: {data['rows_per_s']:,} rows/s"
    if met is None:
        return f"{made}. Faker is not installed; it was not measured."
    faker = f"{data['faker_rows_per_s']:,} with Faker {data['versions'].get('faker', '')} a row at a time"
    return f"{made}; {faker}: {data['times_faker']} times as many (aim at least 25: {verdict(met)})."


ASKED = {"healthz": "`/healthz`", "status": "`/api/provision/status/{job_id}`"}


def responsive(result: Json) -> str:
    """Answers with and without jobs, and how long an entry takes to an event stream."""
    rows = [
        [
            ASKED[name],
            *(f"{side[name]['p50_ms']} / {side[name]['p99_ms']}" for side in (result["without"], result["with"])),
            result["with"][name]["worst_ms"],
            ratio,
            verdict(result["aims"][name]),
        ]
        for name, ratio in result["p99_ratio"].items()
    ]
    head = ["p50 / p99 in ms", "no job", f"{result['jobs']} jobs", "the worst of these", "p99 ratio", "at most 2"]
    lag, calls = result["sse_lag"], result["with"]["healthz"]["n"] + result["with"]["status"]["n"]
    told = (
        f"{result['jobs']} jobs of {result['rows']:,} rows at once took {result['seconds']} s, with {calls:,} calls. "
        f"From the commit of a log entry to its event at a client: p50 {lag['p50_ms']} ms, p99 {lag['p99_ms']} ms, "
        f"of {lag['n']}."
    )
    return "\n\n".join([table(head, rows), told, measured_on(result)])

"""Writes the figures of `docs/performance.md` between its markers, from the results kept by `--save`.

`python -m benchmarks.report` writes; with `--check` it only says whether the page is up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import RESULTS, ROOT, Json, deliver
from benchmarks.provision_report import provision, responsive
from benchmarks.tables import measured_on, table, verdict

PAGE = ROOT / "docs" / "performance.md"
NAMES = {
    "bare": "bare loop, records nothing",
    "afield": "**Afield**",
    "dbos": "DBOS",
    "procrastinate": "Procrastinate, one job",
    "procrastinate_two_jobs": "Procrastinate, two jobs",
    "celery": "Celery with Redis",
}
JAILS = {
    "fork": "bare fork of a small interpreter",
    "jail": "**warm Python run in the jail**",
    "jail_landlock": "the same without namespaces",
    "bubblewrap": "bubblewrap, a cold interpreter",
    "nsjail": "nsjail, a cold interpreter",
    "isolate": "isolate, a cold interpreter",
    "cold_python": "bare cold `python3 -c pass`",
}
MODES = {
    "alone": "every 10 s, nobody else there",
    "shared": "every 10 s, others there too",
    "adaptive": "intervals as shipped",
}


def throughput(result: Json) -> str:
    bare, detail = result["bare_per_s"], result["detail"]
    rows = []
    for name in sorted(detail, key=lambda name: -detail[name]["per_s"]):
        one, versions = detail[name], result["versions"]
        version = versions.get(name.partition("_")[0])
        title = f"{NAMES[name]} ({version})" if version else NAMES[name]
        rows.append(
            [
                title,
                f"{one['per_s']:.0f}",
                f"{one['per_s'] / bare:.2f}",
                f"{one['cpu_ms_per_execution']:.2f}",
                f"{one['store_cpu_ms_per_execution']:.2f}",
                f"{sum(one['calls_per_execution'].values()):.2f}",
                one["n"],
            ]
        )
    head = ["", "executions/s", "of the bare loop", "client CPU ms each", "store CPU ms each", "calls each", "n"]
    to_bare, to_peer = result["ratio_to_bare"], result["ratio_to_best_peer"]
    aims = [f"Ratio to the bare loop {to_bare:.2f} (aim at least 0.5: {verdict(to_bare >= 0.5)})"]
    if to_peer is not None:
        aims.append(f"ratio to the best peer {to_peer:.1f} (aim at least 10: {verdict(to_peer >= 10)})")
    if (safe := result["ratio_to_best_safe_peer"]) is not None:
        aims.append(f"to the best peer that does not submit again after a crash {safe:.1f}")
    missing = [f"Not measured: {name} ({why})." for name, why in result["skipped"].items()]
    rounds = f"Medians of {result['rounds']} alternating rounds."
    return "\n\n".join([table(head, rows), f"{'; '.join(aims)}. {rounds}", *missing, measured_on(result)])


def calls(result: Json) -> str:
    rows = [
        [
            MODES[mode],
            f"{one['live']:,}",
            f"{one['interval_s']:g} s",
            f"{one['pages_per_look']:g} + {one['singles_per_look']:g}",
            f"{one['calls_per_minute']:,g}",
            f"{one['poll_each_per_minute']:,g}",
            f"{one['saved']:g}",
        ]
        for mode in MODES
        for one in result[mode]
    ]
    head = ["", "live", "interval", "pages + single calls a look", "calls/min", "polling each/min", "fewer by"]
    aim = f"At most one listing page per 100 live executions per interval: {verdict(result['aim_met'])}."
    return "\n\n".join([table(head, rows), aim, measured_on(result)])


def crash(result: Json) -> str:
    def shown(counts: Json, point: str) -> str:
        if point not in counts:
            return "n/a"
        count = counts[point]
        return "not known" if count is None else str(count) if count == 1 else f"**{count}**"

    rows = [[f"`{point}`", shown(result["afield"], point), shown(result["peer"], point)] for point in result["afield"]]
    version = result["versions"].get("apache-airflow", "")
    head = ["killed", "Afield", f"{result['peer_name']} {version}".strip()]
    aim = f"One remote execution per intent at every point: {verdict(result['aim_met'])}."
    return "\n\n".join([table(head, rows), aim, *result["notes"].values()])


SCENARIOS = {
    "as_shipped": "as shipped, limits enforced",
    "unpaced": "unpaced, a session each",
    "unpaced_one_session": "unpaced, one session",
}
WAYS = {
    "afield": "**Afield**, settings as shipped",
    "afield_raised": "**Afield**, looking ten times a second",
    "ansible": "Ansible through ansible-runner",
}
KINDS = {"command_put": "PUT", "command_get": "GET", "command_list": "LIST", "vm_get": "VM", "command_delete": "DELETE"}


def runbook(result: Json) -> str:
    rows = [
        [
            SCENARIOS[name],
            one["steps"],
            f"{one['steps_per_s']:.1f}",
            f"{one['worker_cpu_ms_per_step']:.1f}",
            f"{one['store_cpu_ms_per_step']:.1f}",
            f"{one['all_calls_per_step']:.2f}",
            ", ".join(f"{KINDS.get(kind, kind)} {count:.2f}" for kind, count in one["calls_per_step"].items()),
            ", ".join(f"{budget}: {count}" for budget, count in one["beyond_budget"].items()) or "none",
            f"{one['lag_grains']['median']:.2f} / {one['lag_grains']['p95']:.2f}",
        ]
        for name, one in result["managed"].items()
    ]
    head = ["", "steps", "steps/s", "worker CPU ms each", "store CPU ms each", "calls each", "by kind"]
    head += ["beyond a budget", "end to record, grains (median / p95)"]
    aims = result["aims"]
    words = [
        f"No budget of Compute exceeded as shipped: {_aim(aims['budgets_kept'])}",
        f"none of Resource Manager's: {_aim(aims['manager_kept'])}",
        f"at most 4 calls a short step as shipped: {_aim(aims['most_calls'])}",
        f"no step run twice: {_aim(aims['nothing_ran_twice'])}",
    ]
    return "\n\n".join([table(head, rows), f"{'; '.join(words)}.", _over_ssh(result), measured_on(result)])


def _over_ssh(result: Json) -> str:
    ssh = result["ssh"]
    if "steps_per_s" not in ssh:
        return f"Over ssh: not measured ({ssh['skipped']})."
    peer, version = ssh["steps_per_s"].get("ansible"), result["versions"].get("ansible-core", "")
    rows = [
        [
            f"{WAYS[name]} ({version})" if name == "ansible" and version else WAYS[name],
            f"{rate:.1f}",
            f"{rate / peer:.1f}" if peer else "n/a",
            f"{ssh['cpu_ms_per_step'][name]:.0f}",
        ]
        for name, rate in ssh["steps_per_s"].items()
    ]
    met = _aim(result["aims"]["three_times_ansible"])
    text = f"Medians of {ssh['rounds']} alternating rounds, {ssh['steps']} steps each. At least 3 times Ansible: {met}."
    return "\n\n".join(
        [table([f"over ssh, {ssh['hosts']} hosts", "steps/s", "of Ansible's", "CPU ms each"], rows), text]
    )


def _aim(met: bool | None) -> str:
    return "not measured" if met is None else verdict(met)


def detect(result: Json) -> str:
    rows = [
        [f"`{name}`", one["cause"] or "*nothing is claimed*", f"{one['right']} of {one['of']}"]
        for name, one in result["by_fault"].items()
    ]
    share, alarms = result["share_right"], result["false_alarms"]
    touched = result["scripts_run_by_diagnosing"], result["changes_made_by_diagnosing"]
    aims = [
        f"Share that names the true cause {share} (aim 1.0: {verdict(share == 1)})",
        f"false alarms {alarms}",
        f"scripts run by diagnosing {touched[0]}, calls that change something {touched[1]} (aim 0: "
        f"{verdict(touched == (0, 0))})",
    ]
    costs = (
        f"{result['diagnoses']} diagnoses; each took {result['reads_per_diagnosis']} calls that read and "
        f"{result['seconds_per_diagnosis']} s."
    )
    wrong = {one["fault"]: one for one in reversed(result["wrong"])}
    missed = [f"- `{name}`: {_plain(one['sentence'])}" for name, one in reversed(wrong.items())]
    listed = ["Of those that were wrong, one for each fault:\n\n" + "\n".join(missed)] if missed else []
    found = table(["fault", "true cause", "right"], rows)
    return "\n\n".join([found, f"{'; '.join(aims)}. {costs}", *listed, measured_on(result)])


def _plain(sentence: str) -> str:
    """Fit to stand in a list: ids and times say nothing there."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "...", sentence).replace("`", "'")


def sandbox(result: Json) -> str:
    rates = result["per_s"]
    rows = [
        [JAILS.get(name, name), one["p50_ms"], one["p95_ms"], rates.get(name, "")]
        for name, one in sorted(result["times"].items(), key=lambda item: item[1]["p50_ms"])
    ]
    aims, times, best = result["aims"], result["rate_ratio_to_best_peer"], result["best_peer"]
    told = [
        f"Over a bare fork {result['p50_over_fork_ms']} ms (aim at most 3: {_aim(aims['over_fork'])})",
        f"runs a second beside the best other jail ({best or 'none is here'}) {times or 'not measured'} times as many "
        f"(aim at least 3: {_aim(None if times is None else times >= 3)})",
        f"{result['memory_per_waiting_worker_mib']} MiB for each waiting worker",
    ]
    skipped = [f"- not measured, {name}: {why}" for name, why in result.get("skipped", {}).items()]
    listed = ["\n".join(skipped)] if skipped else []
    found = table(["", "p50 ms", "p95 ms", "runs/s, 8 at once"], rows)
    level = f"The jail's level was `{result['level']}`."
    return "\n\n".join([found, f"{'; '.join(told)}. {level}", *listed, measured_on(result)])


def execute(result: Json) -> str:
    rows = [["one at a time, in turns", *_both(result["alone"]), ""]]
    rows += [[f"{one['at_once']} at once", *_both(one), one["share"]] for one in result["levels"]]
    added, share, aims = result["p50_added_ms"], result["share_of_throughput"], result["aims"]
    told = [
        f"Added at p50 {added} ms, {result['p50_ratio']} times as long (aim at most 5 ms: {verdict(aims['added'])})",
        f"the best rate is {share} of the adapter's best (aim at least 0.7: {verdict(aims['share'])})",
    ]
    cpu = result["cpu_ms_each"]["afield"]
    spent = ", ".join(f"{part} {cpu[part]}" for part in ("web", "store", "adapter") if part in cpu)
    head = ["", "adapter p50 / p95 ms", "Afield p50 / p95 ms", "adapter runs/s", "Afield runs/s", "share"]
    costs = f"CPU of a run through Afield, in ms: {spent}."
    return "\n\n".join([table(head, rows), f"{'; '.join(told)}. {costs}", measured_on(result)])


def _both(sides: Json) -> list[str]:
    direct, afield = sides["direct"], sides["afield"]
    times = [f"{one['p50_ms']} / {one['p95_ms']}" for one in (direct, afield)]
    return [*times, str(direct["per_s"]), str(afield["per_s"])]


LEASING = {"leased": "**leases of sessions**", "unleased": "an identifier for each request"}


def leases(result: Json) -> str:
    rows = [
        [
            LEASING[name],
            one["per_s"],
            f"{one['fairness']:.3f}",
            " to ".join(map(str, one["least_and_most"])),
            one["users_without_a_run"],
            one["refused"],
            "none had one" if one["p50_s"] is None else f"{one['p50_s']} / {one['p95_s']}",
        ]
        for name in LEASING
        if (one := result[name])
    ]
    greedy, fair = result["greedy"], result["leased"]["fairness"]
    head = ["", "runs/s", "Jain's index", "runs of a user", "users without", "refused", "waited s, p50 / p95"]
    times = result["times_as_many"] or "any number of"
    told = [
        f"{result['users']} users, {greedy['users']} of them with {greedy['at_once']} runs at once; "
        f"{result['sessions']} sessions, {result['window_s']:.0f} s.",
        f"Jain's index with leases {fair:.3f} (aim at least 0.95: {verdict(result['aims']['fairness'])}); "
        f"{times} times as many runs.",
        f"Without leases, sessions by cooldown bear {result['sustained_by_formula_per_s']} runs a second with the "
        f"{result['cooldown_s']} s of this run, {result['sustained_at_azure_per_s']} with Azure's shortest cooldown.",
    ]
    return "\n\n".join([table(head, rows), " ".join(told), measured_on(result)])


def chat(result: Json) -> str:
    search = result["search"]
    names = {
        "held": "**Afield's chat**, held set",
        "strangers": "the same, strangers' questions",
        "search": f"nearest golden question ({search['embedder']}), both sets",
    }
    rows = [
        [title, one["questions"], f"{one['share_right']:.1%}", one["wrong"], one["asked"] + one["refused"]]
        for name, title in names.items()
        if (one := result[name])
    ]
    aims = result["aims"]
    told = (
        f"To the last message p50 {result['p50_ms']} ms (aim under 150: {verdict(aims['p50'])}), p95 "
        f"{result['p95_ms']} ms, {result['rows']:,} rows. Nine in ten of the held set: {verdict(aims['right'])}; "
        f"none of it wrong: {verdict(aims['none_wrong'])}."
    )
    found = table(["", "questions", "right", "wrong", "asked back or refused"], rows)
    return "\n\n".join([found, told, measured_on(result)])


SECTIONS: dict[str, Callable[[Json], str]] = {
    "throughput": throughput,
    "calls": calls,
    "crash": crash,
    "runbook": runbook,
    "detect": detect,
    "sandbox": sandbox,
    "execute": execute,
    "leases": leases,
    "provision": provision,
    "responsive": responsive,
    "chat": chat,
}


def finish(name: str, result: Json, options: argparse.Namespace) -> None:
    """Print a result, as JSON or as it will stand in the page, and keep it if that is wanted."""
    if options.json or options.save:
        deliver(name, result, options)
    if not options.json:
        print(SECTIONS[name](result))


def fill(page: str, results: Path) -> str:
    """The page with the figures of all results there are."""
    for name, section in SECTIONS.items():
        file = results / f"{name}.json"
        if file.exists():
            page = between(page, name, section(json.loads(file.read_text())))
    return page


def between(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of `name`. Raises ValueError when they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"the page has no markers for {name}")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is out of date")
    options = parser.parse_args()
    before = PAGE.read_text()
    after = fill(before, RESULTS)
    if not options.check:
        PAGE.write_text(after)
    elif after != before:
        sys.exit(f"{PAGE.name} is out of date: python -m benchmarks.report")


if __name__ == "__main__":
    main()

"""The budgets of a VM: what is allowed at once, how it grows again, who shares it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afield.connectors.azure.pacing import PACES, Bucket, CallKind, Pace, Paces, VmPace, pace_factor

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_burst_is_allowed_and_then_as_many_a_minute_as_azure_says() -> None:
    bucket = Bucket.full(PACES[CallKind.UPDATE], NOW)
    assert [bucket.take(NOW) for _ in range(12)] == [timedelta()] * 12
    assert bucket.take(NOW) == timedelta(seconds=15)
    assert bucket.take(NOW + timedelta(seconds=14)) == timedelta(seconds=1)
    assert bucket.take(NOW + timedelta(seconds=15)) == timedelta()


def test_what_is_spared_is_left_to_others() -> None:
    bucket = Bucket.full(Pace(per_minute=60, burst=3), NOW)
    assert bucket.take(NOW, spare=2) == timedelta()
    assert bucket.take(NOW, spare=2) == timedelta(seconds=1)
    assert bucket.take(NOW) == timedelta()


@given(st.lists(st.integers(min_value=-5, max_value=40), max_size=80))
def test_no_sequence_of_calls_exceeds_the_budget(gaps: list[int]) -> None:
    pace, now, latest, granted = PACES[CallKind.READ], NOW, NOW, 0
    bucket = Bucket.full(pace, NOW)
    for gap in gaps:
        now += timedelta(seconds=gap)
        latest = max(latest, now)
        granted += bucket.take(now) == timedelta()
    minutes = (latest - NOW).total_seconds() / 60
    assert granted <= pace.burst + minutes * pace.per_minute + 1e-6


def test_both_connectors_of_a_vm_share_its_budget_and_rested_vms_are_forgotten() -> None:
    paces = Paces(most=2)
    one = paces.of("vm1", 1, NOW)
    assert paces.of("vm1", 1, NOW) is one
    one.take(CallKind.UPDATE, NOW)
    paces.of("vm2", 1, NOW)
    paces.of("vm3", 1, NOW)
    assert set(paces.vms) == {("vm1", 1), ("vm3", 1)}


def test_a_share_of_the_limits_can_be_set_or_none_at_all() -> None:
    half, off = VmPace.fresh(NOW, 0.5), VmPace.fresh(NOW, 0)
    assert half.buckets[CallKind.UPDATE].pace == Pace(per_minute=2, burst=6)
    assert not any(off.take(CallKind.UPDATE, NOW) for _ in range(1000))
    assert (pace_factor({}), pace_factor({"pace": 0})) == (1, 0)
    for wrong in (-1, "fast", True):
        with pytest.raises(ValueError, match="pace"):
            pace_factor({"pace": wrong})


def test_a_caller_may_start_and_delete_two_hundred_each_whatever_the_number_of_vms() -> None:
    caller = Paces().of_caller("me", 1, NOW)
    for kind in (CallKind.UPDATE, CallKind.DELETE):
        assert [caller.take(kind, NOW) for _ in range(201)] == [timedelta()] * 200 + [timedelta(seconds=0.1)]
    reads = [caller.take(kind, NOW) for _ in range(126) for kind in (CallKind.READ, CallKind.POLL)]
    assert reads[:250] == [timedelta()] * 250
    assert all(reads[250:])


def test_deleting_is_an_update_of_the_vm() -> None:
    vm = VmPace.fresh(NOW, 1)
    assert not any(vm.take(CallKind.UPDATE, NOW) or vm.take(CallKind.DELETE, NOW) for _ in range(6))
    assert vm.take(CallKind.DELETE, NOW) == timedelta(seconds=15)

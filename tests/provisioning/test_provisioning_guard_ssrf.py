"""What may be called, and that a connection goes nowhere else."""

from __future__ import annotations

import ipaddress

import pytest
from aiohttp.abc import ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from afield.provisioning.research.failures import Reason, ScrapeError
from afield.provisioning.research.fetch import Fetcher, Reach
from afield.provisioning.research.guard import Fence, GuardedResolver, check_url, judge
from afield_sim.testing import Simulator, running_simulator

OPEN = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
CLOSED = [
    ("127.0.0.1", "this machine"),
    ("127.255.255.254", "this machine"),
    ("0.0.0.0", "unspecified"),
    ("10.0.0.8", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("169.254.169.254", "metadata"),
    ("100.64.0.1", "reserved"),
    ("100.127.255.255", "reserved"),
    ("168.63.129.16", "reserved"),
    ("192.0.2.1", "private"),
    ("198.18.0.1", "private"),
    ("224.0.0.251", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "private"),
    ("255.255.255.255", "private"),
    ("::", "unspecified"),
    ("::1", "this machine"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "reserved"),
    ("ff02::1", "multicast"),
    ("fec0::1", "reserved"),
    ("2001:db8::1", "private"),
    ("::ffff:127.0.0.1", "this machine"),
    ("::ffff:192.168.1.1", "private"),
    ("::ffff:169.254.169.254", "metadata"),
    ("::7f00:1", "reserved"),
    ("2002:7f00:1::", "reserved"),
    ("2002:808:808::", "reserved"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
    ("64:ff9b::7f00:1", "this machine"),
    ("64:ff9b::a9fe:a9fe", "metadata"),
    ("64:ff9b:1::808:808", "reserved"),
    ("not an address", "no address"),
]


async def asked(sim: Simulator, site: str) -> bool:
    """Whether Afield asked for anything there. Others on this machine may knock on the wrong door."""
    agents = (await sim.websites_admin.counters())["agents"].get(site, {})
    return any(agent.startswith("AfieldBot") for agent in agents)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_may_be_called_on_the_ports_of_websites(address: str) -> None:
    assert judge(address, 443, Fence()) == ""
    assert judge(address, 80, Fence()) == ""
    assert "port 22" in judge(address, 22, Fence())
    assert judge(address, 8443, Fence(ports=frozenset({8443}))) == ""


@pytest.mark.parametrize(("address", "kind"), CLOSED)
def test_all_other_addresses_are_refused(address: str, kind: str) -> None:
    assert kind in judge(address, 443, Fence())


@pytest.mark.parametrize("address", [address for address, _ in CLOSED if "127." not in address and address != "::1"])
def test_the_allowance_for_tests_opens_loopback_and_nothing_else(address: str) -> None:
    if "7f00:1" not in address or not address.startswith("64:ff9b::"):
        assert judge(address, 443, Fence(loopback=True))


def test_the_allowance_for_tests_is_for_any_port_of_this_machine() -> None:
    assert judge("127.0.0.1", 54321, Fence(loopback=True)) == ""
    assert judge("::1", 54321, Fence(loopback=True)) == ""
    assert judge("8.8.8.8", 54321, Fence(loopback=True))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    plain = bool(judge(address, 443, Fence()))
    assert bool(judge(f"::ffff:{address}", 443, Fence())) == plain
    assert (
        bool(judge(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address)), 443, Fence()))
        == plain
    )
    assert plain or address.is_global


@given(st.ip_addresses())
def test_what_is_not_global_is_never_called(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    carried = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    assert judge(address, 443, Fence()) or address.is_global or carried


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", Reason.INVALID_URL),
        ("file:///etc/passwd", Reason.INVALID_URL),
        ("gopher://example.com:70/", Reason.INVALID_URL),
        ("javascript:alert(1)", Reason.INVALID_URL),
        ("//example.com/", Reason.INVALID_URL),
        (f"http://example.com/{'a' * 3000}", Reason.INVALID_URL),
        ("http://user@example.com/", Reason.FORBIDDEN),
        ("http://user:secret@example.com/", Reason.FORBIDDEN),
        ("http://example.com:8080/", Reason.FORBIDDEN),
        ("https://example.com:22/", Reason.FORBIDDEN),
        ("http://169.254.169.254/latest/meta-data/", Reason.FORBIDDEN),
        ("http://[::1]/", Reason.FORBIDDEN),
        ("http://[::ffff:10.0.0.1]/", Reason.FORBIDDEN),
    ],
)
def test_addresses_are_refused_before_anything_is_asked(url: str, reason: Reason) -> None:
    with pytest.raises(ScrapeError) as caught:
        check_url(URL(url), Fence())
    assert caught.value.reason is reason
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://example.com/", "https://example.com", "https://example.com:443/a?b=c"])
def test_ordinary_addresses_pass(url: str) -> None:
    check_url(URL(url), Fence())


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "017700000001", "localhost."])
async def test_names_and_odd_numbers_for_this_machine_lead_nowhere(host: str) -> None:
    async with running_simulator(websites=True) as sim:
        port = URL(sim.websites.sites["fjordwear"].http).port
        assert port
        async with Fetcher(Reach(fence=Fence(ports=frozenset({port})))) as fetcher:
            with pytest.raises(ScrapeError) as caught:
                await fetcher.page(f"http://{host}:{port}/")
        assert caught.value.reason in {Reason.FORBIDDEN, Reason.INVALID_URL, Reason.UNKNOWN_HOST}
        assert not await asked(sim, "fjordwear")


async def test_a_name_that_changes_its_mind_after_the_check_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rebound(_: GuardedResolver, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)]

    monkeypatch.setattr(GuardedResolver, "resolve", rebound)
    async with running_simulator(websites=True) as sim:
        port = URL(sim.websites.sites["fjordwear"].http).port
        assert port
        async with Fetcher(Reach(fence=Fence(ports=frozenset({port})))) as fetcher:
            with pytest.raises(ScrapeError) as caught:
                await fetcher.page(f"http://rebound.example:{port}/")
        assert caught.value.reason is Reason.FORBIDDEN
        assert not await asked(sim, "fjordwear")

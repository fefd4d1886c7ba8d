"""What was asked of the sites."""

from collections import Counter, defaultdict


class Tally:
    """Requests by site and path, bytes of bodies sent by site, and who asked."""

    def __init__(self) -> None:
        self.requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.sent: Counter[str] = Counter()
        self.agents: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def asked(self, site: str, path: str, agent: str) -> None:
        """Count one request."""
        self.requests[site][path] += 1
        self.agents[site][agent] += 1

    def total(self, site: str | None = None, path: str | None = None) -> int:
        """Requests of one site or of all, for one path or for any."""
        sites = self.requests if site is None else {site: self.requests.get(site, Counter())}
        return sum(count for one in sites.values() for at, count in one.items() if path in {None, at})

    def as_json(self) -> dict[str, object]:
        """All of it as plain JSON."""
        return {"requests": dict(self.requests), "sent": dict(self.sent), "agents": dict(self.agents)}

    def reset(self) -> None:
        """Back to zero."""
        self.requests.clear()
        self.sent.clear()
        self.agents.clear()

import sys

n, m, *rest = map(int, sys.stdin.read().split())
roads = [[] for _ in range(n + 1)]
for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
    roads[a].append((b, c))
    roads[b].append((a, c))


def shortest(place: int, seen: set[int]) -> float:  # tries every way there is
    if place == n:
        return 0
    ways = [road + shortest(other, seen | {other}) for other, road in roads[place] if other not in seen]
    return min(ways, default=float("inf"))


sys.setrecursionlimit(10_000)
found = shortest(1, {1})
print(found if found < float("inf") else -1)

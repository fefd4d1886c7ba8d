import heapq
import sys

n, m, *rest = map(int, sys.stdin.read().split())
roads = [[] for _ in range(n + 1)]
for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
    roads[a].append((b, c))
    roads[b].append((a, c))
best = {1: 0}
waiting = [(0, 1)]
while waiting:
    length, place = heapq.heappop(waiting)
    if length > best[place]:
        continue
    for other, road in roads[place]:
        if length + road < best.get(other, float("inf")):
            best[other] = length + road
            heapq.heappush(waiting, (length + road, other))
print(best.get(n, -1))

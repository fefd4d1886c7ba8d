import sys

numbers = sys.stdin.read().split()
print(sum(abs(int(number)) for number in numbers[1:]))  # the sign is lost

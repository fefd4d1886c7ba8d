import math

a = float(input())
low, high = 0.0, 20.0
for _ in range(200):
    middle = (low + high) / 2
    if middle * math.exp(middle) < a:
        low = middle
    else:
        high = middle
print(f"{low:.9f}")

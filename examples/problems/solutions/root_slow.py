import math

a, x = float(input()), 0.0
while x * math.exp(x) < a:
    x += 1e-9  # a billion steps to one
print(f"{x:.9f}")

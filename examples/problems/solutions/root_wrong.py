import math

print(f"{math.log(float(input()) + 1):.9f}")  # near enough for small numbers only

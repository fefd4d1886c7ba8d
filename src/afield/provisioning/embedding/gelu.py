"""The GELU activation by the error function, x * (1 + erf(x / sqrt 2)) / 2, which numpy does not have. Pure."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.26: wrong by 1.5e-7 at most, as 32 bits are.
_P = 0.3275911
_A = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def gelu(x: Floats) -> Floats:
    """The activation of every element."""
    result = erf(x * np.float32(1 / sqrt(2)))
    result += 1
    result *= x
    result *= np.float32(0.5)
    return result


def erf(x: Floats) -> Floats:
    """The error function of every element. In place where possible: this is where a sentence's time goes."""
    size = np.abs(x)
    t = 1 / (1 + np.float32(_P) * size)
    result = np.full_like(t, _A[0])
    for factor in _A[1:]:
        result *= t
        result += np.float32(factor)
    result *= t
    np.negative(np.square(size, out=size), out=size)
    result *= np.exp(size, out=size)
    np.subtract(1, result, out=result)
    return np.copysign(result, x, out=result)

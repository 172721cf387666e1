"""Counter-based randomness, keyed by meaning (schema/numerics.md §3).

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011), on
whole arrays of counters at once. A stream is (seed, purpose, name); within it (step, word index) is one word.
"""
import hashlib

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def block(key, counter):
    """Four words for each counter. key: two ints; counter: four uint64 arrays that hold 32-bit values."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        product0, product1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = ((product1 >> HALF) ^ c1 ^ np.uint64(k0), product1 & LOW,
                          (product0 >> HALF) ^ c3 ^ np.uint64(k1), product0 & LOW)
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


class Stream:
    """The words of one (seed, purpose, name)."""

    def __init__(self, seed, purpose, name=""):
        digest = hashlib.sha256(f"ablate1/{seed}/{purpose}/{name}".encode("ascii")).digest()
        self.key = int.from_bytes(digest[0:4], "little"), int.from_bytes(digest[4:8], "little")

    def words(self, step, n, first=0):
        """Words first … first+n−1 of a step, uint32."""
        b = np.arange((first + n + 3) // 4, dtype=np.uint64)
        step = np.uint64(step)
        lanes = block(self.key, (b & LOW, b >> HALF, step & LOW, step >> HALF))
        return np.stack(lanes, axis=1).reshape(-1)[first:first + n].astype(np.uint32)

    def pairs(self, step, n, first=0):
        words = self.words(step, 2 * n, 2 * first)
        return words[0::2], words[1::2]

    def uniform(self, step, n):
        """Multiples of 2^-24 in [0, 1), double."""
        return (self.words(step, n) >> np.uint32(8)).astype(np.float64) * 2.0**-24

    def normal(self, step, n, first=0):
        """Box–Muller's cosine half, double."""
        w0, w1 = (w.astype(np.float64) for w in self.pairs(step, n, first))
        return np.sqrt(-2 * np.log((w0 + 1) * 2.0**-32)) * np.cos(2 * np.pi * w1 * 2.0**-32)

    def permutation(self, epoch, n):
        w0, w1 = (w.astype(np.uint64) for w in self.pairs(epoch, n))
        return np.argsort(w0 | w1 << HALF, kind="stable")

    def keep(self, step, n, p, first=0):
        """Dropout: which elements stay."""
        return (self.words(step, n, first) >> np.uint32(8)) >= round(p * 2**24)

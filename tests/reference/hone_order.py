"""hone's own order of samples, written again from its description (base/random.h, hone_permute): a Feistel network of
eight rounds with cycle walking, keyed by Philox4x32-10. Oracles use it to feed Transformers the same batches."""

import numpy as np

SHUFFLE = 0x73687566


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011) on arrays: four counter words (uint64 holding 32 bits), two key words."""
    mask = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & mask, (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & mask
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def permutation(n, seed, epoch):
    """Sample number at each place 0 … n-1 of an epoch."""
    bits = 0
    while bits < 31 and 1 << 2 * bits < n:
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    width = np.uint64(bits)
    x = np.arange(n, dtype=np.uint64)
    outside = np.ones(n, dtype=bool)
    while outside.any():
        left, right = x[outside] >> width, x[outside] & mask
        for step in range(8):
            full = np.full_like(right, 1)
            words = philox((right, full * np.uint64(step), full * np.uint64(epoch), full * np.uint64(seed >> 32)),
                           (seed & 0xFFFFFFFF, SHUFFLE))
            left, right = right, left ^ (words[0] & mask)
        x[outside] = left << width | right
        outside = x >= n
    return x.astype(np.int64)

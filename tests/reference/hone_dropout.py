"""hone's dropout masks, written again from their description (kernels/ops.h, struct hone_dropout), in the place of
PyTorch's: then a run of Transformers' BERT with dropout is hone's run, to rounding. With eager attention every dropout
goes through torch.nn.functional.dropout, and hone numbers its sites in the order in which BERT comes to them: the
embeddings; attention, its output, the layer's output for each layer; the classifier."""

import contextlib

import numpy as np
import torch

from hone_order import philox

POSITION_BITS = 20
FIELDS = 8  # elements of one counter


def kept(rows, elements, site, seed, step, threshold):
    """bool [len(rows), len(elements) * 8]: which elements of each row are kept. rows: keys; elements: counters."""
    shape = (len(rows), len(elements))
    keys = np.asarray(rows, dtype=np.uint64)[:, None]
    counter = (np.broadcast_to(np.asarray(elements, dtype=np.uint64), shape),
               np.broadcast_to(keys & np.uint64(0xFFFFFFFF), shape), np.broadcast_to(keys >> np.uint64(32), shape),
               np.full(shape, site, dtype=np.uint64))
    words = np.stack([word.astype("<u4") for word in philox(counter, (seed, step))], axis=-1)
    return (words.view("<u2") >= threshold).reshape(shape[0], -1)


class Masks:
    """Dropout of one forward pass of BERT, for the samples (their numbers in the training file) of a padded batch."""

    def __init__(self, samples, seed, step):
        self.samples, self.seed, self.step, self.site = samples, seed, step, 0

    def __call__(self, x, p=0.5, training=True, inplace=False):
        site, self.site = self.site, self.site + 1
        if not training or p == 0:
            return x
        threshold = round(p * 65536)
        if x.dim() == 4:  # attention: [sequences, heads, queries, keys]
            B, H, S, width = x.shape
            counters = np.concatenate([(head << POSITION_BITS) // FIELDS + np.arange(-(-width // FIELDS))
                                       for head in range(H)])
        else:  # [sequences, positions, width], or [sequences, width] of the first position
            B, S, width = x.shape[0], x.shape[1] if x.dim() == 3 else 1, x.shape[-1]
            H, counters = 1, np.arange(-(-width // FIELDS))
        rows = (np.asarray(self.samples)[:, None] << POSITION_BITS | np.arange(S)).ravel()
        keep = kept(rows, counters, site, self.seed, self.step, threshold)
        keep = torch.from_numpy(keep.reshape(B, S, H, -1)[..., :width].copy())
        keep = keep.transpose(1, 2) if x.dim() == 4 else keep.reshape(x.shape)
        return x * keep * (65536 / (65536 - threshold))


@contextlib.contextmanager
def masks_of_hone(samples, seed, step):
    """What runs inside takes its dropout from hone's masks of this optimizer step, from 0 on."""
    own = torch.nn.functional.dropout
    torch.nn.functional.dropout = Masks(samples, seed, step)
    try:
        yield
    finally:
        torch.nn.functional.dropout = own

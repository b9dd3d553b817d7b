"""Writes tests/fixtures/autograd/losses.safetensors: losses of classification heads and regression, and gradients of
their logits, as PyTorch and Transformers compute them in float64. Run in the environment of requirements.txt:

    python tests/reference/make_losses.py

Everything is seeded: a second run writes the same file.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers.trainer_pt_utils import LabelSmoother

FILE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "autograd" / "losses.safetensors"
R, V = 23, 5
g = torch.Generator().manual_seed(17)


def exact(x):
    return x.float().double()


def focal(logits, labels, weight, gamma):
    """Lin et al. 2017, for softmax: the log of the label's probability, weighted down where it is sure already."""
    log_p = F.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
    return (-weight[labels] * (1 - log_p.exp()) ** gamma * log_p).sum() / weight[labels].sum()


def binary_focal(logits, targets, gamma):
    """torchvision.ops.sigmoid_focal_loss without alpha, reduction mean."""
    p = torch.sigmoid(logits)
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (each * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma).mean()


labels = torch.randint(0, V, (R,), generator=g)
weight = exact(torch.rand(V, generator=g) * 3 + 0.2)
targets = torch.randint(0, 2, (R, V), generator=g).double()
values = exact(torch.randn(R, V, generator=g) * 2)
cases = {
    "weighted": lambda x: F.cross_entropy(x, labels, weight=weight),
    "smoothed": lambda x: LabelSmoother(epsilon=0.1)({"logits": x}, labels),
    "both": lambda x: F.cross_entropy(x, labels, weight=weight, label_smoothing=0.2),
    "focal": lambda x: focal(x, labels, torch.ones(V).double(), 2.0),
    "focal_weighted": lambda x: focal(x, labels, weight, 0.5),
    "binary": lambda x: F.binary_cross_entropy_with_logits(x, targets),
    "binary_weighted": lambda x: F.binary_cross_entropy_with_logits(x, targets, pos_weight=weight),
    "binary_focal": lambda x: binary_focal(x, targets, 2.0),
    "squared": lambda x: F.mse_loss(x, values),
}
tensors = {"labels": labels.int(), "weight": weight.float(), "targets": targets.float(), "values": values.float()}
for name, loss_of in cases.items():
    x = exact(torch.randn(R, V, generator=g) * 3).requires_grad_()
    loss = loss_of(x)
    loss.backward()
    tensors |= {f"{name}.x": x.detach().float(), f"{name}.loss": loss.detach().reshape(1), f"{name}.grad": x.grad}
save_file({name: t.contiguous() for name, t in tensors.items()}, FILE, metadata={"format": "pt"})

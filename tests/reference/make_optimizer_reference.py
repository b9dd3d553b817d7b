"""Writes tests/fixtures/optim: steps of PyTorch's and Transformers' optimizers in float64, and the factors of Transformers'
learning-rate schedules. Run in the environment of requirements.txt:

    python tests/reference/make_optimizer_reference.py

Everything is seeded: a second run writes the same files.
"""
import pathlib

import torch
from transformers import get_linear_schedule_with_warmup, get_scheduler
from transformers.optimization import Adafactor

from make_reference import noise, save

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "optim"


# Optimizers with clipping, each over the same steps of the same parameters.

STEPS, WARMUP, CLIP_NORM, CLIP_VALUE = 5, 2, 1.5, 0.4
SHAPES = {"head.weight": (3, 7), "head.bias": (3,), "norm.weight": (7,), "table.weight": (19, 7)}
OPTIMIZERS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.999), eps=1e-8),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.05),
    "sgd_momentum": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
    "sgd_nesterov": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.8, nesterov=True),
    "adafactor": lambda groups: Adafactor(groups, lr=0.02, scale_parameter=False, relative_step=False),
    "adafactor_scaled": lambda groups: Adafactor(groups, lr=0.1, scale_parameter=True, relative_step=False, beta1=0.9,
                                                 clip_threshold=0.7, decay_rate=-0.6, eps=(1e-12, 0.5)),
    "adafactor_relative": lambda groups: Adafactor(groups, scale_parameter=True, relative_step=True),
    "adafactor_warmup": lambda groups: Adafactor(groups, scale_parameter=False, relative_step=True, warmup_init=True),
}
# What is clipped by value; the others by norm.
BY_VALUE = {"sgd", "adafactor_scaled"}


def make_optimizers():
    tensors = {}
    for name, make in OPTIMIZERS.items():
        g = torch.Generator().manual_seed(11)
        parameters = {k: torch.nn.Parameter(noise(g, *s)) for k, s in SHAPES.items()}
        groups = [dict(params=[p for p in parameters.values() if p.dim() == 2], weight_decay=0.1),
                  dict(params=[p for p in parameters.values() if p.dim() == 1], weight_decay=0.0)]
        optimizer = make(groups)
        relative = optimizer.param_groups[0].get("relative_step")
        schedule = None if relative else get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
        tensors |= {"start." + k: p.detach().float().clone() for k, p in parameters.items()}
        rates, norms = [], []
        for step in range(STEPS):
            for k, p in parameters.items():
                # Below and above the clip by turns.
                p.grad = noise(g, *p.shape, scale=0.05 if step % 2 else 0.5)
                tensors[f"grad.{step}.{k}"] = p.grad.float().clone()
            norms.append(torch.nn.utils.get_total_norm([p.grad for p in parameters.values()]))
            if name in BY_VALUE:
                torch.nn.utils.clip_grad_value_(parameters.values(), CLIP_VALUE)
            else:
                torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP_NORM)
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if schedule:
                schedule.step()
            tensors |= {f"{name}.{step}.{k}": p.detach().clone() for k, p in parameters.items()}
        tensors["norms"] = torch.stack(norms)
        if not relative:
            tensors[f"{name}.rates"] = torch.tensor(rates, dtype=torch.float64)
    save(tensors, FIXTURES / "optimizers.safetensors")


# Schedules. Options by Transformers' names, then (total, warmup) also where warm-up fills or passes the total.

SCHEDULES = [
    ("linear", {}), ("cosine", {}), ("cosine", dict(num_cycles=1.25)),
    ("cosine_with_min_lr", dict(min_lr_rate=0.1)), ("cosine_with_min_lr", dict(min_lr_rate=0.25, num_cycles=1.5)),
    ("cosine_with_restarts", {}), ("cosine_with_restarts", dict(num_cycles=3)),
    ("polynomial", dict(lr_end=1e-7)), ("polynomial", dict(lr_end=0.25, power=2.5)),
    ("constant", {}), ("constant_with_warmup", {}), ("inverse_sqrt", {}), ("inverse_sqrt", dict(timescale=4)),
    ("warmup_stable_decay", dict(num_decay_steps=4)),
    ("warmup_stable_decay", dict(num_decay_steps=3, num_stable_steps=2, min_lr_ratio=0.2, warmup_type="cosine",
                                 decay_type="linear")),
    ("warmup_stable_decay", dict(num_decay_steps=5, min_lr_ratio=0.1, warmup_type="1-sqrt", decay_type="1-sqrt")),
    ("warmup_stable_decay", dict(num_decay_steps=5, num_cycles=1.5)),
]
LENGTHS = [(23, 0), (23, 5), (10, 10), (9, 1), (1, 0), (1, 1), (3, 5)]


def make_schedules():
    curves = {}
    for number, (name, options) in enumerate(SCHEDULES):
        for total, warmup in LENGTHS:
            if name == "warmup_stable_decay" and total < warmup + options["num_decay_steps"]:
                continue
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=1.0)
            schedule = get_scheduler(name, optimizer, warmup, total, options or None)
            factors = []
            for step in range(total):
                if step > 0:
                    optimizer.step()
                    schedule.step()
                factors.append(float(optimizer.param_groups[0]["lr"]))
            curves[f"{number}.{total}.{warmup}"] = torch.tensor(factors, dtype=torch.float64)
    save(curves, FIXTURES / "schedule.safetensors")


if __name__ == "__main__":
    make_optimizers()
    make_schedules()

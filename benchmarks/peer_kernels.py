"""PyTorch beside `hone bench kernels`: each row of its JSON done by the eager f32 calls that a Transformers model makes
on the CPU, on the same shape, over as many sets of buffers as fall out of the caches. A call allocates its results, as
eager code does; autograd's own work is left out where an operation has a plain backward function. Attention gets the
batch padded to its longest sequence; its rate counts hone's operations, those of the real tokens. Gradients of weights
are written, not added; AdamW is PyTorch's fused one after scaling the gradients by the clipping factor. Rates divide
the work that hone's row states by the time. Prints one JSON object."""

import argparse
import functools
import json
import re
import statistics
import time

import peer
import torch
import torch.nn.functional as F
import transformers.optimization

WARM_UP, TIMED, SAMPLE, MOST_SETS = 0.03, 0.2, 1e-4, 4096
P = 0.1
aten = torch.ops.aten


def noise(*shape):
    return torch.empty(*shape).uniform_(-1, 1)


def linear_forward(T, N, K):
    x, w, b = noise(T, K), noise(N, K), noise(N)
    return lambda: F.linear(x, w, b)


def linear_backward_input(T, N, K):
    dy, w = noise(T, N), noise(N, K)
    return lambda: dy.mm(w)


def linear_activation_forward(T, N, K):
    x, w, b = noise(T, K), noise(N, K), noise(N)
    return lambda: aten.gelu(F.linear(x, w, b))


def linear_activation_backward_input(T, N, K):
    dy, w, before = noise(T, N), noise(N, K), noise(T, K)
    return lambda: aten.gelu_backward(dy.mm(w), before)


def linear_backward_weight(T, N, K):
    dy, x = noise(T, N), noise(T, K)
    return lambda: (dy.t().mm(x), dy.sum(0))


def activation_forward(T, F):
    x = noise(T, F)
    return lambda: aten.gelu(x)


def activation_backward(T, F):
    dy, x = noise(T, F), noise(T, F)
    return lambda: aten.gelu_backward(dy, x)


def residual_layer_norm_forward(T, C, dropout):
    x, r, gamma, beta = noise(T, C), noise(T, C), noise(C), noise(C)
    return lambda: aten.native_layer_norm(x + (F.dropout(r, P) if dropout else r), [C], gamma, beta, 1e-12)


def residual_layer_norm_backward(T, C, dropout):
    dy, z, gamma, beta = noise(T, C), noise(T, C), noise(C), noise(C)
    _, mean, rstd = aten.native_layer_norm(z, [C], gamma, beta, 1e-12)
    kept = torch.empty(T, C).bernoulli_(1 - P).div_(1 - P)

    def run():
        dz, dgamma, dbeta = aten.native_layer_norm_backward(dy, z, [C], mean, rstd, gamma, beta, [True, True, True])
        return dz * kept if dropout else dz

    return run


def dropout(T, C, dropout):
    x = noise(T, C)
    return lambda: F.dropout(x, P)


@functools.cache
def word_table(V, C):
    """One for all sets, each of which reads other rows, as in tools/bench_kernels_embedding.c."""
    table = noise(V, C)
    table.shared = True
    return table


def indices(T, B, S, V):
    lengths = sequence_lengths(T, B, S)
    return torch.randint(V, (T,)), torch.cat([torch.arange(n) for n in lengths]), torch.zeros(T, dtype=torch.int64)


def embedding_forward(T, B, S, C, V):
    word, position, types = word_table(V, C), noise(S, C), noise(2, C)
    w, p, t = indices(T, B, S, V)
    return lambda: F.embedding(w, word) + F.embedding(t, types) + F.embedding(p, position)


def embedding_backward(T, B, S, C, V):
    dy = noise(T, C)
    w, p, t = indices(T, B, S, V)
    return lambda: [aten.embedding_dense_backward(dy, i, n, -1, False) for i, n in ((w, V), (p, S), (t, 2))]


def sequence_lengths(T, B, S):
    """As tools/bench_kernels.c has them: mean, one off on either side, …, S."""
    mean = T // B
    return [mean + (1 if b % 2 else -1) * (b // 2 * (S - mean) // (B // 2 - 1)) if S > mean else mean
            for b in range(B)]


def attention(T, B, S, H, C, dropout):
    q, k, v = (noise(B, S, H, C // H).transpose(1, 2).requires_grad_() for _ in range(3))
    lengths = torch.tensor(sequence_lengths(T, B, S))
    assert lengths.sum() == T
    mask = None if T == B * S else (torch.arange(S) < lengths[:, None])[:, None, None, :].expand(B, 1, S, S)
    return q, k, v, lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=P if dropout else 0.0)


def attention_forward(T, B, S, H, C, dropout):
    return attention(T, B, S, H, C, dropout)[3]


def attention_backward(T, B, S, H, C, dropout):
    q, k, v, forward = attention(T, B, S, H, C, dropout)
    out, dout = forward(), noise(B, H, S, C // H)
    return lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True)


def gather_rows(T, C, R):
    x, rows = noise(T, C), torch.arange(R) * T // R
    return lambda: x.index_select(0, rows)


def scatter_rows_add(T, C, R):
    dx, dy, rows = noise(T, C), noise(R, C), torch.arange(R) * T // R
    return lambda: dx.index_add_(0, rows, dy)


def add(T, C):
    y, x = noise(T, C), noise(T, C)
    return lambda: y.add_(x)


def cross_entropy_forward(R, V):
    logits, labels = noise(R, V), torch.arange(R) * 7919 % V
    return lambda: F.cross_entropy(logits, labels)


def cross_entropy_backward(R, V):
    logits, labels = noise(R, V).requires_grad_(), torch.arange(R) * 7919 % V
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return lambda: torch.autograd.grad(loss, logits, retain_graph=True)


def class_loss(R, V):
    logits, labels = noise(R, V).requires_grad_(), torch.arange(R) * 7919 % V

    def loss():
        """Label smoothing and focusing with gamma 2, as hone's row."""
        log_p = F.log_softmax(logits, 1)
        each = -log_p * (1 - log_p.exp()) ** 2
        return 0.9 * each.gather(1, labels[:, None]).sum() + 0.1 / V * each.sum()

    return logits, loss


def binary_cross_entropy(R, V):
    logits, targets = noise(R, V).requires_grad_(), noise(R, V).abs()
    return logits, lambda: F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")


def squared_error(R, V):
    y, targets = noise(R, V).requires_grad_(), noise(R, V).abs()
    return y, lambda: F.mse_loss(y, targets, reduction="sum")


def forward_of(make):
    def forward(R, V):
        logits, loss = make(R, V)
        logits.requires_grad_(False)
        return loss

    forward.__name__ = f"{make.__name__}_forward"
    return forward


def backward_of(make):
    def backward(R, V):
        logits, loss = make(R, V)
        value = loss()
        return lambda: torch.autograd.grad(value, logits, retain_graph=True)

    backward.__name__ = f"{make.__name__}_backward"
    return backward


def parts(n, count=100):
    return [n * (i + 1) // count - n * i // count for i in range(count)]


def gradient_norm(n):
    gradients = [noise(size) for size in parts(n)]
    return lambda: torch.nn.utils.get_total_norm(gradients)


def adamw(n):
    parameters = [torch.nn.Parameter(noise(size)) for size in parts(n)]
    for p in parameters:
        p.grad = noise(p.numel())
    optimizer = torch.optim.AdamW([{"params": parameters[1::2], "weight_decay": 0.1},
                                   {"params": parameters[0::2], "weight_decay": 0.0}], lr=1e-5, fused=True)

    def run():
        torch.nn.utils.clip_grads_with_norm_(parameters, 1.0, torch.tensor(1.001))
        optimizer.step()

    return run


def sgd(n):
    parameters = [torch.nn.Parameter(noise(size)) for size in parts(n)]
    for p in parameters:
        p.grad = noise(p.numel())
    optimizer = torch.optim.SGD([{"params": parameters[1::2], "weight_decay": 0.1},
                                 {"params": parameters[0::2], "weight_decay": 0.0}], lr=1e-5, momentum=0.9, fused=True)
    return lambda: optimizer.step()


def adafactor(n):
    rows = n // 100 // 384
    parameters = [torch.nn.Parameter(noise(rows * 384).view(rows, 384)) for _ in range(100)]
    for p in parameters:
        p.grad = noise(p.numel()).view(rows, 384)
    optimizer = transformers.optimization.Adafactor(
        [{"params": parameters[1::2], "weight_decay": 0.1}, {"params": parameters[0::2], "weight_decay": 0.0}],
        lr=1e-5, scale_parameter=False, relative_step=False)
    return lambda: optimizer.step()


def cast(T, C):
    x = noise(T, C)
    return lambda: x.to(torch.bfloat16)


def clip_values(n):
    parameters = [torch.nn.Parameter(noise(size)) for size in parts(n)]
    for p in parameters:
        p.grad = noise(p.numel())
    return lambda: torch.nn.utils.clip_grad_value_(parameters, 0.5)


def ema(n):
    averages, parameters = [noise(size) for size in parts(n)], [noise(size) for size in parts(n)]
    return lambda: torch._foreach_lerp_(averages, parameters, 0.25)


# Entries of struct hone_ops by their names.
KERNELS = {f.__name__: f for f in (
    activation_backward, activation_forward, adafactor, adamw, add, attention_backward, attention_forward, cast, clip_values,
    cross_entropy_backward, cross_entropy_forward, dropout, ema, embedding_backward, embedding_forward, gather_rows, gradient_norm,
    linear_activation_backward_input, linear_activation_forward, linear_backward_input, linear_backward_weight, linear_forward, residual_layer_norm_backward,
    residual_layer_norm_forward, scatter_rows_add, sgd,
    *(side(make) for make in (binary_cross_entropy, class_loss, squared_error) for side in (backward_of, forward_of)))}
HAVE_DROPOUT = {"attention_backward", "attention_forward", "dropout", "residual_layer_norm_backward",
                "residual_layer_norm_forward"}


def buffer_bytes(run):
    """What a set holds: the tensors that its call was made with, but for those that all sets share."""
    held = [cell.cell_contents for cell in run.__closure__]
    tensors = [t for h in held for t in (h if isinstance(h, list) else [h]) if isinstance(t, torch.Tensor)]
    return sum(t.nbytes for t in tensors if not getattr(t, "shared", False))


def measure(row, beyond_caches):
    name, *words = row["name"].split()
    sizes = {word[0]: int(word[1:]) for word in words if re.fullmatch(r"[A-Zn]\d+", word)}
    options = {"dropout": "dropout" in words} if name in HAVE_DROPOUT else {}
    sets = [KERNELS[name](**sizes, **options)]
    held = buffer_bytes(sets[0])
    for _ in range(min(MOST_SETS - 1, beyond_caches // held) if held else 0):
        sets.append(KERNELS[name](**sizes, **options))
    at = 0

    def seconds_of(calls):
        nonlocal at
        begin = time.perf_counter()
        for _ in range(calls):
            at = (at + 1) % len(sets)
            sets[at]()
        return (time.perf_counter() - begin) / calls

    calls, begin = 1, time.perf_counter()
    while time.perf_counter() - begin < WARM_UP:
        seconds = seconds_of(calls)
        if seconds * calls < SAMPLE:
            calls *= 2
    count = int(min(51, max(7, TIMED / (seconds * calls)))) | 1
    work = row["flop" if "flop" in row else "bytes"]
    samples = [work / seconds_of(calls) / 1e9 for _ in range(count)]
    rate = statistics.median(samples)
    return {"name": row["name"], "metric": row["metric"], "value": rate, "unit": row["unit"],
            "microseconds": work / rate / 1e3, "samples": samples}


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", required=True, help="what hone bench kernels --json printed")
parser.add_argument("--threads", type=int, default=2)
a = parser.parse_args()

peer.setup(a.threads)
torch.manual_seed(1)
with open(a.rows, encoding="utf-8") as file:
    rows = json.load(file)["results"]
# hone's passes over memory are as large as its sets of buffers together.
beyond_caches = next(int(row["bytes"]) for row in rows if row["name"] == "ceiling: read")
peer.finish({"results": [measure(row, beyond_caches) for row in rows if not row["name"].startswith("ceiling")]})

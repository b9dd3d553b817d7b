"""Writes tests/fixtures/bf16: single ops in float64 on inputs that bf16 holds exactly, and the root mean square errors
that PyTorch's bf16 autocast makes against float64, on those inputs and on the models of tests/fixtures/bert. Run in the
environment of requirements.txt, on a CPU with bf16 instructions, after make_reference.py:

    python tests/reference/make_bf16_reference.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
T, K, N = 50, 64, 48
SEQUENCES, HEADS, SIZE = [9, 1, 23, 17], 2, 32
HEAD_CLASSES = {"sequences": transformers.AutoModelForSequenceClassification,
                "tokens": transformers.AutoModelForTokenClassification,
                "masked": transformers.AutoModelForMaskedLM}


def rms(difference):
    return difference.double().pow(2).mean().sqrt().item()


def noise(generator, *shape, scale=1.0):
    """float64 values that bfloat16 holds exactly."""
    return (torch.randn(*shape, generator=generator) * scale).bfloat16().double()


def attention(q, k, v):
    out, begin = [], 0
    for n in SEQUENCES:
        rows = slice(begin, begin + n)
        heads = [x[rows].reshape(n, HEADS, SIZE).transpose(0, 1)[None] for x in (q, k, v)]
        out.append(F.scaled_dot_product_attention(*heads)[0].transpose(0, 1).reshape(n, HEADS * SIZE))
        begin += n
    return torch.cat(out)


def make_ops():
    g = torch.Generator().manual_seed(5)
    C = HEADS * SIZE
    cases = {
        "linear": (dict(x=noise(g, T, K), w=noise(g, N, K, scale=0.2), b=noise(g, N)),
                   lambda x, w, b: F.linear(x, w, b)),
        "attention": (dict(q=noise(g, T, C), k=noise(g, T, C), v=noise(g, T, C)), attention),
        "layer_norm": (dict(x=noise(g, T, K), r=noise(g, T, K), gamma=1 + noise(g, K, scale=0.25), beta=noise(g, K)),
                       lambda x, r, gamma, beta: F.layer_norm(x + r, (K,), gamma, beta, 1e-12)),
        "gelu": (dict(x=noise(g, T, K, scale=2)), F.gelu),
        "gelu_tanh": (dict(x=noise(g, T, K, scale=2)), lambda x: F.gelu(x, approximate="tanh")),
        "tanh": (dict(x=noise(g, T, K)), torch.tanh),
    }
    tensors, errors = {}, {}
    for name, (inputs, f) in cases.items():
        # What autocast hands each op: bf16 where a product made it, f32 parameters, and a residual stream of f32.
        masters = {"linear": "wb", "layer_norm": ("x", "gamma", "beta")}.get(name, ())
        ours = {k: v.clone().to(torch.float32 if k in masters else torch.bfloat16).requires_grad_()
                for k, v in inputs.items()}
        exact = {k: v.clone().requires_grad_() for k, v in inputs.items()}
        y = f(**exact)
        dy = noise(g, *y.shape)
        y.backward(dy)
        with torch.autocast("cpu", torch.bfloat16):
            z = f(**ours)
        z.backward(dy.to(z.dtype))
        tensors |= {f"{name}.{k}": v.float() for k, v in inputs.items()}
        tensors |= {f"{name}.y": y.float(), f"{name}.dy": dy.float()}
        errors[f"{name}.y"] = rms(z - y)
        for k in inputs:
            tensors[f"{name}.grad.{k}"] = exact[k].grad.float()
            errors[f"{name}.grad.{k}"] = rms(ours[k].grad - exact[k].grad)
    tensors["sequences"] = torch.tensor(SEQUENCES).int()
    (FIXTURES / "bf16").mkdir(exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, FIXTURES / "bf16/ops.safetensors",
              metadata={"format": "pt"})
    return errors


def model_errors(folder):
    """Of the logits, and of all gradients together, each alone as in make_reference.py: no padding takes part."""
    expected = load_file(folder / "expected.safetensors")
    kind = folder.name.split("_")[-1]
    network = HEAD_CLASSES.get(kind, HEAD_CLASSES["sequences"]).from_pretrained(folder, dtype=torch.float32).eval()
    logits, begin = [], 0
    takes_types = network.config.model_type != "distilbert"
    with torch.autocast("cpu", torch.bfloat16):
        for n in expected["lengths"].tolist():
            part = slice(begin, begin + n)
            types = {"token_type_ids": expected["types"][None, part].long()} if takes_types else {}
            out = network(input_ids=expected["ids"][None, part].long(), **types).logits
            rows = [r - begin for r in expected["rows"].tolist() if begin <= r < begin + n]
            logits.append(out if out.dim() == 2 else out[0, rows])
            begin += n
        logits = torch.cat(logits)
        loss = F.cross_entropy(logits, expected["labels"].long())
    loss.backward()
    exact = {k: expected["grad." + k] for k, _ in network.named_parameters() if "grad." + k in expected}
    squares = sum((p.grad.double() - exact[k].double()).pow(2).sum().item()
                  for k, p in network.named_parameters() if k in exact)
    return {"logits": rms(logits.detach() - expected["logits"]),
            "gradients": (squares / sum(v.numel() for v in exact.values()))**0.5}


def main():
    errors = {"torch": torch.__version__, "ops": make_ops(),
              "models": {folder.name: model_errors(folder) for folder in sorted((FIXTURES / "bert").iterdir())}}
    (FIXTURES / "bf16/autocast.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Writes tests/fixtures/{bert,autograd}: what PyTorch and Transformers compute in float64 for small random models and
for single ops. Run in the environment of requirements.txt:

    python tests/reference/make_reference.py

Everything is seeded: a second run writes the same files.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


def noise(generator, *shape, scale=1.0):
    """float64 values that float32 holds exactly."""
    return (torch.randn(*shape, generator=generator) * scale).float().double()


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().contiguous() for name, t in tensors.items()}, path, metadata={"format": "pt"})


# Whole models.

BERT = dict(hidden_size=24, num_attention_heads=3, intermediate_size=52, num_hidden_layers=2, hidden_act="gelu",
            type_vocab_size=2, layer_norm_eps=1e-12)
ROBERTA = BERT | dict(type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=3, hidden_size=20, num_attention_heads=4)
DISTILBERT = dict(dim=21, n_heads=3, hidden_dim=37, n_layers=2, activation="gelu")
# Name: family, head, configuration. A masked LM's labels are ids.
MODELS = {
    "gelu": ("Bert", "SequenceClassification", BERT | dict(num_labels=3)),
    "relu": ("Bert", "SequenceClassification",
             BERT | dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=3, hidden_act="relu",
                         type_vocab_size=1, layer_norm_eps=1e-5, num_labels=2)),
    "gelu_new": ("Bert", "SequenceClassification",
                 BERT | dict(hidden_size=21, intermediate_size=31, num_hidden_layers=1, hidden_act="gelu_new",
                             num_labels=5)),
    "bert_tokens": ("Bert", "TokenClassification", BERT | dict(num_labels=7)),
    "bert_masked": ("Bert", "MaskedLM", BERT | dict(hidden_act="relu")),
    "roberta_sequences": ("Roberta", "SequenceClassification", ROBERTA | dict(num_labels=3)),
    "roberta_tokens": ("Roberta", "TokenClassification", ROBERTA | dict(num_labels=5, num_hidden_layers=1)),
    "roberta_masked": ("Roberta", "MaskedLM", ROBERTA | dict(hidden_act="relu")),
    "distilbert_sequences": ("DistilBert", "SequenceClassification", DISTILBERT | dict(num_labels=2)),
    "distilbert_tokens": ("DistilBert", "TokenClassification", DISTILBERT | dict(num_labels=9, activation="relu")),
    "distilbert_masked": ("DistilBert", "MaskedLM", DISTILBERT),
}
VOCABULARY, LONGEST = 61, 37
LENGTHS = [5, 1, 37, 2, 16, 1, 9]


def read_rows(g, head):
    """Tokens that the head reads, of each sequence: the first, or any, none and all among them."""
    if head == "SequenceClassification":
        return [torch.tensor([0]) for _ in LENGTHS]
    chosen = [torch.nonzero(torch.rand(n, generator=g) < 0.3).flatten() for n in LENGTHS]
    return [torch.tensor([], dtype=torch.long), torch.tensor([0])] + chosen[2:-1] + [torch.arange(LENGTHS[-1])]


def make_model(name, family, head, settings, seed):
    g = torch.Generator().manual_seed(seed)
    offset = settings["pad_token_id"] + 1 if family == "Roberta" else 0
    config = getattr(transformers, f"{family}Config")(vocab_size=VOCABULARY, max_position_embeddings=LONGEST + offset,
                                                      **settings)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{family}For{head}")(config).double().eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            # Larger than initializer_range, so that attention is far from uniform and every gradient is felt.
            scale = 0.1 if p.dim() == 1 else 0.35 if "embeddings" in key else 0.25
            norm = "norm" in key.lower() and key.endswith("weight")
            p.copy_(noise(g, *p.shape, scale=scale) + (1.0 if norm else 0.0))
            p.copy_(p.float().double())
    # Not pad_token_id: torch gives its row no gradient, and hone never feeds a pad token.
    ids = [torch.randint(offset or 1, VOCABULARY, (n,), generator=g) for n in LENGTHS]
    types = [(torch.arange(n) >= (n + 1) // 2).long() * (settings.get("type_vocab_size", 2) - 1) for n in LENGTHS]
    rows = read_rows(g, head)
    classes = VOCABULARY if head == "MaskedLM" else settings["num_labels"]
    labels = torch.randint(0, classes, (sum(map(len, rows)),), generator=g)
    logits, hidden = [], []
    for i, t, r in zip(ids, types, rows):  # each alone: no padding takes part
        inputs = dict(input_ids=i[None]) | ({} if family == "DistilBert" else dict(token_type_ids=t[None]))
        hidden.append(model.base_model(**inputs).last_hidden_state[0])
        all_logits = model(**inputs).logits
        logits.append(all_logits if head == "SequenceClassification" else all_logits[0, r])
    logits = torch.cat(logits)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    folder = FIXTURES / "bert" / name
    folder.mkdir(parents=True, exist_ok=True)
    model.float().save_pretrained(folder)  # leaves tied aliases out
    config.dtype = "float32"
    config.architectures = [type(model).__name__]
    fields = {k: v for k, v in config.to_dict().items() if k not in ("transformers_version", "_name_or_path")}
    (folder / "config.json").write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    expected = {"grad." + k: p.grad.float() for k, p in model.named_parameters()}
    begins = torch.tensor([0] + LENGTHS).cumsum(0)
    expected |= {"ids": torch.cat(ids).int(), "types": torch.cat(types).int(), "labels": labels.int(),
                 "lengths": torch.tensor(LENGTHS).int(),
                 "rows": torch.cat([b + r for b, r in zip(begins, rows)]).int(),
                 "logits": logits, "hidden": torch.cat(hidden), "loss": loss.reshape(1)}
    save(expected, folder / "expected.safetensors")


# Real weights, by ids: masked LMs over amino acids that lie beside the checkout.

RESIDUES = range(4, 24)


def make_sapiens(name, seed):
    g = torch.Generator().manual_seed(seed)
    model = transformers.RobertaForMaskedLM.from_pretrained(f"../shared/data/models/{name}", dtype=torch.float64,
                                                            attn_implementation="eager").eval()
    lengths = [3, model.config.max_position_embeddings - 2, 31, 110]  # all the positions that there are, too
    ids = [torch.tensor([0, *(RESIDUES[k] for k in torch.randint(0, 20, (n - 2,), generator=g)), 2]) for n in lengths]
    with torch.inference_mode():
        logits = torch.cat([model(input_ids=i[None]).logits[0] for i in ids])
    save({"ids": torch.cat(ids).int(), "lengths": torch.tensor(lengths).int(), "logits": logits.float()},
         FIXTURES / "bert" / f"{name}.safetensors")


# Single ops: x -> op -> mean cross entropy, with the gradient of everything that goes in.

T, K, N = 23, 13, 9
SEQUENCES = [7, 1, 0, 12, 3]
ROWS = [0, 4, 7, 8, 15, 20, 22]  # of T; none of the empty sequence
H, D = 2, 5


def attention(q, k, v, rows):
    """q: rows given; k, v: all T tokens."""
    out, begin = [], 0
    for n in SEQUENCES:
        mine = [i for i, r in enumerate(rows) if begin <= r < begin + n]
        for i in mine:
            heads = []
            for h in range(H):
                c = slice(h * D, h * D + D)
                p = torch.softmax(k[begin:begin + n, c] @ q[i, c] * D ** -0.5, 0)
                heads.append(p @ v[begin:begin + n, c])
            out.append(torch.cat(heads))
        begin += n
    return torch.stack(out)


def make_ops():
    g = torch.Generator().manual_seed(7)
    tensors = {}

    def case(name, inputs, output, weights=None, ignored=()):
        """Runs output(**inputs), then cross entropy over its columns."""
        inputs = {k: v.requires_grad_() for k, v in inputs.items()}
        y = output(**inputs)
        labels = torch.randint(0, y.shape[1], (y.shape[0],), generator=g)
        labels[list(ignored)] = -100
        each = F.cross_entropy(y, labels, reduction="none", ignore_index=-100)
        loss = (each * weights if weights is not None else each).sum() / y.shape[0]
        loss.backward()
        for key, value in inputs.items():
            tensors[f"{name}.{key}"] = value.float()
            tensors[f"{name}.grad.{key}"] = value.grad
        tensors.update({f"{name}.y": y, f"{name}.labels": labels.int(), f"{name}.loss": loss.reshape(1)})
        if weights is not None:
            tensors[f"{name}.weights"] = weights.float()

    case("linear", dict(x=noise(g, T, K), w=noise(g, N, K, scale=0.5), b=noise(g, N)),
         lambda x, w, b: F.linear(x, w, b))
    case("linear_joined", dict(x=noise(g, T, K), w0=noise(g, N, K, scale=0.5), w1=noise(g, 4, K, scale=0.5),
                               b0=noise(g, N), b1=noise(g, 4)),
         lambda x, w0, w1, b0, b1: torch.cat([F.linear(x, w0, b0), F.linear(x, w1, b1)], 1))
    case("linear_plain", dict(x=noise(g, T, K), w=noise(g, N, K, scale=0.5)), lambda x, w: F.linear(x, w))
    activations = dict(gelu_erf=lambda x: F.gelu(x), gelu_tanh=lambda x: F.gelu(x, approximate="tanh"),
                       relu=lambda x: F.relu(x), tanh=lambda x: torch.tanh(x))
    for kind, f in activations.items():
        case(kind, dict(x=noise(g, T, N, scale=2)), f)
    norm = dict(gamma=1 + noise(g, N, scale=0.3), beta=noise(g, N))
    norm["gamma"] = norm["gamma"].float().double()
    clone = lambda d: {k: v.detach().clone() for k, v in d.items()}
    case("layer_norm", dict(x=noise(g, T, N, scale=3), **clone(norm)),
         lambda x, gamma, beta: F.layer_norm(x, (N,), gamma, beta, 1e-12))
    case("residual_layer_norm", dict(x=noise(g, T, N), r=noise(g, T, N), **clone(norm)),
         lambda x, r, gamma, beta: F.layer_norm(x + r, (N,), gamma, beta, 1e-5))
    ids, positions = torch.randint(0, 6, (T,), generator=g), torch.arange(T) % 8
    types = torch.randint(0, 2, (T,), generator=g)
    tensors |= {"embedding.ids": ids.int(), "embedding.positions": positions.int(), "embedding.types": types.int()}
    case("embedding", dict(word=noise(g, 11, N), position=noise(g, 8, N), type=noise(g, 2, N)),
         lambda word, position, type: word[ids] + position[positions] + type[types])
    case("gather_rows", dict(x=noise(g, T, N)), lambda x: x[ROWS])
    C = H * D
    case("attention", dict(qkv=noise(g, T, 3 * C)),
         lambda qkv: attention(qkv[:, :C], qkv[:, C:2 * C], qkv[:, 2 * C:], range(T)))
    case("attention_rows", dict(q=noise(g, len(ROWS), C), kv=noise(g, T, 2 * C)),
         lambda q, kv: attention(q, kv[:, :C], kv[:, C:], ROWS))
    case("cross_entropy", dict(x=noise(g, T, N, scale=3)), lambda x: x * 1.0,
         weights=(torch.rand(T, generator=g) + 0.5).float().double(), ignored=(2, 9, 22))
    # Values read by both sides of one LayerNorm, by three nodes, by a gather and a linear; tied weights.

    def reused(x, w, b, gamma, beta):
        norm = lambda v: F.layer_norm(v, (N,), gamma, beta, 1e-5)
        h = norm(x + F.linear(x, w, b))
        z = norm(norm(h + h) + F.gelu(h))
        return F.linear(z[ROWS], w, b) @ w.T

    case("reused", dict(x=noise(g, T, N), w=noise(g, N, N, scale=0.4), b=noise(g, N), **clone(norm)), reused)
    for kind in ("gelu_erf", "gelu_tanh", "relu"):
        case(f"feed_forward_{kind}",
             dict(x=noise(g, T, K), w=noise(g, 35, K, scale=0.5), b=noise(g, 35), v=noise(g, N, 35, scale=0.3),
                  c=noise(g, N)),
             lambda x, w, b, v, c, f=activations[kind]: F.linear(f(F.linear(x, w, b)), v, c))
    tensors["rows"] = torch.tensor(ROWS).int()
    tensors["sequences"] = torch.tensor(SEQUENCES).int()
    save(tensors, FIXTURES / "autograd" / "ops.safetensors")


if __name__ == "__main__":
    for number, (name, (family, head, settings)) in enumerate(MODELS.items()):
        make_model(name, family, head, settings, 100 + number)
    for number, name in enumerate(["sapiens-vh", "sapiens-vl"]):
        make_sapiens(name, 200 + number)
    make_ops()

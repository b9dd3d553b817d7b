"""Heads beside Transformers, on a small random BERT: the loss of every optimizer step with several labels, numbers, class
weights, label smoothing and focusing, and with other optimizers, schedules, layer-wise rates and frozen layers; logits, problem_type, label names of the folder that comes out, loaded by
Transformers; and predictions from the folder that Transformers saves of it. Prints a line a check.

    python tests/reference/interop_heads.py --hone build/hone --tokenizer DIR

With --predictions-only MADE it only compares logits of folders made before, for another version of Transformers.
"""
import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from hone_order import permutation

STEPS, BATCH, SEED, RATE, N, LAYERS = 20, 4, 3, 1e-3, 30, 2
# f32 sums over some thousand terms (1e-6), and what twenty steps at a high rate make of that in the losses.
LOSS, LOGITS = 2e-4, 1e-5
WORDS = "good bad fine dull film plot story act scene bright long short new old very not a the of is".split()
WEIGHTS = {"a": 0.5, "b": 3.0, "c": 1.0}
passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    print(f"{'ok' if ok else 'FAILED'}  {what}  {detail}", flush=True)


def focal(logits, labels):
    log_p = F.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
    return (-(1 - log_p.exp()) ** 2 * log_p).mean()


def rows():
    g = torch.Generator().manual_seed(1)
    out = []
    for i in range(N):
        words = [WORDS[j] for j in torch.randint(0, len(WORDS), (3 + i % 7,), generator=g)]
        bits = torch.randint(0, 2, (3,), generator=g).tolist()
        out.append({"text": " ".join(words), "label": "abc"[i % 3], "labels": [c for c, b in zip("abc", bits) if b],
                    "x": round(torch.randn((), generator=g).item(), 3), "y": round(torch.randn((), generator=g).item(), 3)})
    return out


def index(batch):
    return torch.tensor(["abc".index(r["label"]) for r in batch])


def bits(batch):
    return torch.tensor([[float(c in r["labels"]) for c in "abc"] for r in batch])


CASES = {
    "weights": ("single_label_classification", ["task.class_weights={a: 0.5, b: 3, c: 1}", "data.label=label"], "abc",
                lambda z, b: F.cross_entropy(z, index(b), weight=torch.tensor(list(WEIGHTS.values())))),
    "smoothing": ("single_label_classification", ["task.label_smoothing=0.1", "data.label=label"], "abc",
                  lambda z, b: F.cross_entropy(z, index(b), label_smoothing=0.1)),
    "focal": ("single_label_classification", ["task.focal_gamma=2", "data.label=label"], "abc",
              lambda z, b: focal(z, index(b))),
    "multi_label": ("multi_label_classification", ["data.label=labels"], "abc", None),
    "regression": ("regression", ["data.label=x"], ["x"], None),
    "two_outputs": ("regression", ["data.label=[x, y]"], ["x", "y"], None),
    "sgd": ("single_label_classification",
            ["data.label=label", "optimizer.name=sgd", "optimizer.lr=0.02", "optimizer.layer_decay=0.7",
             "schedule.name=cosine", "schedule.warmup=4"], "abc", None),
    "adafactor": ("single_label_classification",
                  ["data.label=label", "optimizer.name=adafactor", "optimizer.scale_parameter=true"], "abc", None),
    "frozen": ("single_label_classification",
               ["data.label=label", "freeze.layers=1", "optimizer.clip_value=0.002", "schedule.name=polynomial",
                "schedule.power=2", "schedule.lr_end=1e-5"], "abc", None),
}


def depth(name):
    """Embeddings 0, each layer one more, the pooler and the head above them all."""
    if "embeddings" in name:
        return 0
    return int(name.split("encoder.layer.")[1].split(".")[0]) + 1 if "encoder.layer." in name else LAYERS + 1


def sgd(model):
    groups = [{"params": [p], "lr": 0.02 * 0.7 ** (LAYERS + 1 - depth(n))} for n, p in model.named_parameters()]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    return optimizer, transformers.get_cosine_schedule_with_warmup(optimizer, 4, STEPS)


def adafactor(model):
    optimizer = transformers.optimization.Adafactor(model.parameters(), lr=RATE, relative_step=False)
    return optimizer, transformers.get_constant_schedule(optimizer)


def frozen(model):
    for n, p in model.named_parameters():
        p.requires_grad = depth(n) > 1
        if p.requires_grad:
            p.register_hook(lambda g: g.clamp(-0.002, 0.002))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0)
    return optimizer, transformers.get_polynomial_decay_schedule_with_warmup(optimizer, 0, STEPS, lr_end=1e-5, power=2)


def adamw(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0)
    return optimizer, transformers.get_constant_schedule(optimizer)


OPTIMIZERS = {"sgd": sgd, "adafactor": adafactor, "frozen": frozen}


def targets(problem, names, batch):
    if problem == "single_label_classification":
        return index(batch)
    if problem == "multi_label_classification":
        return bits(batch)
    values = torch.tensor([[r[n] for n in names] for r in batch])
    return values[:, 0] if len(names) == 1 else values


def encode(tokenizer, batch):
    return tokenizer([r["text"] for r in batch], padding=True, return_tensors="pt")


def reference_losses(folder, problem, names, loss_of, data, make_optimizer):
    """The model's own loss by problem_type, unless the case has another."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, problem_type=problem).train()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    optimizer, schedule = make_optimizer(model)
    per_epoch, losses = -(-N // BATCH), []
    for step in range(STEPS):
        order = permutation(N, SEED, step // per_epoch)
        batch = [data[i] for i in order[step % per_epoch * BATCH:][:BATCH]]
        inputs = encode(tokenizer, batch)
        loss = loss_of(model(**inputs).logits, batch) if loss_of else \
            model(**inputs, labels=targets(problem, names, batch)).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def compare_predictions(hone, name, problem, folder, data, path):
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        z = torch.cat([model(**encode(tokenizer, [r])).logits for r in data])
    expected = {"single_label_classification": z.softmax(1), "multi_label_classification": z.sigmoid(), "regression": z}[problem]
    names = [model.config.id2label[i] for i in range(z.shape[1])]
    lines = [json.loads(line) for line in hone("predict", "--model", folder, "--input", path).splitlines()]
    got = torch.tensor([[p["value"]] if "value" in p else [(p.get("scores") or p["values"])[n] for n in names] for p in lines])
    worst = (got - expected).abs().max().item()
    check(f"{name}: predictions of {folder.name}", worst <= LOGITS, f"worst {worst:.1e}")
    check(f"{name}: problem_type", model.config.problem_type == problem, str(model.config.problem_type))
    return model, tokenizer, names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", required=True)
    parser.add_argument("--tokenizer", required=True, help="folder with a BERT tokenizer")
    parser.add_argument("--keep", help="leave the folders here")
    parser.add_argument("--predictions-only", help="folders that --keep left")
    arguments = parser.parse_args()

    def hone(*args):
        return subprocess.run([arguments.hone, *map(str, args)], check=True, capture_output=True, text=True).stdout

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"heads beside Transformers {transformers.__version__}")
    work = Path(arguments.predictions_only or arguments.keep or tempfile.mkdtemp(prefix="hone-heads-"))
    work.mkdir(exist_ok=True)
    data, path = rows(), work / "data.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in data))
    for name, (problem, options, names, loss_of) in CASES.items():
        output = work / name
        if not arguments.predictions_only:
            torch.manual_seed(7)
            start = work / f"start-{name}"
            config = BertConfig(hidden_size=36, num_attention_heads=3, intermediate_size=50, num_hidden_layers=LAYERS,
                                num_labels=len(names), max_position_embeddings=64, hidden_dropout_prob=0.0,
                                attention_probs_dropout_prob=0.0, initializer_range=0.2)
            BertForSequenceClassification(config).save_pretrained(start)
            for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
                shutil.copy(Path(arguments.tokenizer) / file, start)
            recipe = work / "recipe.yaml"
            recipe.write_text(f"model: {{path: {start}}}\ntask: {{type: sequence_classification, problem_type: {problem}}}\n"
                              f"data: {{train: {path}, text: text, label: label, max_length: 64}}\n"
                              f"training: {{max_steps: {STEPS}, batch_size: {BATCH}, seed: {SEED}}}\n"
                              f"optimizer: {{lr: {RATE}, weight_decay: 0, clip_norm: 0}}\nschedule: {{name: constant}}\n"
                              f"logging: {{every: 1}}\noutput: {output}\n")
            hone("train", recipe, *options)
            log = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
            ours = [line["loss"] for line in log if line["split"] == "train"]
            theirs = reference_losses(start, problem, names, loss_of, data, OPTIMIZERS.get(name, adamw))
            worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
            check(f"{name}: loss of each of {STEPS} steps", worst <= LOSS, f"worst {worst:.1e}")
        model, tokenizer, found = compare_predictions(hone, name, problem, output, data, path)
        check(f"{name}: names", found == list(names), str(found))
        saved = work / f"saved-{name}"
        model.save_pretrained(saved)
        tokenizer.save_pretrained(saved)
        compare_predictions(hone, name, problem, saved, data, path)
    if not (arguments.keep or arguments.predictions_only):
        shutil.rmtree(work)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

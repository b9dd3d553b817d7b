"""What the PyTorch + Transformers peers share: the same model, sentences and arithmetic as hone's runs, in the plainest
and fastest loop (no Trainer, fused AdamW, tokenizer in Rust), so that it is the peer's best case."""

import json
import resource
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def setup(threads):
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def read_tsv(path, column="sentence"):
    """Texts and labels of a TSV with a header; labels as indices of their sorted distinct values."""
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    header = lines[0].rstrip("\r").split("\t")
    text, label = header.index(column), header.index("label")
    rows = [line.rstrip("\r").split("\t") for line in lines[1:] if line]
    names = sorted({row[label] for row in rows})
    return [row[text] for row in rows], [names.index(row[label]) for row in rows], names


def make_optimizer(network, steps, warmup, rate=5e-5, decay=0.01):
    """AdamW that decays neither biases nor norms, and its linear schedule."""
    plain = [p for p in network.parameters() if p.dim() == 1]
    decayed = [p for p in network.parameters() if p.dim() > 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": decay},
                                   {"params": plain, "weight_decay": 0.0}], lr=rate, fused=True)
    return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)


class Trainer:
    """Fine-tuning: decay on neither biases nor norms, clipping by global norm, linear schedule after a warm-up."""

    def __init__(self, model, labels, seed, steps, warmup, rate=5e-5, decay=0.01, clip=1.0, max_length=128,
                 padding="dynamic", precision="f32"):
        torch.manual_seed(seed)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=labels,
                                                                          dtype=torch.float32).train()
        self.optimizer, self.schedule = make_optimizer(self.network, steps, warmup, rate, decay)
        self.clip, self.max_length = clip, max_length
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        self.padding = "max_length" if padding == "max_length" else True

    def encode(self, texts):
        return self.tokenizer(texts, truncation=True, max_length=self.max_length, padding=self.padding,
                              return_tensors="pt")

    def step(self, texts, labels):
        """One optimizer step, from text on. Returns the loss and how many real tokens went in."""
        batch = self.encode(texts)
        with self.autocast:
            loss = self.network(**batch, labels=torch.tensor(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.item(), int(batch["attention_mask"].sum())


def predict(network, tokenizer, texts, max_length=128, batch_size=32):
    """Class index of each text: sorted by length, padded to each batch's longest."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    classes = [0] * len(texts)
    with torch.inference_mode():
        for begin in range(0, len(order), batch_size):
            chosen = order[begin:begin + batch_size]
            batch = tokenizer([texts[i] for i in chosen], truncation=True, max_length=max_length, padding=True,
                              return_tensors="pt")
            for i, best in zip(chosen, network(**batch).logits.argmax(1).tolist()):
                classes[i] = best
    return classes


def finish(result):
    """Prints the result as one JSON line, with what made it."""
    result["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["threads"] = torch.get_num_threads()
    result["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__,
                          "python": sys.version.split()[0]}
    print(json.dumps(result), flush=True)

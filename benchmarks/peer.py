"""What the PyTorch + Transformers peers share: the same model, sentences and arithmetic as hone's runs, in the plainest
and fastest loop (no Trainer, fused AdamW, tokenizer in Rust), so that it is the peer's best case."""

import json
import resource
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests/reference"))
from conll import first_tokens, read_conll


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


def read_words(path, names=None):
    """Sentences as lists of words, and their tags as indices of the names: those given, or the sorted distinct ones."""
    sentences = read_conll(path)
    names = names or sorted({tag for rows in sentences for _, tag in rows})
    return ([[word for word, _ in rows] for rows in sentences],
            [[names.index(tag) for _, tag in rows] for rows in sentences], names)


def make_optimizer(network, steps, warmup, rate=5e-5, decay=0.01):
    """AdamW that decays neither biases nor norms, and its linear schedule."""
    plain = [p for p in network.parameters() if p.dim() == 1]
    decayed = [p for p in network.parameters() if p.dim() > 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": decay},
                                   {"params": plain, "weight_decay": 0.0}], lr=rate, fused=True)
    return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)


class Trainer:
    """Fine-tuning: decay on neither biases nor norms, clipping by global norm, linear schedule after a warm-up. Texts have
    one label each, an index of `names`."""

    head, metric = AutoModelForSequenceClassification, "accuracy"

    def __init__(self, model, names, seed, steps, warmup, rate=5e-5, decay=0.01, clip=1.0, max_length=128,
                 padding="dynamic", precision="f32"):
        torch.manual_seed(seed)
        self.names = names
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.network = self.head.from_pretrained(model, id2label=dict(enumerate(names)),
                                                 label2id={name: i for i, name in enumerate(names)},
                                                 dtype=torch.float32).train()
        self.optimizer, self.schedule = make_optimizer(self.network, steps, warmup, rate, decay)
        self.clip, self.max_length = clip, max_length
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        self.padding = "max_length" if padding == "max_length" else True

    def encode(self, texts):
        return self.tokenizer(texts, truncation=True, max_length=self.max_length, padding=self.padding,
                              return_tensors="pt")

    def inputs(self, texts, labels):
        return {**self.encode(texts), "labels": torch.tensor(labels)}

    def step(self, texts, labels):
        """One optimizer step, from text on. Returns the loss and how many real tokens went in."""
        batch = self.inputs(texts, labels)
        with self.autocast:
            loss = self.network(**batch).loss
        loss.backward()
        self.update()
        return loss.item(), int(batch["attention_mask"].sum())

    def update(self):
        """Applies the gradients that are there."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()

    def figure(self, texts, labels):
        classes = predict(self.network, self.tokenizer, texts, self.max_length)
        return sum(c == label for c, label in zip(classes, labels, strict=True)) / len(labels)


class Tagger(Trainer):
    """The same for sentences given as words, which have a label each, learnt at the word's first token as run_ner.py does.
    A sentence that would have to be cut ends the run: hone makes windows of it."""

    head, metric = AutoModelForTokenClassification, "f1"

    def encode(self, sentences):
        batch = self.tokenizer(sentences, is_split_into_words=True, padding=self.padding, return_tensors="pt")
        if batch["input_ids"].shape[1] > self.max_length:
            sys.exit(f"a sentence of {batch['input_ids'].shape[1]} tokens, expected at most {self.max_length}")
        return batch

    def inputs(self, sentences, labels):
        batch = self.encode(sentences)
        targets = torch.full_like(batch["input_ids"], -100)
        for row, tags in enumerate(labels):
            for word, t in first_tokens(batch.word_ids(row)):
                targets[row, t] = tags[word]
        return {**batch, "labels": targets}

    def figure(self, sentences, labels):
        """F1 of entities as seqeval's default mode. Words without tokens are left out."""
        right = found = wanted = 0
        with torch.inference_mode():
            for chosen in batches_by_length(sentences):
                batch = self.encode([sentences[i] for i in chosen])
                best = self.network(**batch).logits.argmax(2).tolist()
                for row, i in enumerate(chosen):
                    at = first_tokens(batch.word_ids(row))
                    ours = entities([self.names[best[row][t]] for _, t in at])
                    theirs = entities([self.names[labels[i][word]] for word, _ in at])
                    right, found, wanted = right + len(ours & theirs), found + len(ours), wanted + len(theirs)
        return 2 * right / max(found + wanted, 1)


def entities(tags):
    """{(first word, end, type)} of tags in IO, IOB1 or IOB2, as seqeval's default mode has them."""
    out, begin = set(), None
    for i, tag in enumerate([*tags, "O"]):
        if begin is not None and (tag[0] in "OB" or tag[2:] != tags[begin][2:]):
            out.add((begin, i, tags[begin][2:]))
            begin = None
        if begin is None and tag != "O":
            begin = i
    return out


def batches_by_length(texts, batch_size=32):
    """Indices of the texts, sorted by length, a list for each batch."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    return [order[begin:begin + batch_size] for begin in range(0, len(order), batch_size)]


def predict(network, tokenizer, texts, max_length=128):
    """Class index of each text: sorted by length, padded to each batch's longest."""
    classes = [0] * len(texts)
    with torch.inference_mode():
        for chosen in batches_by_length(texts):
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

"""PyTorch + Transformers beside `hone train`: fine-tunes with one seed and says the loss and the accuracy on a held-out
file after each epoch. The folder it starts from, with Transformers' own new head, is kept for hone to start from too,
and the sentences come in hone's order, so that a pair of runs differs in its dropout masks alone. Prints one JSON
object."""

import argparse
import math
import sys
import time
from pathlib import Path

import torch

import peer

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests/reference"))
from hone_order import permutation

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--start", required=True, help="new folder: the model with its new head")
parser.add_argument("--train", required=True, help="TSV with the columns sentence and label")
parser.add_argument("--held-out", required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--max-steps", type=int, help="stop early, to see the script work")
parser.add_argument("--rate", type=float, default=5e-5)
parser.add_argument("--warmup", type=float, default=0.1, help="share of all steps")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--max-length", type=int, default=128)
parser.add_argument("--threads", type=int, default=2)
a = parser.parse_args()


def held_out_loss(network, tokenizer, texts, labels, batch_size=32):
    total = 0.0
    with torch.inference_mode():
        for begin in range(0, len(texts), batch_size):
            batch = tokenizer(texts[begin:begin + batch_size], truncation=True, max_length=a.max_length, padding=True,
                              return_tensors="pt")
            chosen = torch.tensor(labels[begin:begin + batch_size])
            total += network(**batch, labels=chosen).loss.item() * len(chosen)
    return total / len(texts)


peer.setup(a.threads)
texts, labels, names = peer.read_tsv(a.train)
held_texts, held_labels, _ = peer.read_tsv(a.held_out)
per_epoch = math.ceil(len(texts) / a.batch_size)
total = a.max_steps or per_epoch * a.epochs
trainer = peer.Trainer(a.model, len(names), a.seed, total, math.ceil(a.warmup * total), rate=a.rate,
                       max_length=a.max_length)
trainer.network.config.id2label = dict(enumerate(names))
trainer.network.config.label2id = {name: i for i, name in enumerate(names)}
trainer.network.save_pretrained(a.start)
trainer.tokenizer.save_pretrained(a.start)
losses, accuracies, held_out_losses = [], [], []
seconds = 0.0
for epoch in range(math.ceil(total / per_epoch)):
    order = permutation(len(texts), a.seed, epoch)
    begin = time.perf_counter()
    for step in range(min(per_epoch, total - epoch * per_epoch)):
        chosen = order[step * a.batch_size:(step + 1) * a.batch_size]
        losses.append(trainer.step([texts[i] for i in chosen], [labels[i] for i in chosen])[0])
    seconds += time.perf_counter() - begin
    trainer.network.eval()
    classes = peer.predict(trainer.network, trainer.tokenizer, held_texts, a.max_length)
    held_out_losses.append(held_out_loss(trainer.network, trainer.tokenizer, held_texts, held_labels))
    trainer.network.train()
    accuracies.append(sum(c == label for c, label in zip(classes, held_labels)) / len(held_labels))
peer.finish({"name": "accuracy", "seed": a.seed, "steps": total, "losses": losses, "held_out_losses": held_out_losses,
             "accuracies": accuracies, "accuracy": max(accuracies), "train_seconds": seconds})

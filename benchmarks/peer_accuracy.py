"""PyTorch + Transformers beside `hone train`: fine-tunes a BERT with one seed and says the loss and the accuracy (of words
with labels the F1 of entities) on a held-out file after each epoch. The folder it starts from, with Transformers' own new
head, is kept for hone to start from too; the sentences come in hone's order, and dropout drops what hone drops, so that a
pair of runs differs in nothing but rounding. A batch goes through in parts of like length, which saves padding and is the
same gradient. Prints one JSON object."""

import argparse
import math
import sys
import time

import torch

import peer
from hone_dropout import masks_of_hone  # in the folder that peer adds
from hone_order import permutation

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--start", required=True, help="new folder: the model with its new head")
parser.add_argument("--train", required=True, help="TSV with the columns sentence and label, or CoNLL")
parser.add_argument("--words", action="store_true", help="the data is CoNLL, and words have labels")
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


PART = 8  # sentences that go through the network together


def step(trainer, texts, labels, samples, seed, number):
    """One optimizer step, number from 0, on the samples of these numbers. Returns the loss."""
    parts = [[samples[i] for i in chosen]
             for chosen in peer.batches_by_length([texts[sample] for sample in samples], PART)]
    batches = [trainer.inputs([texts[i] for i in part], [labels[i] for i in part]) for part in parts]
    counts = [int((batch["labels"] != -100).sum()) for batch in batches]
    loss = 0.0
    for part, batch, count in zip(parts, batches, counts, strict=True):
        with masks_of_hone(part, seed, number):
            share = trainer.network(**batch).loss * (count / sum(counts))
        share.backward()
        loss += share.item()
    trainer.update()
    return loss


def held_out_loss(trainer, texts, labels, batch_size=32):
    total = count = 0
    with torch.inference_mode():
        for begin in range(0, len(texts), batch_size):
            batch = trainer.inputs(texts[begin:begin + batch_size], labels[begin:begin + batch_size])
            n = int((batch["labels"] != -100).sum())
            total, count = total + trainer.network(**batch).loss.item() * n, count + n
    return total / count


peer.setup(a.threads)
if a.words:
    texts, labels, names = peer.read_words(a.train)
    held_texts, held_labels, _ = peer.read_words(a.held_out, names)
else:
    texts, labels, names = peer.read_tsv(a.train)
    held_texts, held_labels, _ = peer.read_tsv(a.held_out)
per_epoch = math.ceil(len(texts) / a.batch_size)
total = a.max_steps or per_epoch * a.epochs
trainer = (peer.Tagger if a.words else peer.Trainer)(a.model, names, a.seed, total, math.ceil(a.warmup * total),
                                                     rate=a.rate, max_length=a.max_length)
if trainer.network.config.model_type != "bert":
    sys.exit(f"{a.model} is a {trainer.network.config.model_type}: only BERT's dropout is known here")
trainer.network.set_attn_implementation("eager")
trainer.network.save_pretrained(a.start)
trainer.tokenizer.save_pretrained(a.start)
losses, figures, held_out_losses = [], [], []
seconds = 0.0
for epoch in range(math.ceil(total / per_epoch)):
    order = permutation(len(texts), a.seed, epoch)
    begin = time.perf_counter()
    for i in range(min(per_epoch, total - epoch * per_epoch)):
        samples = order[i * a.batch_size:(i + 1) * a.batch_size]
        losses.append(step(trainer, texts, labels, samples, a.seed, epoch * per_epoch + i))
    seconds += time.perf_counter() - begin
    trainer.network.eval()
    figures.append(trainer.figure(held_texts, held_labels))
    held_out_losses.append(held_out_loss(trainer, held_texts, held_labels))
    trainer.network.train()
peer.finish({"name": trainer.metric, "seed": a.seed, "steps": total, "losses": losses,
             "held_out_losses": held_out_losses, "after_each_epoch": figures, trainer.metric: max(figures),
             "train_seconds": seconds})

"""PyTorch + Transformers beside `hone train`: fine-tunes with one seed and says the loss and the accuracy (of words with
labels the F1 of entities) on a held-out file after each epoch. The folder it starts from, with Transformers' own new
head, is kept for hone to start from too, and the sentences come in hone's order, so that a pair of runs differs in its
dropout masks alone. Prints one JSON object."""

import argparse
import math
import time

import torch

import peer
from hone_order import permutation  # in the folder that peer adds

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
trainer.network.save_pretrained(a.start)
trainer.tokenizer.save_pretrained(a.start)
losses, figures, held_out_losses = [], [], []
seconds = 0.0
for epoch in range(math.ceil(total / per_epoch)):
    order = permutation(len(texts), a.seed, epoch)
    begin = time.perf_counter()
    for step in range(min(per_epoch, total - epoch * per_epoch)):
        chosen = order[step * a.batch_size:(step + 1) * a.batch_size]
        losses.append(trainer.step([texts[i] for i in chosen], [labels[i] for i in chosen])[0])
    seconds += time.perf_counter() - begin
    trainer.network.eval()
    figures.append(trainer.figure(held_texts, held_labels))
    held_out_losses.append(held_out_loss(trainer, held_texts, held_labels))
    trainer.network.train()
peer.finish({"name": trainer.metric, "seed": a.seed, "steps": total, "losses": losses,
             "held_out_losses": held_out_losses, "after_each_epoch": figures, trainer.metric: max(figures),
             "train_seconds": seconds})

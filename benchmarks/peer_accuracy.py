"""PyTorch + Transformers beside `hone train`: fine-tunes with one seed and says the accuracy on a held-out file after
each epoch. Prints one JSON object."""

import argparse
import math
import random
import time

import peer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
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

peer.setup(a.threads)
texts, labels, names = peer.read_tsv(a.train)
held_texts, held_labels, _ = peer.read_tsv(a.held_out)
per_epoch = math.ceil(len(texts) / a.batch_size)
total = a.max_steps or per_epoch * a.epochs
trainer = peer.Trainer(a.model, len(names), a.seed, total, math.ceil(a.warmup * total), rate=a.rate,
                       max_length=a.max_length)
shuffle = random.Random(a.seed)
accuracies = []
seconds = 0.0
for epoch in range(math.ceil(total / per_epoch)):
    order = list(range(len(texts)))
    shuffle.shuffle(order)
    begin = time.perf_counter()
    for step in range(min(per_epoch, total - epoch * per_epoch)):
        chosen = order[step * a.batch_size:(step + 1) * a.batch_size]
        trainer.step([texts[i] for i in chosen], [labels[i] for i in chosen])
    seconds += time.perf_counter() - begin
    trainer.network.eval()
    classes = peer.predict(trainer.network, trainer.tokenizer, held_texts, a.max_length)
    trainer.network.train()
    accuracies.append(sum(c == label for c, label in zip(classes, held_labels)) / len(held_labels))
peer.finish({"name": "accuracy", "seed": a.seed, "steps": total, "accuracies": accuracies, "accuracy": max(accuracies),
             "train_seconds": seconds})

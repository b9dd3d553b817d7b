"""PyTorch + Transformers beside `hone bench train`: optimizer steps over a file in random order, timed from text to
updated weights, after a warm-up. Prints one JSON object: a raw sample per repeat."""

import argparse
import random
import time

import peer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True, help="TSV with a column of texts, and label")
parser.add_argument("--text", default="sentence", help="the column of texts")
parser.add_argument("--words", action="store_true", help="the data is CoNLL, and words have labels")
parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16: torch.autocast")
parser.add_argument("--padding", choices=["dynamic", "max_length"], default="dynamic",
                    help="to each batch's longest, or to max_length as run_glue does by default")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--max-length", type=int, default=128)
parser.add_argument("--warmup", type=int, default=5, help="steps before the clock starts")
parser.add_argument("--steps", type=int, default=20, help="steps per repeat")
parser.add_argument("--repeats", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seed", type=int, default=42)
a = parser.parse_args()

peer.setup(a.threads)
texts, labels, names = peer.read_words(a.data) if a.words else peer.read_tsv(a.data, a.text)
total = a.warmup + a.steps * a.repeats
trainer = (peer.Tagger if a.words else peer.Trainer)(a.model, names, a.seed, total, 0, max_length=a.max_length,
                                                     padding=a.padding, precision=a.precision)
order = list(range(len(texts)))
random.Random(a.seed).shuffle(order)


def run(first, count):
    tokens = sequences = 0
    begin = time.perf_counter()
    for step in range(first, first + count):
        chosen = [order[i % len(order)] for i in range(step * a.batch_size, (step + 1) * a.batch_size)]
        tokens += trainer.step([texts[i] for i in chosen], [labels[i] for i in chosen])[1]
        sequences += len(chosen)
    seconds = time.perf_counter() - begin
    return {"steps": count, "seconds": seconds, "tokens": tokens, "sequences": sequences,
            "tokens_per_second": tokens / seconds}


run(0, a.warmup)
samples = [run(a.warmup + i * a.steps, a.steps) for i in range(a.repeats)]
peer.finish({"name": f"train, padding {a.padding}", "precision": a.precision, "batch_size": a.batch_size, "max_length": a.max_length,
             "samples": samples})

"""PyTorch + Transformers beside `hone bench train` of a masked language model: optimizer steps over windows of a text,
hidden anew by Transformers' own collator, timed from text (tokenizing by its share) to updated weights, after a warm-up.
Prints one JSON object: a raw sample per repeat."""

import argparse
import random
import time

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

import peer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True, help="plain text")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--max-length", type=int, default=128)
parser.add_argument("--warmup", type=int, default=5, help="steps before the clock starts")
parser.add_argument("--steps", type=int, default=20, help="steps per repeat")
parser.add_argument("--repeats", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seed", type=int, default=42)
a = parser.parse_args()

peer.setup(a.threads)
tokenizer = AutoTokenizer.from_pretrained(a.model)
lines = [line for line in open(a.data, encoding="utf-8").read().split("\n") if line.strip()]
begin = time.perf_counter()
encoded = tokenizer(lines, return_special_tokens_mask=True, verbose=False)
ids, special = ([value for line in encoded[key] for value in line] for key in ("input_ids", "special_tokens_mask"))
windows = [{"input_ids": ids[i:i + a.max_length], "special_tokens_mask": special[i:i + a.max_length]}
           for i in range(0, len(ids) - a.max_length + 1, a.max_length)]  # whole ones: no padding on this side either
encode_per_token = (time.perf_counter() - begin) / len(ids)
torch.manual_seed(a.seed)
network = AutoModelForMaskedLM.from_pretrained(a.model, dtype=torch.float32).train()
collate = DataCollatorForLanguageModeling(tokenizer)
optimizer, schedule = peer.make_optimizer(network, a.warmup + a.steps * a.repeats, 0)
order = list(range(len(windows)))
random.Random(a.seed).shuffle(order)


def run(first, count):
    tokens = 0
    begin = time.perf_counter()
    for step in range(first, first + count):
        batch = collate([windows[order[i % len(order)]] for i in range(step * a.batch_size, (step + 1) * a.batch_size)])
        network(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        tokens += batch["input_ids"].numel()
    seconds = time.perf_counter() - begin + encode_per_token * tokens
    return {"steps": count, "seconds": seconds, "tokens": tokens, "tokens_per_second": tokens / seconds}


run(0, a.warmup)
samples = [run(a.warmup + i * a.steps, a.steps) for i in range(a.repeats)]
peer.finish({"name": "masked-lm", "batch_size": a.batch_size, "max_length": a.max_length, "samples": samples})

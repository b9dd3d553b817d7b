"""PyTorch + Transformers beside `hone predict`: classes of all lines of a text file, or of the field "text" of a JSONL
file. The clock runs from texts in memory, or the JSONL file, to classes; loading Python, libraries and model is reported
apart. Prints one JSON object."""

import time

started = time.perf_counter()

import argparse
import json
from pathlib import Path

import peer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="folder with a classification head")
parser.add_argument("--input", required=True, help="one text a line, or .jsonl")
parser.add_argument("--mode", choices=["sorted", "pipeline", "sorted-pipeline"], default="sorted",
                    help="a loop over batches of 32 sorted by length, transformers.pipeline(batch_size=32), or both")
parser.add_argument("--max-length", type=int, default=128)
parser.add_argument("--threads", type=int, default=2)
a = parser.parse_args()

peer.setup(a.threads)
network = AutoModelForSequenceClassification.from_pretrained(a.model).eval()
tokenizer = AutoTokenizer.from_pretrained(a.model)
loaded = time.perf_counter()


def run(texts):
    if a.mode == "sorted":
        return [network.config.id2label[i] for i in peer.predict(network, tokenizer, texts, a.max_length)]
    order = range(len(texts))
    if a.mode == "sorted-pipeline":
        order = [i for batch in peer.batches_by_length(texts) for i in batch]
    classify = pipeline("text-classification", model=network, tokenizer=tokenizer, device="cpu")
    rows = classify([texts[i] for i in order], batch_size=32, truncation=True, max_length=a.max_length)
    return [row["label"] for _, row in sorted(zip(order, rows), key=lambda pair: pair[0])]


def read():
    if Path(a.input).suffix != ".jsonl":
        return Path(a.input).read_text(encoding="utf-8").split("\n")[:-1]
    with open(a.input, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


texts = read()
run(texts[:64])
begin = time.perf_counter()
if Path(a.input).suffix == ".jsonl":
    texts = read()
labels = run(texts)
seconds = time.perf_counter() - begin
peer.finish({"name": f"predict, {a.mode}", "sentences": len(texts), "seconds": seconds, "load_seconds": loaded - started,
             "sentences_per_second": len(texts) / seconds,
             "labels": {name: labels.count(name) for name in sorted(set(labels))}})

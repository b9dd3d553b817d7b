"""tokenizers: one full encode of each file's lines, a line being one document; ids, offsets and word ids are made. The
tokenizer is loaded anew before each encode, so that its caches begin empty; loading isn't in the time. MB/s are those of
10^6 input bytes."""

import argparse
import json
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
parser.add_argument("--input", nargs="+", required=True)
parser.add_argument("--threads", type=int, required=True)
a = parser.parse_args()
os.environ["RAYON_NUM_THREADS"] = str(a.threads)
os.environ["TOKENIZERS_PARALLELISM"] = "true" if a.threads > 1 else "false"

import tokenizers  # reads the environment

results = {}
for path in a.input:
    documents = Path(path).read_bytes().decode().split("\n")[:-1]
    begin = time.perf_counter()
    tokenizer = tokenizers.Tokenizer.from_file(a.tokenizer + "/tokenizer.json")
    load = time.perf_counter() - begin
    tokenizer.no_truncation()
    tokenizer.no_padding()
    begin = time.perf_counter()
    encodings = tokenizer.encode_batch(documents)
    seconds = time.perf_counter() - begin
    results[path] = {"megabytes_per_second": sum(len(d.encode()) for d in documents) / seconds / 1e6,
                     "load_ms": 1000 * load, "tokens": sum(len(e) for e in encodings)}
print(json.dumps({"version": tokenizers.__version__, "files": results}))

"""tiktoken with GPT-2's vocabulary: ids of each file's lines, a line being one document (it has no offsets). MB/s are
those of 10^6 input bytes."""

import argparse
import json
import time
from pathlib import Path

import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

# As in tiktoken_ext/openai_public.py.
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""

parser = argparse.ArgumentParser()
parser.add_argument("--tokenizer", required=True, help="GPT-2's folder: merges.txt and encoder.json")
parser.add_argument("--input", nargs="+", required=True)
parser.add_argument("--threads", type=int, required=True)
a = parser.parse_args()
ranks = data_gym_to_mergeable_bpe_ranks(a.tokenizer + "/merges.txt", a.tokenizer + "/encoder.json")
results = {}
for path in a.input:
    documents = Path(path).read_bytes().decode().split("\n")[:-1]
    encoding = tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks,
                                 special_tokens={"<|endoftext|>": 50256})
    begin = time.perf_counter()
    ids = (encoding.encode_ordinary_batch(documents, num_threads=a.threads) if a.threads > 1
           else [encoding.encode_ordinary(d) for d in documents])
    seconds = time.perf_counter() - begin
    results[path] = {"megabytes_per_second": sum(len(d.encode()) for d in documents) / seconds / 1e6,
                     "tokens": sum(map(len, ids))}
print(json.dumps({"version": tiktoken.__version__, "files": results}))

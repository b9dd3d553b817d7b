"""datasets + tokenizers beside `hone prepare`: a CoNLL file is read, tokenized word by word and aligned with its tags by
`map`, as Transformers' run_ner.py does it, and kept in the library's own cache. Timed from the file to the kept columns,
without imports and without opening the tokenizer. Prints one JSON object."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="folder with the tokenizer")
parser.add_argument("--data", required=True, help="CoNLL file")
parser.add_argument("--cache", required=True, help="new folder")
parser.add_argument("--processes", type=int, default=1, help="of map; one has the tokenizer's threads instead")
parser.add_argument("--max-length", type=int, default=256)
parser.add_argument("--threads", type=int, default=2)
a = parser.parse_args()
os.environ["RAYON_NUM_THREADS"] = str(a.threads)
os.environ["TOKENIZERS_PARALLELISM"] = "true" if a.processes == 1 else "false"

import datasets  # reads the environment
import transformers

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests/reference"))
from conll import first_tokens, read_conll

datasets.disable_progress_bars()
tokenizer = transformers.AutoTokenizer.from_pretrained(a.model)


def rows():
    sentences = read_conll(a.data)
    names = sorted({tag for sentence in sentences for _, tag in sentence})
    index = {name: i for i, name in enumerate(names)}
    for sentence in sentences:
        yield {"tokens": [word for word, _ in sentence], "tags": [index[tag] for _, tag in sentence]}


def align(examples):
    encoded = tokenizer(examples["tokens"], truncation=True, max_length=a.max_length, is_split_into_words=True)
    encoded["labels"] = []
    for i, tags in enumerate(examples["tags"]):
        labels = [-100] * len(encoded["input_ids"][i])
        for word, t in first_tokens(encoded.word_ids(i)):
            labels[t] = tags[word]
        encoded["labels"].append(labels)
    return encoded


begin = time.perf_counter()
read = datasets.Dataset.from_generator(rows, cache_dir=a.cache)
done = read.map(align, batched=True, remove_columns=read.column_names, num_proc=a.processes if a.processes > 1 else None)
seconds = time.perf_counter() - begin
print(json.dumps({"name": "reading", "processes": a.processes, "seconds": seconds, "sentences": len(done),
                  "sentences_per_second": len(done) / seconds, "tokens": sum(map(len, done["input_ids"])),
                  "versions": {"datasets": datasets.__version__, "transformers": transformers.__version__}}))

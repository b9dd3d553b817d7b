"""Files of documents for the tokenizer benchmark, one a line, and the tokenizers' folders with tokenizer.json. Run in the
environment of tools/reference_env; prints {"files": {name: path}, "tokenizers": {name: path}}."""

import argparse
import json
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/reference"))
from real_tokenizers import make_folders
from texts import DATA

SIZES = {"25 B": 25, "1 kB": 1000, "1 MB": 1_000_000}


def english():
    """Film reviews, then speeches."""
    for line in (DATA / "sentiment/imdb_pl04/train.tsv").read_text(encoding="utf-8").split("\n")[1:]:
        yield from line.partition("\t")[2].split(" ")
    with zipfile.ZipFile(DATA / "lm/nltk/state_union.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".txt")):
            yield from archive.read(name).decode("utf-8", errors="ignore").split()


def multilingual():
    """The Declaration of Human Rights in 300 languages, 400 words of one after 400 of another."""
    with zipfile.ZipFile(DATA / "lm/nltk/udhr2.zip") as archive:
        texts = [archive.read(n).decode("utf-8", errors="ignore").split() for n in sorted(archive.namelist())
                 if n.endswith(".txt")]
    for begin in range(0, max(map(len, texts)), 400):
        for text in texts:
            yield from text[begin:begin + 400]


def documents(words, size, total):
    """Runs of whole words of at least `size` bytes until there are `total` bytes or no more words."""
    piece, n, all_bytes = [], 0, 0
    for word in words:
        piece.append(word)
        n += len(word.encode()) + 1
        if n > size:
            yield " ".join(piece)
            all_bytes += n
            if all_bytes >= total:
                return
            piece, n = [], 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--bytes", type=int, default=4_000_000, help="of each file, where there is that much text")
    a = parser.parse_args()
    rows = (DATA / "sentiment/mr/train.tsv").read_text(encoding="utf-8").split("\n")[1:]
    sets = {"English sentences": [row.split("\t")[1] for row in rows if row]}
    for name, size in SIZES.items():
        sets[f"English, documents of {name}"] = list(documents(english(), size, a.bytes))
        sets[f"multilingual, documents of {name}"] = list(documents(multilingual(), size, a.bytes))
    sets["one word of 1 MB"] = ["".join(english())[:1_000_000]]
    files = {}
    for name, lines in sets.items():
        files[name] = str(a.output / (name.replace(" ", "-").replace(",", "") + ".txt"))
        Path(files[name]).write_bytes("".join(line + "\n" for line in lines).encode())
    found = {}
    for name, (folder, reference) in make_folders(a.output / "made").items():
        if name.endswith(" saved") or (folder / "tokenizer.json").exists():
            found[name.removesuffix(" saved")] = str(folder)
    print(json.dumps({"files": files, "tokenizers": found}))


main()

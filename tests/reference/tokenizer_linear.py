"""Whether the time of `hone tokenize` grows with the length of a text without a space and no faster: user seconds for
4 MB and 16 MB, less those for one letter, for every kind of model and for expressions that are made to take forever;
their ratio is 4 where time is linear. What can't be run in linear time has to be refused when loading. Needs no packages.

    python3 tests/reference/tokenizer_linear.py             # build/hone; ends in "N passed, N failed"
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"
SIZES = 4_000_000, 16_000_000
# 4, and what caches, pages and a busy machine add; squared time would be 16. Below a tenth of a second nothing is told.
MOST = 6
LONGEST = 60  # seconds, then it is killed


def seconds(folder, path):
    """User seconds and exit code of one process, with its last line on stderr."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([ROOT / "build/hone", "tokenize", "--tokenizer", folder, "--input", path],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST)),
                                   env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return usage.ru_utime, process.returncode, errors.read().decode().strip()


def made(model, **parts):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None, **parts, "model": model}


def split(pattern):
    return made({"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "b": 1}},
                pre_tokenizer={"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False})


LETTERS = {letter: i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
MADE = {
    "WordPiece, words of any length": made({"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##",
                                            "max_input_chars_per_word": 10**9,
                                            "vocab": {**LETTERS, **{"##" + c: i + 26 for c, i in LETTERS.items()}, "##" + "a" * 40: 52}}),
    "WordLevel": made({"type": "WordLevel", "unk_token": "a", "vocab": LETTERS}),
    "BPE of characters": made({"type": "BPE", "dropout": None, "unk_token": "a", "continuing_subword_prefix": None,
                               "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                               "vocab": {**LETTERS, "aa": 26, "aaaa": 27, "th": 28, "the": 29},
                               "merges": [["a", "a"], ["aa", "aa"], ["t", "h"], ["th", "e"]]}),
    **{f"Split by {p}": split(p) for p in ("a+b", "(a|b|ab)+c", "a*?b?c", "(a+)+b", "((a|b)+c?)+d", "a++b", ".*=.*", r"\w+(?!\S)x")},
}
REFUSED = ["(a*)*b", r"(a+)\1", "(?=a+)b", "(?>a+)b"]


def texts(work, sizes):
    words = "".join(c for c in (DATA / "sentiment/imdb_pl04/train.tsv").read_text(encoding="utf-8").lower() if "a" <= c <= "z")
    for name, unit in {"one letter again and again": "a", "reviews without spaces": words, "Chinese": "中文字符", "marks": "e\u0301\u0327"}.items():
        paths = []
        for size in (1, *sizes):
            n = len(unit.encode())
            whole = (unit * (size // n + 1))[:max(1, size * len(unit) // n)]
            paths.append(work / f"{name}-{size}.txt")
            paths[-1].write_text(whole + "\n", encoding="utf-8")
        yield name, paths


def main():
    results = []
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        folders = {name: DATA / "tokenizers" / name for name in ("bert-base-uncased", "gpt2", "albert-base-v2", "xlnet-base-cased",
                                                                 "seqio-test-t5like")}
        for name, tokenizer in [*MADE.items(), *((f"refused {p}", split(p)) for p in REFUSED)]:
            folders[name] = work / f"made-{len(folders)}"
            folders[name].mkdir()
            (folders[name] / "tokenizer.json").write_text(json.dumps(tokenizer))
        whole = list(texts(work, SIZES))
        for name, folder in folders.items():
            if name.startswith("refused"):
                _, code, message = seconds(folder, whole[0][1][0])
                results.append(code == 3)
                print("ok    " if code == 3 else "FAILED", name, "exit code", code, message[-100:], flush=True)
                continue
            for text, paths in whole:
                (least, _, _), (short, code, _), (long, _, message) = (seconds(folder, path) for path in paths)
                ratio = (long - least) / max(short - least, .1)
                results.append(ratio < MOST and code in (0, 3))
                print(f"{'ok    ' if results[-1] else 'FAILED'} {name}, {text}: {short - least:.2f} s, {long - least:.2f} s, "
                      f"{ratio:.1f} times{'; ' + message[-80:] if message else ''}", flush=True)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(not all(results))


main()

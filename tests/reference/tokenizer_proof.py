"""hone's tokenizers beside the reference's, line by line. Run by tools/tokenizer_proof; ends in "N passed, N failed".

Every line goes through every tokenizer (--spread: through one of them): ids, type ids, tokens, offsets, word ids. An
eighth as many cases of pairs, given words, truncation and windows do, and decodings. All are the same for the same seed.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from real_tokenizers import make_folders
import tokenizer_cases as cases_of
from texts import ROOT, distinct_lines

CHUNK = 20000
SHOWN = 10


class Side:
    """Both sides of one comparison in a worker process, which inherits them by fork."""
    hone = folders = lines = work = cases = None


def expected(e):
    return {"ids": e.ids, "type_ids": e.type_ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets],
            "word_ids": e.word_ids}


def run_hone(arguments, path):
    done = subprocess.run([Side.hone, "tokenize", *map(str, arguments), "--input", str(path)], capture_output=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        return None, done.stderr.decode(errors="replace").strip()
    return done.stdout.decode().split("\n")[:-1], None


def first_difference(got, want):
    """The keys that differ and, of the first one, the values around the first place."""
    keys = [key for key in want if got.get(key) != want[key]]
    a, b = got.get(keys[0], []), want[keys[0]]
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    begin = max(0, at - 2)
    return f"{', '.join(keys)}; {keys[0]}[{begin}:] hone {a[begin:at + 4]}, reference {b[begin:at + 4]}"


def compare_lines(job):
    """(name, lines compared, lines that differ, the first of them, a failure)"""
    name, begin, end = job
    folder, reference = Side.folders[name]
    lines = Side.lines[begin:end]
    path = Side.work / f"lines-{os.getpid()}.txt"
    # A byte order mark at the beginning would be skipped: a line goes before.
    path.write_bytes("".join(line + "\n" for line in ["-", *lines]).encode())
    got, failure = run_hone(["--tokenizer", folder], path)
    if failure:
        return name, 0, 0, [], failure
    del got[0]
    if len(got) != len(lines):
        return name, 0, 0, [], f"{len(got)} lines for {len(lines)}"
    differing, shown = 0, []
    for line, ours, e in zip(lines, got, reference.encode_batch(lines)):
        ours, theirs = json.loads(ours), expected(e)
        if ours != theirs:
            differing += 1
            if len(shown) < SHOWN:
                shown.append(f"{line[:300]!r}: {first_difference(ours, theirs)}")
    return name, len(lines), differing, shown, None


def compare_cases(job):
    """The same for pairs, words, truncation and windows."""
    name, begin, end = job
    folder, reference = Side.folders[name][0], cases_of.Reference(Side.folders[name][1])
    compared, differing, shown = 0, 0, []
    for setting in cases_of.SETTINGS:
        wanted = [(text, pair, reference.encode(setting, text, pair))
                  for s, text, pair in Side.cases[begin:end] if s == setting]
        wanted = [case for case in wanted if case[2][0] is not None]
        path = Side.work / f"cases-{os.getpid()}.jsonl"
        path.write_text("".join(json.dumps({"text": text, "text_pair": pair}) + "\n" for text, pair, _ in wanted))
        got, failure = run_hone(["--tokenizer", folder, *cases_of.arguments_of(setting)], path)
        if failure or len(got) != len(wanted):
            return name, compared, differing, shown, failure or f"{len(got)} lines for {len(wanted)}"
        for (text, pair, (windows, whole)), ours in zip(wanted, got):
            ours, theirs = cases_of.flatten(json.loads(ours)), windows
            if not whole:
                ours, theirs = ours[:1], theirs[:1]
            compared += 1
            if ours == theirs:
                continue
            differing += 1
            if len(shown) < SHOWN:
                at = next((i for i, (x, y) in enumerate(zip(ours, theirs)) if x != y), None)
                what = (f"{len(ours)} windows, reference {len(theirs)}" if at is None
                        else f"window {at}: {first_difference(ours[at], theirs[at])}")
                shown.append(f"{setting} {text!r:.200} {pair!r:.200}: {what}")
    return name, compared, differing, shown, None


def compare_decoding(job):
    name, count, seed = job
    folder, reference = Side.folders[name]
    lines = Side.lines[seed * 500 % len(Side.lines):][:500]
    ids = cases_of.random_ids(reference.get_vocab_size(), [e.ids for e in reference.encode_batch(lines)], count, seed)
    path = Side.work / f"ids-{os.getpid()}.txt"
    path.write_text("".join(json.dumps(i) + "\n" for i in ids))
    differing, shown = 0, []
    for skip in (True, False):
        got, failure = run_hone(["--tokenizer", folder, "--decode", *(["--skip-special"] if skip else [])], path)
        if failure or len(got) != len(ids):
            return name, 0, differing, shown, failure or f"{len(got)} lines for {len(ids)}"
        for i, ours, theirs in zip(ids, got, reference.decode_batch(ids, skip_special_tokens=skip)):
            if json.loads(ours) != theirs:
                differing += 1
                if len(shown) < SHOWN:
                    shown.append(f"{i}: hone {json.loads(ours)!r:.300}, reference {theirs!r:.300}")
    return name, 2 * len(ids), differing, shown, None


def report(name, what, results):
    """Prints one line for a tokenizer and the first differences; a dict for the result file."""
    n = sum(r[1] for r in results)
    differing = sum(r[2] for r in results)
    failures = [r[4] for r in results if r[4]]
    good = n > 0 and differing == 0 and not failures
    print(f"{'ok    ' if good else 'FAILED'} {name}: {n} {what}, {differing} differ"
          + (f"; {failures[0]}" if failures else ""))
    for line in [line for r in results for line in r[3]][:SHOWN]:
        print("         " + line)
    sys.stdout.flush()
    return {"tokenizer": name, "what": what, "compared": n, "differing": differing, "failures": len(failures)}


def commit():
    run = lambda *command: subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return run("git", "rev-parse", "HEAD") + (" with changes" if run("git", "status", "--porcelain", "-uno") else "")


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    return f"{cpu}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", default=str(ROOT / "build/hone"), help="the binary")
    parser.add_argument("--lines", type=int, default=5000, help="distinct lines (the whole campaign: 1000000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spread", action="store_true",
                        help="each line goes through one of the tokenizers instead of all: lines are shared out in turn")
    parser.add_argument("--only", default="", help="tokenizers with this in their name")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--store", action="store_true", help="keep the counts in tests/results")
    a = parser.parse_args()
    begin = time.time()
    with tempfile.TemporaryDirectory(prefix="hone-proof-") as work:
        Side.hone, Side.work = a.hone, Path(work)
        Side.folders = {name: pair for name, pair in make_folders(Path(work)).items() if a.only in name}
        Side.lines = distinct_lines(a.lines, a.seed)
        random.Random(a.seed).shuffle(Side.lines)
        Side.cases = cases_of.make_cases(Side.lines, a.lines // 8, a.seed)
        print(f"{len(Side.lines)} distinct lines, {sum(map(len, Side.lines))} characters, seed {a.seed}", flush=True)
        rows = []
        with multiprocessing.get_context("fork").Pool(a.processes) as pool:
            for k, name in enumerate(Side.folders):
                share = lambda n: (n * k // len(Side.folders), n * (k + 1) // len(Side.folders)) if a.spread else (0, n)
                ranges = lambda n, step: [(name, i, min(i + step, share(n)[1])) for i in range(*share(n), step)]
                rows.append(report(name, "lines", pool.map(compare_lines, ranges(len(Side.lines), CHUNK), chunksize=1)))
                rows.append(report(name, "pairs, words, truncations",
                                   pool.map(compare_cases, ranges(len(Side.cases), CHUNK // 4), chunksize=1)))
                seeds = range(*share(max(len(Side.folders), len(Side.cases) // 4000)))
                rows.append(report(name, "decodings", pool.map(compare_decoding, [(name, 500, i) for i in seeds],
                                                               chunksize=1)))
    failed = sum(bool(r["differing"] or r["failures"] or not r["compared"]) for r in rows)
    if a.store:
        now = datetime.datetime.now(datetime.timezone.utc)
        head = commit()
        path = ROOT / f"tests/results/tokenizer-proof-{now:%Y-%m-%d}-{head[:8]}.json"
        path.write_text(json.dumps({"commit": head, "date": now.isoformat(timespec="seconds"), "machine": machine(),
                                    "command": sys.argv[1:], "seed": a.seed, "spread": a.spread, "distinct_lines": len(Side.lines),
                                    "seconds": round(time.time() - begin), "results": rows}, indent=1) + "\n")
        print(f"stored {path.relative_to(ROOT)}")
    print(f"{len(rows) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()

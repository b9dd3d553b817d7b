"""Lines of text for differential tests of tokenizers, from real files and made up where those end. The same seed gives
the same lines."""

import json
import random
import subprocess
import unicodedata
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"

EMOJI = ([chr(c) for c in range(0x1F300, 0x1FAFF)] + [chr(c) for c in range(0x2600, 0x27C0)]
         + ["❤️", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍💻", "🇩🇪", "🇯🇵", "1️⃣", "#️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🧑🏿‍❤️‍💋‍🧑🏻"])
JOINERS = ["\u200d", "\u200c", "\ufe0f", "\ufe0e", "\U0001f3fb", "\U0001f3ff", "\u2060", "\ufeff", "\u00ad", "\u200b"]
SPACES = [" ", "  ", "   ", "\t", "\u00a0", "\u2003", "\u3000", "\u2028", "\u2029", "\u0085", "\u1680", "\u202f", "\x0b", "\x0c",
          "\x1c", "\x1f", "\r", " \t ", "\u200e", "\u200f"]
MARKS = [chr(c) for c in range(0x300, 0x370)] + [chr(c) for c in range(0x591, 0x5C0)] + [chr(c) for c in range(0x64B, 0x660)] \
    + ["\u093c", "\u094d", "\u0e33", "\u0eb3", "\u3099", "\u309a", "\u20dd", "\u0f71", "\u0f73", "\u11a8", "\u1161"]
CONTROL = [chr(c) for c in range(1, 32) if c != 10] + ["\x7f"] + [chr(c) for c in range(0x80, 0xA0)] + ["\ufffd", "\ufffe", "\uffff", "\ue000"]
RIGHT_TO_LEFT = ["שָׁלוֹם", "עולם", "السَّلامُ", "عليكم", "\u202b", "\u202c", "\u2067", "\u2069", "مرحبا", "پارسی", "۱۲۳", "١٢٣", "لا", "ﷲ", "ﻻ"]
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<cls>", "<sep>", "<eop>", "<eod>",
           "<|endoftext|>", "<extra_id_0>", "<extra_id_99>", "[MASK", "MASK]", "<mask", "mask>", "▁", "Ġ", "Ċ", "##", "``", "''", "<0x0A>"]
ASCII = ["don't", "I'll", "we've", "it's", "'S", "'RE", "rock'n'roll", "a_b", "x86-64", "3.14", "1,000", "100%", "$5", "@you", "#tag",
         "http://a.b/c?d=e&f", "foo(bar)[0]", "{}", "==", "!=", "...", "--", "\\n", "\"quoted\"", "C++", "()", "\x00"]


def real_lines():
    """Each file of the real data: tables and code line by line, JSON by its strings, archives by their members."""
    for path in sorted(DATA.rglob("*")):
        if path.name in ("SOURCE.txt", "LICENSE", "SHA256SUMS") or not path.is_file() or "models" in path.parts[-4:-1]:
            continue
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".txt"):
                        yield from archive.read(name).decode("utf-8", errors="ignore").split("\n")
        elif path.suffix == ".conll":
            words = []
            for row in path.read_text(encoding="utf-8").split("\n"):
                if row.strip():
                    words.append(row.replace("\t", " ").split(" ")[0])
                elif words:
                    yield " ".join(words)
                    words = []
        elif path.suffix == ".json" and "tokenizers" not in path.parts:
            yield from strings_of(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix in (".tsv", ".csv", ".txt", ".md", ".jsonl"):
            yield from path.read_text(encoding="utf-8", errors="ignore").split("\n")
    sources = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.py", "*.md", "*.yaml"], cwd=ROOT, capture_output=True,
                             text=True, check=True).stdout.split()
    for source in sources:
        yield from (ROOT / source).read_text(encoding="utf-8").split("\n")


def strings_of(value):
    if isinstance(value, str):
        yield from value.split("\n")
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings_of(part)


def code_point_lines():
    """Every code point, between letters, spaces and its neighbours."""
    codes = [chr(c) for c in range(1, 0x110000) if c != 10 and not 0xD800 <= c <= 0xDFFF]
    assigned = [c for c in codes if unicodedata.category(c) not in ("Cn", "Co")]
    for i in range(0, len(assigned), 12):
        part = assigned[i:i + 12]
        yield "a" + "".join(part) + "b"
        yield " ".join(part)
        yield "a" + "e".join(part)
    others = [c for c in codes if unicodedata.category(c) in ("Cn", "Co")]
    for i in range(0, len(others), 64):
        yield "x" + " y".join(others[i:i + 64])


class MadeUp:
    """Substrings of real lines joined across scripts, with marks, emoji, joiners, controls and special tokens."""

    def __init__(self, real, seed):
        self.random = random.Random(seed)
        self.real = real
        self.sets = [EMOJI, JOINERS, SPACES, MARKS, CONTROL, RIGHT_TO_LEFT, SPECIAL, ASCII]

    def part(self):
        r = self.random
        kind = r.random()
        if kind < 0.6:
            line = self.real[r.randrange(len(self.real))]
            begin = r.randrange(len(line) + 1)
            return line[begin:begin + r.randrange(1, 40)]
        if kind < 0.9:
            chosen = self.sets[r.randrange(len(self.sets))]
            return "".join(chosen[r.randrange(len(chosen))] for _ in range(r.randrange(1, 5)))
        if kind < 0.95:
            return r.choice("abcéжא中가ก") + "".join(r.choice(MARKS) for _ in range(r.randrange(1, 12)))
        code = r.randrange(1, 0x30000)
        return chr(code if code != 10 and not 0xD800 <= code <= 0xDFFF else 0x41)

    def line(self):
        r = self.random
        parts = []
        for _ in range(r.randrange(1, 6)):
            parts.append(self.part())
            if r.random() < 0.5:
                parts.append(" ")
        return "".join(parts)


def distinct_lines(count, seed, longest=2000):
    """`count` distinct lines without LF: real ones first, then every code point, then made up. Fewer than the real ones:
    a sample of real, code point and made-up lines by the seed."""
    # A CR at the end would belong to the line's end.
    real = list(dict.fromkeys(line[:longest].rstrip("\r") for line in real_lines() if line.strip()))
    codes = [line.rstrip("\r") for line in code_point_lines()]
    pool = [line for line in real if len(line) < 400]
    made_up = MadeUp(pool, seed)
    if count < len(real) + len(codes):
        r = random.Random(seed)
        lines = dict.fromkeys(r.sample(real, min(count // 2, len(real))))
        lines.update(dict.fromkeys(r.sample(codes, min(count // 6, len(codes)))))
    else:
        lines = dict.fromkeys(real)
        lines.update(dict.fromkeys(codes))
    while len(lines) < count:
        lines[made_up.line().rstrip("\r")] = None
    return list(lines)

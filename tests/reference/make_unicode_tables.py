#!/usr/bin/env python3
"""Writes data/unicode_tables.h: what every code point is to `tokenizers` (see requirements.txt for the version).

The reference takes its properties from crates of different Unicode versions (categories are older than the lowercase
mapping), so no single library agrees with it. Everything is asked of the library itself, one code point at a time.

    python tests/reference/make_unicode_tables.py > data/unicode_tables.h
"""

import tokenizers
import unicodedata
from struct import pack

from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **on}).normalize_str


def matching(pattern):
    """Code points that a class of Oniguruma's has."""
    split = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str
    return {c for c in CODES if not split(chr(c))}


def a_to_z():
    """A Precompiled that turns the grapheme clusters beginning with "a" into "Z": shows what belongs to one cluster."""
    root, a = 256, 512  # a double array with two nodes: offsets are XORed with the byte
    units = [0] * 1024
    units[0] = root << 10
    units[root ^ ord("a")] = ord("a") | 1 << 8 | (root ^ ord("a") ^ a) << 10
    units[a] = 1 << 31
    blob = pack(f"<{len(units)}I", *units)
    return normalizers.Precompiled(pack("<I", len(blob)) + blob + b"Z\0").normalize_str


def scripts():
    """Runs (first, last, number) of code points that UnicodeScripts doesn't part; those of number 0 belong to all."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str

    def parts(a, b):
        return len(split(chr(a) + chr(b))) == 2

    out, kinds = [], []
    for c in CODES:
        if not parts(ord("a"), c) and not parts(0x44F, c):
            number = 0
        elif out and out[-1][2] and out[-1][1] == c - 1 and not parts(c - 1, c):
            number = out[-1][2]
        else:
            number = next((i + 1 for i, kind in enumerate(kinds) if not parts(kind, c)), 0)
            if number == 0:
                kinds.append(c)
                number = len(kinds)
        if out and out[-1][1] == c - 1 and out[-1][2] == number:
            out[-1] = (out[-1][0], c, number)
        else:
            out.append((c, c, number))
    return out


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lower_runs(lower):
    """(first, last, step, delta): consecutive mapped code points with one step and one delta."""
    out = []
    for c in sorted(lower):
        delta = lower[c] - c
        if out:
            first, last, step, d = out[-1]
            if d == delta and c - last <= 2 and step in (0, c - last):
                out[-1] = (first, c, c - last, d)
                continue
        out.append((c, c, 0, delta))
    return [(a, b, s or 1, d) for a, b, s, d in out]


def show(name, comment, rows, row_type="struct hone_code_range"):
    print(f"\n/* {comment} */\nstatic const {row_type} {name}[] = {{")
    line = "   "
    for row in rows:
        text = " {" + ", ".join(row) + "},"
        if len(line) + len(text) > 118:
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


def show_ranges(name, comment, codes):
    show(name, comment, [(f"0x{a:X}", f"0x{b:X}") for a, b in ranges(codes)])


def main():
    clean, strip, low, nfd = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True), normalizers.NFD()
    chinese, split, words = (
        bert(handle_chinese_chars=True),
        pre_tokenizers.BertPreTokenizer(),
        pre_tokenizers.Whitespace(),
    )
    pieces = {c: len(split.pre_tokenize_str("a" + chr(c) + "b")) for c in CODES}
    white = {c for c in CODES if pieces[c] == 2}
    spaces, punctuation = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()
    assert white == {c for c in CODES if len(spaces.pre_tokenize_str("a" + chr(c) + "b")) == 2}
    assert all((pieces[c] == 3) == (len(punctuation.pre_tokenize_str("a" + chr(c) + "b")) == 3) for c in CODES)
    nfkd, nfc, accents = normalizers.NFKD(), normalizers.NFC(), normalizers.StripAccents()
    compatible = {c for c in CODES if nfkd.normalize_str(chr(c)) != chr(c)}
    pairs = [unicodedata.decomposition(chr(c)).split() for c in CODES]
    composing = {int(p[1], 16) for p in pairs if len(p) == 2 and p[0][0] != "<"} | {*range(0x1161, 0x1176)}
    composing |= {*range(0x11A8, 0x11C3)}
    digits = pre_tokenizers.Digits()
    letters, joined = matching(r"\p{L}"), a_to_z()
    decomposed = {c for c in CODES if nfd.normalize_str(chr(c)) != chr(c)}
    # U+0345 has class 240, the highest but for itself: whatever has a lower one is sorted before it.
    combining = {c for c in CODES if nfd.normalize_str("a\u0345" + chr(c)) == "a" + chr(c) + "\u0345"} | {0x345}
    by_class = {}
    for c in combining:
        by_class.setdefault(unicodedata.combining(chr(c)), c)
    for c in combining:
        for of_class, other in by_class.items():
            mine = unicodedata.combining(chr(c))
            got = nfd.normalize_str("a" + chr(c) + chr(other))
            assert got == "a" + (chr(other) + chr(c) if of_class < mine else chr(c) + chr(other)), hex(c)
    lower = {c: low(chr(c)) for c in CODES if low(chr(c)) != chr(c)}
    assert {c: v for c, v in lower.items() if len(v) > 1} == {0x130: "i\u0307"}
    lowercase = normalizers.Lowercase()
    assert all(lowercase.normalize_str(chr(c)) == lower.get(c, chr(c)) for c in CODES)

    print(f"""/* What each code point is to `tokenizers` {tokenizers.__version__}, which mixes Unicode versions. Made by
 * tests/reference/make_unicode_tables.py; read by data/unicode.c alone. Ranges include both ends. */
/* clang-format off */
#ifndef HONE_DATA_UNICODE_TABLES_H
#define HONE_DATA_UNICODE_TABLES_H

#include <stdint.h>

struct hone_code_range {{
    int32_t first, last;
}};
struct hone_lower_run {{
    int32_t first, last, step, delta;
}};
struct hone_script_run {{
    int32_t first, last, number;
}};""")
    show_ranges(
        "control_ranges",
        "Removed by BertNormalizer's clean_text: NUL, U+FFFD, and categories Cc, Cf, Co but TAB, LF, CR.",
        [c for c in CODES if clean(chr(c)) == ""],
    )
    show_ranges("white_ranges", "White_Space.", white)
    show_ranges(
        "mark_ranges",
        "Nonspacing marks (Mn), removed by strip_accents.",
        [c for c in CODES if strip("a" + chr(c)) == "a"],
    )
    show_ranges(
        "punctuation_ranges",
        "ASCII punctuation and categories P*: a word of its own.",
        [c for c in CODES if pieces[c] == 3],
    )
    show_ranges("canonical_ranges", "Has a canonical decomposition or a combining class.", decomposed | combining)
    show_ranges(
        "ideograph_ranges",
        "Surrounded by spaces by handle_chinese_chars.",
        [c for c in CODES if chinese(chr(c)) == " " + chr(c) + " "],
    )
    show_ranges(
        "word_ranges",
        "\\w of Rust's regex.",
        [c for c in CODES if len(words.pre_tokenize_str("a" + chr(c))) == 1 and pieces[c] != 2],
    )
    show_ranges("letter_ranges", "\\p{L} of Oniguruma.", letters)
    show_ranges("number_ranges", "\\p{N} of Oniguruma.", matching(r"\p{N}"))
    show_ranges("space_ranges", "\\s of Oniguruma.", matching(r"\s"))
    show_ranges(
        "numeric_ranges",
        "Set apart by Digits.",
        [c for c in CODES if len(digits.pre_tokenize_str("a" + chr(c))) == 2],
    )
    show_ranges("compatible_ranges", "Changed by NFKD.", compatible)
    show_ranges("composing_ranges", "Composes with a character before it.", composing)
    show_ranges(
        "accent_ranges",
        "Marks of any kind (M*), removed by StripAccents.",
        [c for c in CODES if accents.normalize_str("a" + chr(c)) == "a"],
    )
    show_ranges(
        "joining_ranges",
        "Belongs to the grapheme cluster of the character before it.",
        [c for c in CODES if joined("a" + chr(c)) == "Z"],
    )
    show(
        "script_runs",
        "Script of each code point, as UnicodeScripts has it; 0 goes with all.",
        [(f"0x{a:X}", f"0x{b:X}", str(n)) for a, b, n in scripts()],
        "struct hone_script_run",
    )
    show(
        "lower_runs",
        "Lowercase: every `step`-th code point gets `delta` added. U+0130 alone becomes two and is left out.",
        [
            (f"0x{a:X}", f"0x{b:X}", str(s), str(d))
            for a, b, s, d in lower_runs({c: ord(v) for c, v in lower.items() if len(v) == 1})
        ],
        "struct hone_lower_run",
    )
    print("\n#endif")


main()

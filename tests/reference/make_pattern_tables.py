#!/usr/bin/env python3
"""Writes data/pattern_tables.h: in which code points the classes of Debian's Oniguruma differ from those of the one inside
`tokenizers` (see requirements.txt), which knows a newer Unicode: general categories, scripts, and the properties that POSIX names.

    python tests/reference/make_pattern_tables.py > data/pattern_tables.h     # where libonig is Debian's
    python tests/reference/make_pattern_tables.py fixture      # instead writes tests/fixtures/tokenizer/classes.txt
    python tests/reference/make_pattern_tables.py build/hone   # instead compares hone; prints differences
"""

import ctypes
import json
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy
import tokenizers
from tokenizers import Regex, pre_tokenizers

# All that any version of Unicode gives a property of its own: the rest is unassigned or for private use.
CODES = [c for c in [*range(0x40000), *range(0xE0000, 0xE1000), *range(0x10FFF0, 0x110000)] if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CODES))
BYTES = TEXT.encode()
AT = numpy.zeros(len(BYTES) + 1, dtype=numpy.int64)  # byte -> place in CODES
AT[1:] = numpy.cumsum((numpy.frombuffer(BYTES + b" ", dtype=numpy.uint8)[1:] & 0xC0) != 0x80)
POSIX = "alnum alpha blank cntrl digit graph lower print space upper xdigit word ascii".split()
CHECKED = [r"\p{L}", r"\P{Letter}", r"\p{Lu}", r"(?i)\p{Lu}", r"(?i)[\p{Lu}_]", r"(?i)[^\p{Ll}_]", r"\p{N}", r"\p{M}", r"\p{^P}", r"\p{S}", r"[\p{C}\p{Z}]",
           r"[^\s\p{L}\p{N}]", r"\w", r"[^\W\d_]", r"[[:punct:]]", r"[[:^alpha:]x]", r"\p{Han}", r"\p{Cyrillic}", r"\b.", r".\B"]


class Region(ctypes.Structure):
    _fields_ = [("allocated", ctypes.c_int), ("num_regs", ctypes.c_int), ("beg", ctypes.POINTER(ctypes.c_int)),
                ("end", ctypes.POINTER(ctypes.c_int)), ("history", ctypes.c_void_p)]


class Debian:
    """Its Oniguruma, called directly."""

    def __init__(self):
        self.lib = ctypes.CDLL("libonig.so.5")
        self.path = next(line.split()[-1] for line in open("/proc/self/maps") if "libonig.so.5" in line)
        of = lambda name: ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(self.lib, name)))
        self.encoding, self.syntax = of("OnigEncodingUTF8"), of("OnigSyntaxRuby")
        self.lib.onig_initialize((ctypes.c_void_p * 1)(self.encoding), 1)
        self.lib.onig_region_new.restype = ctypes.POINTER(Region)
        self.buffer = ctypes.create_string_buffer(BYTES)

    def compile(self, pattern):
        regex, text = ctypes.c_void_p(), ctypes.create_string_buffer(pattern.encode())
        begin = ctypes.addressof(text)
        code = self.lib.onig_new(ctypes.byref(regex), ctypes.c_void_p(begin), ctypes.c_void_p(begin + len(text) - 1), 0,
                                 self.encoding, self.syntax, None)
        return regex if code == 0 else None

    def matching(self, pattern):
        """[code points] of bool, or None where the class is unknown."""
        regex = self.compile(pattern + "+")
        if not regex:
            return None
        place = lambda at: ctypes.c_void_p(ctypes.addressof(self.buffer) + at)
        region, out, at = self.lib.onig_region_new(), numpy.zeros(len(CODES), dtype=bool), 0
        while self.lib.onig_search(regex, place(0), place(len(BYTES)), place(at), place(len(BYTES)), region, 0) >= 0:
            begin, at = region.contents.beg[0], region.contents.end[0]
            out[AT[begin]:AT[at]] = True
        self.lib.onig_free(regex)
        return out

    def names(self):
        """Of properties: words in the library that it takes for one, without blocks, ages, breaks and what few know."""
        words = subprocess.run(["strings", "-n", "1", self.path], capture_output=True, text=True, check=True).stdout.split()
        return sorted(w for w in set(words) if re.fullmatch("[a-z0-9]{1,45}", w) and self.compile(f"\\p{{{w}}}")
                      and not re.match("in(?!herited)|grapheme|gr[be]|changes|cw|caseign|ci$|id|xid|other[ adegilmsu][a-z]{4}|default", w))


def reference(pattern):
    try:
        split = pre_tokenizers.Split(Regex(pattern + "+"), "removed")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None
    out = numpy.ones(len(CODES), dtype=bool)
    for _, (begin, end) in split.pre_tokenize_str(TEXT):
        out[begin:end] = False
    return out


def write_fixture():
    """A hash of where each of CHECKED, repeated, matches in all code points."""
    lines = []
    for pattern in CHECKED:
        marks = reference(f"(?:{pattern})")
        split = pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "isolated").pre_tokenize_str(TEXT)
        places = numpy.searchsorted(AT[:-1], numpy.arange(len(CODES) + 1))
        found = [places[at] for _, span in split if marks[span[0]] for at in span]
        lines.append(f"{zlib.crc32(numpy.array(found, dtype='<i4').tobytes()):08x} {pattern}\n")
    (Path(__file__).resolve().parents[1] / "fixtures/tokenizer/classes.txt").write_text("".join(lines))


def ranges(marks):
    out = []
    for i in numpy.flatnonzero(marks):
        c = CODES[i]
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return tuple(map(tuple, out))


def newer_cases(rows):
    """(code point, its other case) for letters that get one from the reference alone, in both directions."""
    letters = next(added for name, added, _ in rows if name == "lu") + next(added for name, added, _ in rows if name == "ll")
    pairs = set()
    for a, b in letters:
        for c in range(a, b + 1):
            for i in numpy.flatnonzero(reference(f"(?i)\\x{{{c:X}}}")):
                if CODES[i] != c:
                    pairs |= {(c, CODES[i]), (CODES[i], c)}
    return sorted(pairs)


def show(name, rows):
    print(f"static const struct hone_class_range {name}[] = {{")
    show_rows(rows)
    print("};")


def show_rows(rows):
    line = "   "
    for a, b in rows:
        text = f" {{0x{a:X}, 0x{b:X}}},"
        if len(line) + len(text) > 118:
            print(line)
            line = "   "
        line += text
    print(line)


def write():
    debian, sets, rows, same = Debian(), {}, [], {}
    for name in debian.names():
        # Outside brackets "word" takes in some of Latin-1 that it doesn't inside: data/pattern_classes.c knows them.
        pattern = f"[\\p{{{name}}}]" if name == "word" else f"\\p{{{name}}}"
        ours = debian.matching(pattern)
        key = ours.tobytes()
        theirs = same[key] = same[key] if key in same and name not in POSIX else reference(pattern)
        if theirs is None:
            print(f"{name} isn't known to the reference", file=sys.stderr)
            continue
        if (ours != theirs).any():
            rows.append((name, ranges(theirs & ~ours), ranges(ours & ~theirs)))
    print(f"""/* Code points in which classes of Oniguruma 6.9.8 (Debian 12) differ from those of `tokenizers` {tokenizers.__version__}. Made by
 * tests/reference/make_pattern_tables.py; read by data/pattern_classes.c alone. Ranges include both ends. */
/* clang-format off */
#ifndef HONE_DATA_PATTERN_TABLES_H
#define HONE_DATA_PATTERN_TABLES_H

#include <stddef.h>
#include <stdint.h>

struct hone_class_range {{
    int32_t first, last;
}};""")
    for _, added, removed in rows:
        for part in (added, removed):
            if part and part not in sets:
                sets[part] = f"class_{len(sets)}"
                show(sets[part], part)
    print("""
/* In the order of strcmp. */
static const struct hone_class_difference {
    const char *name;
    const struct hone_class_range *added, *removed; /* by the reference */
    size_t added_n, removed_n;
} class_differences[] = {""")
    for name, added, removed in sorted(rows):
        print(f'    {{"{name}", {sets.get(added, "NULL")}, {sets.get(removed, "NULL")}, {len(added)}, {len(removed)}}},')
    print("""};

/* Letters and their other case, of which Debian's knows nothing: in the order of the first. */
static const struct hone_newer_case {
    int32_t code, other;
} newer_cases[] = {""")
    show_rows(newer_cases(rows))
    print("};\n\n#endif")


def classes(names):
    """Expressions of one character, each with all the ways to write it."""
    for name in names:
        yield from (f"\\p{{{name}}}", f"\\P{{{name}}}", f"[^\\n\\p{{^{name}}}]", f"(?i)[\\p{{{name}}}-]", f"(?i)\\p{{{name}}}")
    for name in POSIX + ["punct"]:
        yield from (f"[[:{name}:]]", f"[[:^{name}:]a]", f"[^x[:{name}:]]")
    for letter in "wWdDsShH":
        yield from (f"\\{letter}", f"[\\{letter}_-]")
    yield from (r"\b.", r".\b", r"\B.", r"(?<=\w).", r".(?!\W)")


def compare(hone):
    """What hone splits off, beside the reference, over all code points with an "a" behind each other one."""
    text = "".join(c + ("a" if i % 2 else "") for i, c in enumerate(TEXT) if c not in "\n\r")
    debian, wrong, compared = Debian(), 0, 0
    names = sys.argv[2:] or [n for n in debian.names() if len(n) <= 4] + ["Uppercase_Letter", "Script=Han", "Latin", "Alphabetic", "Emoji"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text").write_text(text + "\n")
        for pattern in classes(names):
            try:
                split = pre_tokenizers.Split(Regex(pattern), "isolated")
            except BaseException:
                continue
            made = {"model": {"type": "WordLevel", "unk_token": "u", "vocab": {"u": 0}},
                    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}}
            (Path(folder) / "tokenizer.json").write_text(json.dumps(made))
            done = subprocess.run([hone, "tokenize", "--tokenizer", folder, "--input", folder + "/text"], capture_output=True)
            compared += 1
            want = [list(offsets) for _, offsets in split.pre_tokenize_str(text)]
            got = json.loads(done.stdout)["offsets"] if done.returncode == 0 else done.stderr.decode()
            if got != want:
                wrong += 1
                at = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), -1) if done.returncode == 0 else got
                print(f"{pattern} differs: {at if isinstance(at, str) else hex(ord(text[want[at][0]]))}", flush=True)
    print(f"{compared} expressions compared over all code points, {wrong} differ")
    sys.exit(wrong > 0)


if sys.argv[1:] == ["fixture"]:
    write_fixture()
elif sys.argv[1:]:
    compare(sys.argv[1])
else:
    write()

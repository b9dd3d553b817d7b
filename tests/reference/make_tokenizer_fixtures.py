#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer/: what `tokenizers` (see requirements.txt) makes of chosen texts; of real files
and of every code point, as hashes.

    python tests/reference/make_tokenizer_fixtures.py [../shared/data]
"""

import json
import random
import sys
import zipfile
from zlib import crc32
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import BertTokenizer

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/fixtures/tokenizer"
DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
R = random.Random(11)

TEXTS = [
    "",
    " ",
    "   \t ",
    "a",
    "Hello, world!",
    "The quick brown fox isn't jumping over 3.14 lazy dogs...",
    "don't do not I'm we've you're he's ' quoted ' .",
    "unaffable unbelievably",
    "x" * 100,
    "x" * 101,
    "a" * 63 + " " + "b" * 65,
    "Héllo Wörld ÀÉÎÕÜ ñ Å Ǻ",
    "e\u0301 E\u0301\u0327 q\u0323\u0307 q\u0307\u0323",
    "\u0301leading mark",
    "!\u0301 .\u0300a",
    "İstanbul Iı ŞĞ",
    "ΑΣ ΣΑΣ ς ΐ Ω \u2126",
    "Straße ẞ ŉ ǰ",
    "中文字符 和 English混排",
    "日本語のテキスト がぎぐ カ\u3099",
    "한국어 텍스트 \uac00\uac01 \u1100\u1161\u11a8",
    "豈 更 車 \U00020000\U0002a6d6\U0002f800",
    "שָׁלוֹם עוֹלָם",
    "السَّلامُ عليكم",
    "नमस्ते दुनिया क\u093c",
    "สวัสดีชาวโลก ำ",
    "\u0f73\u0f75\u0f81\u0f71\u0f72",
    "zero\u200bwidth soft\u00adhyphen \ufeffbom",
    "a\u0085b\u2028c\u2029d\u00a0e\u3000f\u2003g\u202fh",
    "tab\tand\rreturn\x0b\x0cvt\x1cfs",
    "bad \ufffd char \ufffe\uffff",
    "emoji 👍🏽 👨‍👩‍👧 🇩🇪 ❤️",
    "\U0001d15e\U0001d165\U0001d16d music",
    "\ue000 private \U000f0000\U0010ffff",
    "$+<=>^`|~ @#%&*()_-[]{}\\;:'\",./?",
    "«quoted» ‘a’ “b” – — … ¿¡ §¶ 、。",
    "\u166d \u2e43 \U00011938\U00011935\U00011930 \ua7cb \U00010d50 \u1c89",
    "[CLS] text [SEP] [MASK]ed [UNK] [PAD][PAD] [cls] [CL S]",
    "[MASK]",
    "a[SEP]b [SEP ]",
    "##ing ## #",
    "foo",
    "foobar foo bar Foo BAR",
    "xfoo foox foo. (foo) éfoo fooé foo_ foo1",
    "  foo   bar  ",
    "New York is new york NEW YORK",
    "<ent>x</ent> <ent><ent> <entx",
    "  <m>  next",
    "a <m>\u00a0\u2003b",
    "\u0344\u0345\u0316 a\u0344\u0316\u0345",
    "a" + "\u0301\u0316\u0345" * 30 + "b",
    "\u212b\u00c5A\u030a \u1e9b\u0323",
    "1,000.50€ £5 5°C ½ ²",
    "ends with space ",
    " .",
    "- ' - n't 'm",
    "Ünïcödé\u0308 \u0308",
    "ﬁ ﬂ ﬀ Ａ１",
    "ж" * 100,
    "ж" * 101,
    "<m>\u3000x a<m>\u3000",
    "\u1fbe\u037e\u0387\u1fef\u2000\u2001",
]


def bert_json(vocab, **changes):
    ids = {t: vocab[t] for t in SPECIALS}
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    special = lambda t, type_id: {"SpecialToken": {"id": t, "type_id": type_id}}
    sequence = lambda s, type_id: {"Sequence": {"id": s, "type_id": type_id}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [dict(id=ids[t], content=t, **flags) for t in SPECIALS],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
        **changes,
    }


def added(next_id, content, **flags):
    return dict(
        id=next_id,
        content=content,
        **{**dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **flags}
    )


def small_vocab(lines, case):
    """Special tokens, all letters of the texts alone and inside words, and pieces of the most frequent words."""
    text = " ".join(TEXTS + lines)
    text = text if case else text.lower()
    letters = sorted({c for c in text if c.isalnum() or (c.isprintable() and c != " ")})
    R.shuffle(letters)
    words = {}
    for w in text.split():
        if w.isalpha() and 2 < len(w) < 12:
            words[w] = words.get(w, 0) + 1
    common = sorted(words, key=lambda w: (-words[w], w))[:150]
    pieces = [w[:k] for w in common for k in (len(w), 3)] + ["##" + w[k:] for w in common[:60] for k in (1, 2)]
    out = list(
        dict.fromkeys(
            SPECIALS
            + letters[:330]
            + ["##" + c for c in letters[:250]]
            + [chr(c) for c in range(33, 127)]
            + ["##" + chr(c) for c in range(97, 123)]
            + pieces
            + ["é", "i̇", "##é", "中", "ж", "##ж"]
        )
    )
    return {t: i for i, t in enumerate(out)}


def tokenizers_for(lines):
    lower, cased = small_vocab(lines, False), small_vocab(lines[::4], True)
    little = {
        t: i
        for i, t in enumerate(
            SPECIALS
            + [
                "foo",
                "bar",
                "new",
                "York",
                "york",
                "x",
                "a",
                "##a",
                "##r",
                "é",
                ".",
                "<",
                "ent",
                ">",
                "/",
                "the",
                "i",
                "s",
                "##s",
            ]
        )
    }
    n = len(little)
    base = bert_json(little)
    model = dict(base["model"])
    del model["type"]
    made = {
        "uncased": bert_json(
            lower,
            truncation={"max_length": 4, "strategy": "LongestFirst", "stride": 0},
            padding={
                "strategy": {"Fixed": 9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
        ),
        "cased": bert_json(
            cased,
            normalizer={
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": False,
            },
        ),
        "lower_accents": bert_json(
            little,
            normalizer={
                "type": "BertNormalizer",
                "clean_text": False,
                "handle_chinese_chars": False,
                "strip_accents": False,
                "lowercase": True,
            },
            decoder=None,
        ),
        "added": bert_json(
            little,
            model=model,
            added_tokens=base["added_tokens"]
            + [
                added(n, "<m>", lstrip=True, rstrip=True, special=True),
                added(n + 1, "<ent>", normalized=True),
                added(little["foo"], "foo", single_word=True),
                added(n + 2, "New York", normalized=True, rstrip=True),
                added(n + 3, "</ent>", lstrip=True),
                added(n + 4, "É", normalized=True, special=True),
                added(n + 5, "fooé"),
                added(n + 6, "\u3000", lstrip=True),
            ],
        ),
        "bert_processing": bert_json(
            little,
            post_processor={
                "type": "BertProcessing",
                "sep": ["[SEP]", little["[SEP]"]],
                "cls": ["[CLS]", little["[CLS]"]],
            },
            decoder={"type": "WordPiece", "prefix": "##", "cleanup": False},
        ),
        "odd_template": bert_json(
            little,
            post_processor={
                "type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "A", "type_id": 2}}, {"SpecialToken": {"id": "end", "type_id": 3}}],
                "pair": [
                    {"Sequence": {"id": "B", "type_id": 1}},
                    {"SpecialToken": {"id": "end", "type_id": 5}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                ],
                "special_tokens": {
                    "end": {"id": "end", "ids": [little["[MASK]"], little["[SEP]"]], "tokens": ["<m>", "<s>"]}
                },
            },
        ),
        "bare": bert_json(
            little,
            normalizer=None,
            post_processor=None,
            decoder=None,
            model=dict(base["model"], continuing_subword_prefix="", max_input_chars_per_word=5),
        ),
        "whole": bert_json(little, pre_tokenizer=None),
    }
    for name, value in made.items():
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(
            json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
        )
    return {name: Tokenizer.from_file(str(OUT / name / "tokenizer.json")) for name in made}


def encode(t, case):
    t.no_padding()
    if case["max_length"]:
        t.enable_truncation(case["max_length"], strategy="longest_first")
    else:
        t.no_truncation()
    if "words" in case:
        return t.encode(case["words"], is_pretokenized=True, add_special_tokens=case["special"])
    return t.encode(case["text"], case.get("pair"), add_special_tokens=case["special"])


def expected(t, case):
    e = encode(t, case)
    minus = lambda values: [-1 if v is None else v for v in values]
    sequences = minus(e.sequence_ids)
    if all(s == -1 for s in sequences) and not any(e.special_tokens_mask):
        sequences = [0] * len(sequences)  # the reference leaves them out where there is no post-processor
    return dict(
        ids=e.ids,
        types=e.type_ids,
        tokens=e.tokens,
        starts=[o[0] for o in e.offsets],
        ends=[o[1] for o in e.offsets],
        words=minus(e.word_ids),
        sequences=sequences,
        mask=e.special_tokens_mask,
        decoded=t.decode(e.ids, skip_special_tokens=True),
        whole=t.decode(e.ids, skip_special_tokens=False),
    )


def cases_of(name, t, lines):
    texts = TEXTS if name == "uncased" else R.sample([x for x in TEXTS if len(x) < 70], 40 if name == "added" else 14)
    texts = texts + (R.sample(lines, 8) if name in ("uncased", "cased") else [])
    cases = [dict(text=x, special=True, max_length=0) for x in texts]
    pick = lambda: R.choice(TEXTS[4:])[:50]
    for _ in range(8):
        cases.append(
            dict(
                text=pick(),
                pair=R.choice([pick(), pick(), ""]),
                special=R.random() < 0.8,
                max_length=R.choice([0, 3, 4, 5, 7, 8, 16]),
            )
        )
        cases.append(
            dict(
                words=[pick()[:12] for _ in range(R.randrange(0, 6))],
                special=R.random() < 0.8,
                max_length=R.choice([0, 0, 3, 6]),
            )
        )
        cases.append(dict(text=pick(), special=R.random() < 0.5, max_length=R.choice([3, 4, 7])))
    # Two long sequences: the reference stops after the word that reaches max_length, which decides who is longer.
    cases.append(dict(text="a " * 20, pair="x " * 10 + "xaaaaaaa aaaa" * 3, special=True, max_length=10))
    cases.append(dict(text="xaaaaaaaaaaaaaaaaaaaaaa", pair="a " * 30, special=True, max_length=10))
    for case in cases:
        case["tokenizer"] = name
        case["expected"] = expected(t, case)
    return cases


def fnv(values, state=0xCBF29CE484222325):
    for v in values:
        for byte in (v & 0xFFFFFFFF).to_bytes(4, "little"):
            state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def line_values(t, line):
    e = t.encode(line)
    return [v for i, o, w in zip(e.ids, e.offsets, e.word_ids) for v in (i, o[0], o[1], -1 if w is None else w)] + [-2]


def hashes(t, lines):
    t.no_truncation()
    t.no_padding()
    return [
        "%016x" % fnv(v for line in lines[i : i + 100] for v in line_values(t, line)) for i in range(0, len(lines), 100)
    ]


def column(path, number, header):
    rows = (DATA / path).read_text(encoding="utf-8").split("\n")
    return [row.split("\t")[number] for row in rows[header:] if row]


def from_vocab(folder, lower):
    t = BertTokenizer.from_pretrained(str(DATA / "tokenizers" / folder), do_lower_case=lower)
    return t._tokenizer


def real_hashes():
    bert = {
        "bert-base-uncased": Tokenizer.from_file(str(DATA / "tokenizers/bert-base-uncased/tokenizer.json")),
        "bert-base-cased": Tokenizer.from_file(str(DATA / "tokenizers/bert-base-cased/tokenizer.json")),
        "bert-base-uncased vocab": from_vocab("bert-base-uncased", True),
        "bert-base-cased vocab": from_vocab("bert-base-cased", False),
        "bert-base-multilingual-cased vocab": from_vocab("bert-base-multilingual-cased", False),
    }
    files = {
        "sentiment/mr/train.tsv": (1, 1),
        "sentiment/mr/dev.tsv": (1, 1),
        "sentiment/vader_tweets/train.tsv": (2, 0),
        "sentiment/imdb_pl04/train.tsv": (1, 1),
    }
    return [
        dict(
            tokenizer=name,
            file=path,
            column=number,
            header=bool(header),
            hashes=hashes(t, column(path, number, header)),
        )
        for name, t in bert.items()
        for path, (number, header) in files.items()
    ]


def unicode_hashes():
    """One hash for each 256 code points, of what each becomes and how it splits words."""
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    each = [normalizers.BertNormalizer(**{**options, k: True}) for k in options] + [normalizers.BertNormalizer()]
    split, words = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Whitespace()
    out = []
    for block in range(0, 0x110000, 256):
        values = []
        for code in range(block, block + 256):
            if 0xD800 <= code <= 0xDFFF:
                continue
            text = "a" + chr(code) + "b"
            for normalizer in each:
                values += [ord(c) for c in normalizer.normalize_str(text)] + [-1]
            values += [v for _, offsets in split.pre_tokenize_str(text) for v in offsets]
            values.append(len(words.pre_tokenize_str("a" + chr(code))) == 1 and len(split.pre_tokenize_str(text)) != 2)
        out.append("%08x" % (fnv(values) & 0xFFFFFFFF))
    return out


def form_checksums():
    """One CRC-32 for each 1024 code points, of what the normalizers make of all of them, each between "a" and "b"."""
    nfc, nfd = normalizers.NFC(), normalizers.NFD()
    each = [nfc, nfd, normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents(),
            normalizers.Sequence([nfd, nfc])]
    out = []
    for block in range(0, 0x110000, 1024):
        text, sum = "".join("a" + chr(c) + "b" for c in range(block, block + 1024) if not 0xD800 <= c <= 0xDFFF), 0
        for normalizer in each:
            sum = crc32(normalizer.normalize_str(text).encode(), sum)
        out.append("%08x" % sum)
    return out


def language_lines():
    archive = zipfile.ZipFile(DATA / "lm/nltk/udhr2.zip")
    lines = []
    for name in sorted(archive.namelist())[::2]:
        if name.endswith(".txt"):
            long = [x for x in archive.read(name).decode("utf-8").split("\n") if len(x) > 50]
            if long:
                lines.append(long[len(long) // 2][:80].replace("\t", " ").strip())
    return lines


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lines = language_lines()
    (OUT / "languages.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    small = tokenizers_for(lines)
    cases = [case for name, t in small.items() for case in cases_of(name, t, lines)]
    rows = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    (OUT / "cases.json").write_text('{"cases":[\n' + rows + "\n]}\n", encoding="utf-8")
    found = dict(languages={name: hashes(t, lines) for name, t in small.items()}, real=real_hashes())
    (OUT / "hashes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for file, marks in ("unicode.txt", unicode_hashes()), ("forms.txt", form_checksums()):
        rows = [" ".join(marks[i : i + 16]) for i in range(0, len(marks), 16)]
        (OUT / file).write_text("\n".join(rows) + "\n", encoding="utf-8")


main()

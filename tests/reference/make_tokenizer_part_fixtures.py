#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer/parts.json: random tokenizers put together from all parts of tokenizer.json, and what
`tokenizers` (see requirements.txt) makes of random texts with them; windows.json: what it makes of long pairs and given words,
cut into windows; and older.json: what it makes of texts with the older files of ../shared/data, as Transformers reads
them.

    python tests/reference/make_tokenizer_part_fixtures.py             # writes the fixture
    python tests/reference/make_tokenizer_part_fixtures.py 2000 7      # instead compares 2000 with build/hone, seed 7;
                                                                       # --store: into tests/results/tokenizer-random.txt
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

from real_tokenizers import ModelProto, make_folders
from texts import DATA
from tokenizer_cases import SETTINGS, Reference

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/fixtures/tokenizer/parts.json"
LETTERS = "abcdeABC éß中文カ"
BITS = ["a", "b", "ab", "The", "cab", "DEAD", " ", "  ", "\t", "\n", "é", "e\u0301", "ﬁ", "½", "中文", "カ\u3099", "ガ", "한국", "각",
        "\u1100\u1161", "İ", "ß", "Σ", ".", ",", "-", "--", "'s", "'ll", "12", "٣", "Ⅷ", "_", "▁", "👍🏽", "👨\u200d👩", "\u200b", "\u00a0",
        "\ufeff", "\x07", "Å", "\u212b", "q\u0323\u0307", "\u0344", "ﷺ", "㎏", "ａ", "\u0958", "क़", "ि", "\u0f71\u0f72", "<s>", "[X]", "foo",
        "\r\n", "``", "''", "\u2028", "\x85", "русский", "العربية", "\u0600", "\ue000", "𝔾", "x\u0345\u0316", "\u3000", "～", "ſ"]


def random_text(r):
    return "".join(r.choice(BITS) for _ in range(r.randrange(0, 14)))


def charsmap():
    from base64 import b64encode
    model = ModelProto()
    model.ParseFromString((DATA / "tokenizers/xlnet-base-cased/spiece.model").read_bytes())
    return b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def pattern(r):
    if r.random() < 0.5:
        return {"String": r.choice(["a", "ab", " ", "é", "--", "``", ""])}
    return {"Regex": r.choice([r"\s+", r"\p{L}+", r"[^\s\p{L}\p{N}]+", r"x*", r"\d", r"(?i)AB", r"a|ab", r"\s+(?!\S)|\s+", r"(?<=a)b",
                               r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"\w+|[^\w\s]+", r".", r"[[:punct:]]",
                               r"(?:a|b)+?b", r"(\w+\s)+", r"\p{L}++|\s++$|.", r"\b\w{1,3}\b", r"(?i)[a-z]+\d*|\S", r"^\s*\S+",
                               r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"])}


def normalizer(r, maps, depth=0):
    kind = r.choice(["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Replace", "Prepend", "Nmt",
                     "ByteLevel", "Sequence", "Precompiled"])
    if kind == "Sequence":
        return {"type": kind, "normalizers": [normalizer(r, maps, depth + 1) for _ in range(r.randrange(0, 4))]} if depth < 2 else None or {"type": "NFC"}
    more = {"BertNormalizer": lambda: {"clean_text": r.random() < .5, "handle_chinese_chars": r.random() < .5,
                                       "strip_accents": r.choice([None, True, False]), "lowercase": r.random() < .5},
            "Strip": lambda: {"strip_left": r.random() < .7, "strip_right": r.random() < .7},
            "Replace": lambda: {"pattern": pattern(r), "content": r.choice(["", "b", " ", "é", "ab", "▁"])},
            "Prepend": lambda: {"prepend": r.choice(["a", "▁", "é ", ""])},
            "Precompiled": lambda: {"precompiled_charsmap": maps}}
    return {"type": kind, **more.get(kind, dict)()}


def pre_tokenizer(r, depth=0):
    kind = r.choice(["BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "Split", "Split",
                     "CharDelimiterSplit", "UnicodeScripts", "Sequence", "Sequence"])
    if kind == "Sequence":
        return {"type": kind, "pretokenizers": [pre_tokenizer(r, depth + 1) for _ in range(r.randrange(0, 4))]} if depth < 2 else {"type": "Whitespace"}
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    more = {"ByteLevel": lambda: {"add_prefix_space": r.random() < .5, "trim_offsets": True, "use_regex": r.random() < .7},
            "Metaspace": lambda: {"replacement": r.choice("▁_"), "prepend_scheme": r.choice(["always", "never", "first"]), "split": r.random() < .7},
            "Punctuation": lambda: {"behavior": r.choice(behaviors)},
            "Digits": lambda: {"individual_digits": r.random() < .5},
            "Split": lambda: {"pattern": pattern(r), "behavior": r.choice(behaviors), "invert": r.random() < .4},
            "CharDelimiterSplit": lambda: {"delimiter": r.choice(" a-")}}
    return {"type": kind, **more.get(kind, dict)()}


def vocabulary(r, first, bits=1):
    tokens = list(first)
    pool = [c for b in BITS for c in b] + list(LETTERS) + ["Ġ", "Ċ", "Ã", "©", "Ä", "ł", "ĠĠ", "ab", "abc", "Th", "▁a", "▁", "##b", "##ab", "caf", "foo"]
    for t in r.sample(pool, min(len(pool), r.randrange(5, 90))):
        if t not in tokens:
            tokens.append(t)
    return tokens


def model(r):
    kind = r.choice(["WordPiece", "BPE", "BPE", "Unigram", "Unigram", "WordLevel"])
    if kind == "WordPiece":
        tokens = vocabulary(r, ["[UNK]"])
        return {"type": kind, "unk_token": "[UNK]", "continuing_subword_prefix": r.choice(["##", "", "▁"]),
                "max_input_chars_per_word": r.choice([100, 3]), "vocab": {t: i for i, t in enumerate(tokens)}}
    if kind == "WordLevel":
        return {"type": kind, "unk_token": "[UNK]", "vocab": {t: i for i, t in enumerate(vocabulary(r, ["[UNK]", "The", "cab"]))}}
    if kind == "Unigram":
        tokens = vocabulary(r, ["<unk>"]) + ([f"<0x{b:02X}>" for b in range(256)] if r.random() < .4 else [])
        return {"type": kind, "unk_id": 0, "vocab": [[t, -r.choice([0.0, 1.0, 2.5, 7.25, 10.125])] for t in tokens], "byte_fallback": r.random() < .5}
    prefix, suffix = r.choice([None, None, "", "##"]), r.choice([None, None, "", "</w>"])
    tokens = vocabulary(r, ["<unk>"]) + ([f"<0x{b:02X}>" for b in range(256)] if r.random() < .4 else [])
    for t in list(tokens):
        for extra in (prefix and prefix + t, suffix and t + suffix):
            if extra and extra not in tokens and r.random() < .5:
                tokens.append(extra)
    merges = []
    for _ in range(r.randrange(0, 30)):
        a, b = r.choice(tokens), r.choice(tokens)
        if prefix and not b.startswith(prefix):
            continue
        whole = a + b[len(prefix or ""):]
        if whole not in tokens:
            tokens.append(whole)
        if whole not in (a, b) and [a, b] not in merges:
            merges.append([a, b])
    return {"type": kind, "dropout": None, "unk_token": r.choice([None, "<unk>"]), "continuing_subword_prefix": prefix,
            "end_of_word_suffix": suffix, "fuse_unk": r.random() < .5, "byte_fallback": r.random() < .5, "ignore_merges": r.random() < .3,
            "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}


def decoder(r, depth=0):
    kind = r.choice([None, "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "CTC", "Sequence", "Replace", "Fuse", "Strip", "ByteFallback"])
    if kind is None:
        return None
    if kind == "Sequence":
        inner = [d for d in (decoder(r, depth + 1) for _ in range(3)) if d] if depth < 2 else []
        return {"type": kind, "decoders": inner}
    more = {"WordPiece": lambda: {"prefix": r.choice(["##", "▁"]), "cleanup": r.random() < .5},
            "ByteLevel": lambda: {"add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "Metaspace": lambda: {"replacement": "▁", "prepend_scheme": r.choice(["always", "never", "first"]), "split": True},
            "BPEDecoder": lambda: {"suffix": "</w>"},
            "CTC": lambda: {"pad_token": "a", "word_delimiter_token": "b", "cleanup": r.random() < .5},
            "Replace": lambda: {"pattern": pattern(r), "content": r.choice(["", "é", " "])},
            "Strip": lambda: {"content": r.choice([" ", "a"]), "start": r.randrange(3), "stop": 0}}
    return {"type": kind, **more.get(kind, dict)()}


def post_processor(r, ids):
    name = next(iter(ids))
    kind = r.choice([None, "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence"])
    trims = {"type": "ByteLevel", "add_prefix_space": r.random() < .5, "trim_offsets": r.random() < .8, "use_regex": True}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": name, "type_id": 1}}, {"Sequence": {"id": "A", "type_id": 2}}],
                "pair": [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": name, "type_id": 3}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]}}}
    return {None: None, "TemplateProcessing": template, "ByteLevel": trims, "Sequence": {"type": "Sequence", "processors": [trims, template]},
            "BertProcessing": {"type": "BertProcessing", "sep": [name, ids[name]], "cls": [name, ids[name]]},
            "RobertaProcessing": {"type": "RobertaProcessing", "sep": [name, ids[name]], "cls": [name, ids[name]],
                                  "trim_offsets": r.random() < .7, "add_prefix_space": r.random() < .5}}[kind]


def random_tokenizer(r, maps):
    m = model(r)
    ids = m["vocab"] if isinstance(m["vocab"], dict) else {t: i for i, (t, _) in enumerate(m["vocab"])}
    added, size = [], len(ids)
    for content in r.sample(["<s>", "[X]", "foo", "ab", "é", "The", "<unk>", "\u200b"], r.randrange(0, 4)):
        added.append({"id": ids.get(content, size), "content": content, "single_word": r.random() < .3, "lstrip": r.random() < .3,
                      "rstrip": r.random() < .3, "normalized": r.random() < .4, "special": r.random() < .5})
        size += content not in ids
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": r.choice([None, normalizer(r, maps)]), "pre_tokenizer": r.choice([None, pre_tokenizer(r), pre_tokenizer(r)]),
            "post_processor": post_processor(r, ids), "decoder": decoder(r), "model": m}


def encode(tokenizer, text):
    try:
        e = tokenizer.encode(text)
        return {"ids": e.ids, "type_ids": e.type_ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets], "word_ids": e.word_ids}
    except BaseException as error:  # the binding panics on some
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def decode(tokenizer, ids):
    try:
        return [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def hone(folder, *options):
    return subprocess.run([ROOT / "build/hone", "tokenize", "--tokenizer", folder, *options], capture_output=True)


def differing_decodings(folder, reference, lists):
    """Of [(ids, [text, without special tokens]), ...], where the reference gives them."""
    lists = [(ids, texts) for ids in lists if (texts := decode(reference, ids)) is not None]
    Path(folder, "ids").write_text("".join(json.dumps(ids) + "\n" for ids, _ in lists))
    wrong = []
    for skip in (0, 1) if lists else ():
        done = hone(folder, "--decode", "--input", folder + "/ids", *["--skip-special"] * skip)
        lines = done.stdout.decode().split("\n") if done.returncode == 0 else ["null"] * len(lists)
        wrong += [(ids, json.loads(line), texts[skip]) for (ids, texts), line in zip(lists, lines) if json.loads(line) != texts[skip]]
    return wrong, 2 * len(lists)


def normalized_contents(reference):
    """What the added tokens that are looked for in normalised text become."""
    contents = [token.content for token in reference.get_added_tokens_decoder().values() if token.normalized]
    return [reference.normalizer.normalize_str(c) if reference.normalizer else c for c in contents]


def compare(count, seed):
    """`count` random tokenizers beside the reference: random texts, and decodings of what came out and of random ids.

    Left out are those of which two added tokens become one by the normaliser (the reference finds any of the two, another
    one in each process). Where nothing is left of an added token (the reference then panics inside of characters) hone has
    to refuse."""
    r, maps, refused, differing, compared, left_out = random.Random(seed), charsmap(), 0, 0, 0, 0
    for k in range(count):
        made = random_tokenizer(r, maps)
        texts = [t for t in (random_text(r).replace("\n", "").replace("\r", "").lstrip("\ufeff") for _ in range(8))]
        try:
            reference = Tokenizer.from_str(json.dumps(made))
        except BaseException:
            continue
        contents = normalized_contents(reference)
        if len(set(contents)) < len(contents):
            left_out += 1
            continue
        lists = [[r.randrange(reference.get_vocab_size()) for _ in range(r.randrange(9))] for _ in range(4)]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.json").write_text(json.dumps(made))
            (Path(folder) / "texts").write_bytes("".join(t + "\n" for t in texts).encode())
            done = hone(folder, "--input", folder + "/texts")
            want = [encode(reference, t) for t in texts]
            if "" in contents:
                left_out += 1
                differing += done.returncode != 3
                continue
            if done.returncode:
                if all(want):
                    refused += 1
                    print(k, "refused:", done.stderr.decode().strip()[-200:])
                continue
            wrong, n = differing_decodings(folder, reference, lists + [e["ids"] for e in want if e])
        compared += n
        differing += len(wrong)
        for ids, got, expected in wrong[:2]:
            print(k, "decoding", ids, repr(got), repr(expected), json.dumps(made["decoder"], ensure_ascii=False))
        for text, line, expected in zip(texts, done.stdout.decode().split("\n"), want):
            compared += 1
            got = json.loads(line)
            if expected and {key: got[key] for key in expected} != expected:
                differing += 1
                if differing < 12:
                    print(k, repr(text), {key: (got[key], expected[key]) for key in expected if got[key] != expected[key]})
                    print("   ", json.dumps({key: made[key] for key in ("normalizer", "pre_tokenizer", "added_tokens")}, ensure_ascii=False)[:700],
                          {key: v for key, v in made["model"].items() if key not in ("vocab", "merges")})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    line = f"{count} random tokenizers of seed {seed} at commit {commit}: {compared} compared, {differing} differ, {refused} refused, {left_out} left out"
    print(line)
    if "--store" in sys.argv:
        with open(ROOT / "tests/results/tokenizer-random.txt", "a", encoding="utf-8") as file:
            file.write(line + "\n")
    return 1 if differing or refused else 0


def window_cases(reference, r):
    """Texts, pairs, words and pairs of words that are too long, with the windows that the reference cuts."""
    cases = []
    for setting in SETTINGS[2:]:
        longest, stride, strategy, special = setting
        text = lambda: "".join(random_text(r) + r.choice(["", " "]) for _ in range(3))
        words = lambda: [random_text(r) * r.choice([1, 1, 9]) for _ in range(r.randrange(1, 6))]
        make = r.choice([text, words])
        first, second = make(), make() if strategy == "only_second" or r.random() < 0.7 else None
        try:
            windows, whole = reference.encode(setting, first, second)
        except BaseException as error:  # an empty text has tokens, the model refuses a word, or the reference panics
            if isinstance(error, KeyboardInterrupt):
                raise
            continue
        if windows is None:
            continue
        if not whole:
            windows = windows[:1]
        if len(windows) <= 12:
            expected = [{key: w[key] for key in ("ids", "type_ids", "tokens", "offsets", "word_ids")} for w in windows]
            cases.append({"first": first, "second": second, "max_length": longest, "stride": stride, "truncation": strategy,
                          "special": special, "windows": expected, "whole": whole})
    return cases


def write_windows():
    """As many tokenizers with each kind of post-processor."""
    r, rows = random.Random(12), []
    kinds = [None, "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence"]
    while len(rows) < 18:
        made = random_tokenizer(r, None)
        if (made["post_processor"] or {"type": None})["type"] != kinds[len(rows) % len(kinds)] or "Precompiled" in json.dumps(made["normalizer"]):
            continue
        try:
            reference = Reference(Tokenizer.from_str(json.dumps(made)))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            continue
        cases = window_cases(reference, r)
        if sum(len(case["windows"]) for case in cases) > 12:
            rows.append({"tokenizer": made, "cases": cases})
    (OUT.parent / "windows.json").write_text(json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_older():
    """What lies in ../shared/data as vocab.txt, vocab.json and spiece.model; without tokenizer_config.json."""
    texts = [random_text(random.Random(seed)) for seed in range(30)] + [
        "The quick brown fox isn't jumping over 3.14 lazy dogs...", "  Hello,\tworld!  <mask> </s> [CLS] <extra_id_0> <|endoftext|>",
        "Straße ﬁ ½ … 中文字符 日本語 한국어 русский العربية नमस्ते 👨‍👩‍👧 ``quoted''", "x" * 300, "a" * 60 + "\n\n" + "12" * 50]
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for name, (_, reference) in make_folders(Path(work)).items():
            folder, kind = (name.split(" ") + [""])[:2]
            if kind in ("vocab", "spiece") and not folder.startswith("bert"):
                folder = {"t5like": "seqio-test-t5like"}.get(folder, folder)
                results = [(t, encode(reference, t)) for t in texts]
                rows.append({"folder": folder, "cases": [{"text": t, "expected": e, "decoded": decode(reference, e["ids"])}
                                                         for t, e in results]})
    (OUT.parent / "older.json").write_text(json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":")) + "\n")


def found():
    """What campaigns found, (tokenizer, texts): bytes of a prefix behind a word that isn't its text's first; a word of
    which nothing comes from the text; scores that are equal but for how serde_json reads them; empty texts to be found, put in
    front or replaced; more than 255 spaces to be trimmed."""
    base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None}
    bpe = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": "##", "end_of_word_suffix": None,
           "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
           "vocab": {"<unk>": 0, "'": 1, "a": 2, "##": 3, **{f"<0x{b:02X}>": b + 4 for b in range(256)}}, "merges": []}
    unigram = {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [["<unk>", 0], ["a", -1], ["b", -1.5], ["Ġ", -2]]}
    ties = {**unigram, "vocab": [["<unk>", 0], ["3", -7.947197437286377], ["33", -10.550728797912598], ["333", -12.624138832092285],
                                 ["cc", -11.132796287536621], ["c", -8.408601760864258]]}
    letters = {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "A": 1, "C": 2, "G": 3, "T": 4, "ACGT": 5, "é": 6}}
    return [({**base, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": bpe}, ["'ll", "é'll", "xx'ばa"]),
            ({**base, "normalizer": {"type": "Replace", "pattern": {"Regex": "x*"}, "content": "ab"}, "model": unigram,
              "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}},
             [" ", "\tfoo", "_русский \xa0", "\u3000é[X]''٣_"]),
            ({**base, "model": ties}, ["3333", "cc3333", "cccc3333"]),
            *[({**base, **part, "model": letters}, ["ACGT", "é A", "", "A"]) for part in (
                {"pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": False}},
                {"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "C"}},
                {"normalizer": {"type": "Prepend", "prepend": ""}},
                {"decoder": {"type": "Replace", "pattern": {"String": ""}, "content": "é"}},
                {"decoder": {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True}})],
            ({**base, "model": {**letters, "vocab": {"<unk>": 0, "Ġ" * 300 + "A": 1, "A" + "Ġ" * 300: 2}},
              "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
              "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}},
             [" " * 300 + "A", "A" + " " * 300])]


def row_of(made, reference, texts):
    results = [(t, encode(reference, t)) for t in texts]
    return {"tokenizer": made, "cases": [{"text": t, "expected": e, "decoded": decode(reference, e["ids"])} for t, e in results if e]}


def main():
    if len(sys.argv) > 1:
        sys.exit(compare(int(sys.argv[1]), int(sys.argv[2])))
    r, rows = random.Random(5), []
    while len(rows) < 90:
        made = random_tokenizer(r, None)
        if "Precompiled" in json.dumps(made["normalizer"]):
            continue
        texts = [t for t in (random_text(r) for _ in range(5))]
        try:
            reference = Tokenizer.from_str(json.dumps(made))
        except BaseException:
            continue
        row = row_of(made, reference, texts)
        if row["cases"]:
            rows.append(row)
    rows += [row_of(made, Tokenizer.from_str(json.dumps(made)), texts) for made, texts in found()]
    write_windows()
    write_older()
    OUT.write_text(json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":")) + "\n")


main()

"""Pairs, given words, truncation with windows, and decoding: hone beside the reference."""

import json
import random

from tokenizers import Tokenizer

# max_length, stride, strategy, special tokens
SETTINGS = [
    (None, 0, "longest_first", True), (None, 0, "longest_first", False), (8, 0, "longest_first", True),
    (13, 4, "longest_first", True), (24, 8, "longest_first", True), (7, 2, "longest_first", False),
    (16, 0, "only_first", True), (16, 5, "only_first", True), (16, 5, "only_second", True), (20, 1, "only_second", False),
]


def make_cases(lines, count, seed):
    """(setting, text, pair or None), text and pair strings or lists of words."""
    r = random.Random(seed)
    pick = lambda: lines[r.randrange(len(lines))][:r.randrange(1, 120)].replace("\0", "0")  # no JSON of ours holds it
    cut = lambda text: [w for w in text.split(" ") if w or r.random() < 0.3][:25]
    cases = []
    for i in range(count):
        setting = SETTINGS[i % len(SETTINGS)]
        kind = r.randrange(4) if setting[2] != "only_second" else r.choice([1, 3])
        first, second = pick(), pick() if kind in (1, 3) else None
        if kind in (2, 3):
            first, second = cut(first), second if second is None else cut(second)
        cases.append((setting, first, second))
    return cases


class Reference:
    """The reference's tokenizer, and one without its post-processor, whose encodings it can still cut."""

    def __init__(self, tokenizer):
        self.whole = tokenizer
        parts = json.loads(tokenizer.to_str())
        parts["post_processor"] = None
        self.bare = Tokenizer.from_str(json.dumps(parts))

    def second(self, pair, words):
        """A whole second text, with its type ids: encoded behind an empty first one."""
        if pair is None:
            return None
        alone = self.bare.encode(pair, is_pretokenized=words)
        behind = self.bare.encode([] if words else "", pair, is_pretokenized=words)
        assert (behind.ids, behind.offsets, set(behind.type_ids)) == (alone.ids, alone.offsets, {1} if alone.ids else set())
        return behind

    def encode(self, setting, text, pair):
        """The windows, first one first; None where the reference refuses. It stops reading a text at the word that
        reaches max_length, and so loses what further windows should hold (its issue 2091): then they are those that it
        cuts from whole encodings. Where the early stop changes which of two texts is longer, only the first window
        counts."""
        longest, stride, strategy, special = setting
        words = isinstance(text, list)
        sequences = self.bare.encode(text, is_pretokenized=words), self.second(pair, words)
        try:
            if longest is None:
                self.whole.no_truncation()
                return [window(self.whole.encode(text, pair, is_pretokenized=words, add_special_tokens=special))], True
            self.whole.enable_truncation(longest, stride=stride, strategy=strategy)
            first = self.whole.encode(text, pair, is_pretokenized=words, add_special_tokens=special)
            full = self.whole.post_process(*sequences, special)
        except BaseException as refusal:  # the binding panics at some, which is no Exception
            if isinstance(refusal, KeyboardInterrupt):
                raise
            return None, False
        finally:
            self.whole.no_truncation()
        own, cut = [window(e) for e in first.overflowing], [window(e) for e in full.overflowing]
        complete = [w["ids"] for w in own] == [w["ids"] for w in cut]
        return [window(first)] + (own if complete else cut), window(full) == window(first)


def window(e):
    sequences = e.sequence_ids
    if all(s is None for s in sequences) and not any(e.special_tokens_mask):
        sequences = [0] * len(sequences)  # the reference leaves them out where there is no post-processor
    return {"ids": e.ids, "type_ids": e.type_ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets],
            "word_ids": e.word_ids, "sequence_ids": sequences,
            "special_tokens_mask": [m or None for m in e.special_tokens_mask]}


def flatten(got):
    """hone's windows of one input, as the reference's."""
    windows = [{key: value for key, value in got.items() if key != "overflowing"}, *got.get("overflowing", [])]
    for w in windows:
        w["special_tokens_mask"] = [m or None for m in w["special_tokens_mask"]]
    return windows


def arguments_of(setting):
    longest, stride, strategy, special = setting
    out = [] if special else ["--no-special"]
    if longest is not None:
        out += ["--max-length", longest, "--stride", stride, "--truncation", strategy]
    return out


def random_ids(size, lines_ids, count, seed):
    """Encoded lines, cut anywhere, with ids thrown in, and plain random ids."""
    r = random.Random(seed)
    out = []
    for _ in range(count):
        if lines_ids and r.random() < 0.6:
            ids = list(r.choice(lines_ids))
            ids = ids[r.randrange(len(ids) + 1):][:r.randrange(1, 40)]
        else:
            ids = [r.randrange(size + 3) for _ in range(r.randrange(0, 20))]
        for _ in range(r.randrange(3)):
            ids.insert(r.randrange(len(ids) + 1), r.randrange(size + 3))
        out.append(ids)
    return out

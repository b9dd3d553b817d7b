"""What the reference's trainers make of tests/fixtures/tokenizer/languages.txt (and of a text in which a token comes about
in two ways): the merges of byte-level BPE, the vocabulary of WordPiece. The environment of tools/reference_env runs it.

The reference numbers WordPiece's pieces inside words in the order of a hash table, so that each of its runs gives another
vocabulary; here they are given in order of their characters, as special tokens."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parents[1] / "fixtures/tokenizer"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TWO_WAYS = "abc abc abc bc bc bc bc ab ab ab abcd abcd xabcd xabcd aab aabb aaabbb aaa aaaa aaaaa\n" * 3 + "abcabc bcabc aaab\n"


def bpe(files, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train(files, trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False,
                                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                               special_tokens=["<|endoftext|>"]))
    return json.loads(tokenizer.to_str())["model"]["merges"]


def wordpiece(files, size, alphabet):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = [word for name in files for line in Path(name).read_text(encoding="utf-8").splitlines(keepends=True)
             for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(line))]
    counts = {}
    for word in words:
        for c in word:
            counts[c] = counts.get(c, 0) + 1
    frequent = sorted(counts.values(), reverse=True) + [0]
    assert alphabet >= len(counts) or frequent[alphabet - 1] > frequent[alphabet], "which of the rarest are kept is random"
    kept = sorted(sorted(counts, key=lambda c: (-counts[c], c))[:alphabet])
    inner = sorted({c for word in words for c in word[1:]} & set(kept))
    tokenizer.train(files, trainers.WordPieceTrainer(vocab_size=size, min_frequency=2, limit_alphabet=alphabet,
                                                     special_tokens=SPECIAL + kept + ["##" + c for c in inner],
                                                     show_progress=False))
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def main():
    (OUT / "two_ways.txt").write_text(TWO_WAYS)
    languages, two_ways = str(OUT / "languages.txt"), str(OUT / "two_ways.txt")
    expected = {"bpe": bpe([languages], 1200), "two_ways": bpe([two_ways], 300),
                "wordpiece": wordpiece([languages], 1500, 100000), "few_characters": wordpiece([languages], 500, 62)}
    rows = ",\n".join(f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
                      for key, value in expected.items())
    (OUT / "trained.json").write_text("{" + rows + "}\n", encoding="utf-8")


main()

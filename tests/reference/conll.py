"""CoNLL files and their words' tokens, for what is compared with hone. Needs the standard library alone."""

from pathlib import Path


def read_conll(path):
    """Sentences as lists of (word, tag): first and last column. Lines -DOCSTART- belong to none."""
    sentences, rows = [], []
    for line in [*Path(path).read_text(encoding="utf-8").split("\n"), ""]:
        if line.strip() and not line.startswith("-DOCSTART-"):
            rows.append((line.split()[0], line.split()[-1]))
        elif rows:
            sentences.append(rows)
            rows = []
    return sentences


def first_tokens(word_ids):
    """(word, token) of the first token of each word, as run_ner.py labels them."""
    return [(word, t) for t, word in enumerate(word_ids) if word is not None and (t == 0 or word != word_ids[t - 1])]

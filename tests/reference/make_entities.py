"""Makes tests/fixtures/metrics/entities.json: what seqeval 1.2.2 says of random tag sequences and of edge cases, in its default
and its strict mode, in all and for each type. Needs seqeval alone (pip install seqeval==1.2.2, in an environment of its own):

    python tests/reference/make_entities.py

A document is a list of sentences; labels are letters, "a" being the first of the document's labels; null stands for NaN."""
import json
import pathlib
import random
import warnings

from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as lenient
from seqeval.metrics.v1 import precision_recall_fscore_support as strict
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

PREFIXES = {"io": "I", "iob1": "BI", "iob2": "BI", "iobes": "BIES"}
SCHEMES = {"io": IOB1, "iob1": IOB1, "iob2": IOB2, "iobes": IOBES}
AVERAGES = ["micro", "macro", "weighted"]


def rounded(*figures):
    return [None if x != x else round(float(x), 12) for x in figures]


def lenient_types(sentences):
    return {kind for kind, _, _ in get_entities(sentences)}


def strict_types(scheme, sentences):
    return Entities(sentences, scheme=scheme).unique_tags


def scores(function, types, gold, predicted, **more):
    out = {}
    for name in AVERAGES:
        out[name] = rounded(*function(gold, predicted, average=name, zero_division=0, **more)[:3])
    columns = function(gold, predicted, average=None, zero_division=0, **more)
    out["types"] = {kind: [*rounded(*row[:3]), int(row[3])]
                    for kind, *row in zip(sorted(types), *columns, strict=True)}
    return out


def document(scheme, labels, gold, predicted):
    """gold, predicted: lists of lists of indices of labels."""
    names = [[labels[i] for i in sentence] for sentence in gold]
    guesses = [[labels[i] for i in sentence] for sentence in predicted]
    letters = lambda sentences: " ".join("".join(chr(97 + i) for i in s) for s in sentences)
    return {
        "scheme": scheme,
        "labels": labels,
        "gold": letters(gold),
        "predicted": letters(predicted),
        "accuracy": round(accuracy_score(names, guesses), 12),
        "default": scores(lenient, lenient_types(names) | lenient_types(guesses), names, guesses),
        "strict": scores(strict, strict_types(SCHEMES[scheme], names) | strict_types(SCHEMES[scheme], guesses), names,
                         guesses, scheme=SCHEMES[scheme]),
    }


def labels_of(scheme, types):
    return ["O"] + [f"{prefix}-{t}" for t in types for prefix in PREFIXES[scheme]]


def random_document(rng, scheme, sentences):
    labels = labels_of(scheme, ["PER", "LOC", "ORG-x", "ORG"][: rng.randint(1, 4)])
    gold, predicted = [], []
    agreement, outside = rng.random(), rng.random()
    draw = lambda: 0 if rng.random() < outside else rng.randrange(len(labels))
    for _ in range(sentences):
        gold.append([draw() for _ in range(rng.choice([1, 2, 3, 4, 5, 6, 7, 12]))])
        predicted.append([i if rng.random() < agreement else draw() for i in gold[-1]])
    return document(scheme, labels, gold, predicted)


def edge_cases():
    for scheme in PREFIXES:
        labels = labels_of(scheme, ["A", "B"])
        n = len(labels)
        # Every pair of labels at both ends and inside, predicted as themselves shifted by one.
        pairs = [[i, j] for i in range(n) for j in range(n)]
        yield document(scheme, labels, pairs, [[(i + 1) % n, j] for i, j in pairs])
        yield document(scheme, labels, [[0, 0]], [[0, 0]])
        yield document(scheme, labels, [[0]], [[1]])
        yield document(scheme, labels, [[1]], [[0]])
        triples = [[i, j, k] for i in range(n) for j in range(n) for k in range(n)]
        yield document(scheme, labels, triples, triples[1:] + triples[:1])
    yield document("iob2", ["O", "B", "I"], [[1, 2, 0, 1]], [[1, 2, 0, 2]])


def main():
    warnings.simplefilter("ignore")
    rng = random.Random(7)
    documents = list(edge_cases())
    for i in range(400):
        documents.append(random_document(rng, list(PREFIXES)[i % 4], 25))
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "metrics" / "entities.json"
    with open(path, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(d, separators=(",", ":")) for d in documents) + "\n]\n")


if __name__ == "__main__":
    main()

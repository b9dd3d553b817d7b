"""Writes tests/fixtures/metrics/*.json: random and awkward labels, scores and values with the figures that scikit-learn
and scipy compute of them. Needs scikit-learn and scipy, which are in no environment of the tests:

    python3 -m venv DIR && DIR/bin/pip install scikit-learn==1.9.1 scipy==1.17.1
    DIR/bin/python tests/reference/make_metrics.py

Everything is seeded: a second run writes the same files. null stands for a figure that is not defined (NaN).
"""
import json
import math
import pathlib
import warnings

import numpy as np
from scipy import special, stats
from sklearn import metrics as m

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "metrics"
warnings.simplefilter("ignore")
random = np.random.default_rng(5)


def f32(x):
    return np.asarray(x, dtype=np.float32)


def save(name, cases):
    clean = lambda v: [clean(x) for x in v] if isinstance(v, list) else None if isinstance(v, float) and math.isnan(v) else v
    text = ",\n".join(json.dumps({k: {f: clean(x) for f, x in v.items()} if isinstance(v, dict) else clean(v)
                                  for k, v in case.items()}) for case in cases)
    (FOLDER / f"{name}.json").write_text(f"[\n{text}\n]\n")


def averages(y, p, labels, multilabel):
    if multilabel and len(labels) == 1:
        y, p, labels = y[:, 0], p[:, 0], [1]  # one column is taken for two classes
    settings = {"labels": labels, "zero_division": 0}
    out = {}
    for how in ("micro", "macro", "weighted"):
        out[f"f1_{how}"] = m.f1_score(y, p, average=how, **settings)
        out[f"precision_{how}"] = m.precision_score(y, p, average=how, **settings)
        out[f"recall_{how}"] = m.recall_score(y, p, average=how, **settings)
    if not multilabel and len(labels) == 2:
        out["f1"] = m.f1_score(y, p, zero_division=0)
        out["precision"] = m.precision_score(y, p, zero_division=0)
        out["recall"] = m.recall_score(y, p, zero_division=0)
    return {k: float(v) for k, v in out.items()}


def calibration(p, y, bins=15):
    """Guo et al. 2017 (arXiv 1706.04599): equal bins of the largest probability, each open below and closed above."""
    confidence, right = p.max(1), p.argmax(1) == y
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += abs(right[inside].mean() - confidence[inside].mean()) * inside.sum()
    return total / len(y)


def one_class(y, score):
    """roc_auc_score and average_precision_score of one label."""
    both = 0 < y.sum() < len(y)
    return (m.roc_auc_score(y, score) if both else math.nan), float(m.average_precision_score(y, score))


def ranked(onehot, scores):
    """Macro and weighted means over labels; where each label has both kinds, sklearn's own means agree."""
    each = [one_class(onehot[:, k], scores[:, k]) for k in range(onehot.shape[1])]
    support = onehot.sum(0)
    auc, ap = np.array(each).T
    out = {"roc_auc": float(auc.mean()), "average_precision": float(ap.mean()),
           "roc_auc_weighted": float((auc * support).sum() / support.sum()) if support.sum() else math.nan}
    if not np.isnan(auc).any():
        assert abs(out["roc_auc"] - m.roc_auc_score(onehot, scores, average="macro")) < 1e-13
        assert abs(out["roc_auc_weighted"] - m.roc_auc_score(onehot, scores, average="weighted")) < 1e-13
        assert abs(out["average_precision"] - m.average_precision_score(onehot, scores, average="macro")) < 1e-13
    return out


def single(logits, y):
    y = np.asarray(y)
    logits, K = f32(logits), np.shape(logits)[1]
    wide = logits.astype(np.float64)
    p = np.exp(wide - wide.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    guess = logits.argmax(1)
    figures = {"accuracy": float(m.accuracy_score(y, guess)), "matthews_correlation": float(m.matthews_corrcoef(y, guess)),
               "expected_calibration_error": float(calibration(p, y)), **averages(y, guess, list(range(K)), False)}
    figures["loss"] = float(-np.log(p[np.arange(len(y)), y]).mean())
    if K == 2:
        figures["roc_auc"], figures["average_precision"] = one_class(y, wide[:, 1] - wide[:, 0])
        figures["combined_score"] = (figures["accuracy"] + figures["f1"]) / 2
    else:
        # log(p / (1 - p)), as hone ranks: in p's order, but apart where p rounds to 1, and rounded so that ties stay ties.
        others = np.stack([special.logsumexp(np.delete(wide, k, 1), 1) for k in range(K)], 1)
        figures |= ranked(np.eye(K, dtype=int)[y], f32(wide - others))
        if len(set(y)) == K and len(np.unique(logits)) == logits.size:
            assert abs(figures["roc_auc"] - m.roc_auc_score(y, p, multi_class="ovr", average="macro")) < 1e-13
    matrix = m.confusion_matrix(y, guess, labels=list(range(K))).tolist()
    return {"classes": K, "labels": y.tolist(), "logits": logits.ravel().tolist(), "confusion": matrix,
            "figures": figures}


def multi(logits, y, threshold):
    logits, K = f32(logits), np.shape(logits)[1]
    wide = logits.astype(np.float64)
    guess = (1 / (1 + np.exp(-wide)) >= threshold).astype(int)
    figures = {"accuracy": float(m.accuracy_score(y, guess)), **averages(y, guess, list(range(K)), True), **ranked(y, wide)}
    figures["loss"] = float((np.logaddexp(0, wide) - wide * y).mean())
    return {"classes": K, "threshold": threshold, "targets": y.ravel().tolist(), "logits": logits.ravel().tolist(),
            "figures": figures}


def regression(y, t):
    y, t = f32(y), f32(t)
    wide, target = y.astype(np.float64), t.astype(np.float64)
    n, K = y.shape
    each = lambda f: float(np.mean([f(target[:, k], wide[:, k]) for k in range(K)])) if n > 1 else math.nan
    pearson, spearman = each(lambda a, b: stats.pearsonr(a, b)[0]), each(lambda a, b: stats.spearmanr(a, b)[0])
    figures = {"loss": float(m.mean_squared_error(target, wide)), "mse": float(m.mean_squared_error(target, wide)), "mae": float(m.mean_absolute_error(target, wide)),
               "r2": float(m.r2_score(target, wide)) if n > 1 else math.nan, "pearson": pearson, "spearmanr": spearman,
               "combined_score": (pearson + spearman) / 2}
    return {"outputs": K, "targets": t.ravel().tolist(), "values": y.ravel().tolist(), "figures": figures}


def coarse(shape):
    """Few distinct values: ties."""
    return random.integers(-2, 3, shape) / 2


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    normal, integers = random.standard_normal, random.integers
    save("single_label", [
        single(normal((200, 2)), integers(0, 2, 200)), single(normal((150, 5)), integers(0, 5, 150)),
        single(coarse((60, 2)), integers(0, 2, 60)), single(coarse((60, 3)), integers(0, 3, 60)),
        single(normal((40, 2)), np.zeros(40, int)), single(normal((40, 2)), np.ones(40, int)),
        single(np.tile([3.0, 1.0], (20, 1)), integers(0, 2, 20)), single(normal((30, 4)), integers(0, 2, 30)),
        single(np.eye(3)[integers(0, 3, 30)] * 40, integers(0, 3, 30)), single([[1.0, 2.0]], [1]),
        single(np.eye(2)[[0, 1, 1, 0]] * 9, [0, 1, 1, 0])])
    sparse = (random.random((80, 4)) < 0.15).astype(int)
    sparse[:, 2] = 0
    save("multi_label", [
        multi(normal((120, 6)), integers(0, 2, (120, 6)), 0.5), multi(normal((80, 4)), sparse, 0.3),
        multi(coarse((60, 3)), integers(0, 2, (60, 3)), 0.5), multi(normal((20, 3)), np.zeros((20, 3), int), 0.5),
        multi(normal((20, 1)), integers(0, 2, (20, 1)), 0.7), multi(normal((10, 3)), np.ones((10, 3), int), 0.5),
        multi([[0.0, 5.0]], np.array([[1, 0]]), 0.5)])
    slope = normal((150, 1))
    save("regression", [
        regression(slope + normal((150, 1)), slope), regression(normal((70, 3)), coarse((70, 3)) + 2),
        regression(coarse((50, 1)), coarse((50, 1))), regression(np.full((9, 1), 2.5), normal((9, 1))),
        regression(normal((9, 1)), np.full((9, 1), 2.5)), regression(np.full((9, 1), 2.5), np.full((9, 1), 2.5)),
        regression([[1.0]], [[2.0]]), regression([[1.0], [3.0]], [[2.0], [5.0]]),
        regression(1000 + normal((40, 1)), 1000 + normal((40, 1))), regression([[-0.0], [0.0], [1.0]], [[1.0], [2.0], [4.0]])])


main()

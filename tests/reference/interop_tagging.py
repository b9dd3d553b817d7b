"""hone beside Transformers where words have labels. Run by tools/interop with CI=full in the environment, as the tagger
comes from the recipes that are trained there; ends in "N passed, N failed".

1. Fifteen optimizer steps (fifty with CI=full) with BERT, RoBERTa and DistilBERT (all-MiniLM-L6-v2 laid out as each by
   relay.py) over the same windows of real sentences: each loss, each tensor's update;
   AutoModelForTokenClassification loads what hone wrote.
2. hone predict and the token-classification pipeline mark the same entities in 500 sentences, by every strategy; long
   texts, whose windows the pipeline treats differently, as computed here.
3. A byte-level tokenizer that drops the spaces before given words is saved as one that keeps them.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer, RobertaConfig, RobertaForTokenClassification, pipeline

import interop
from conll import read_conll
from hone_order import permutation
from interop import check
from relay import relay

BATCH, MAX_LENGTH, STRIDE = 4, 48, 12
STRATEGIES = ("none", "simple", "first", "average", "max")
LONGEST_WORD = 12  # tokens
# f32 on both sides, and softmax is no steeper than its logits.
SCORE_TOLERANCE = 1e-4
# Two labels nearer than this may change places.
NEAR = 1e-4


def counted(w, n, step, stride):
    """Tokens of window w of n that count in it, special ones left out."""
    return (stride // 2 if w else 0), (step + stride // 2 if w + 1 < n else 10 ** 9)


def windows(tokenizer, words, tags):
    """Ids and labels (-100: none) of each window: a word's first token has its label, in one window."""
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=MAX_LENGTH, stride=STRIDE,
                        return_overflowing_tokens=True)
    whole = [w for w in tokenizer(words, is_split_into_words=True).word_ids() if w is not None]
    begins = {i for i, word in enumerate(whole) if i == 0 or word != whole[i - 1]}
    ids = [encoded.word_ids(w) for w in range(len(encoded["input_ids"]))]
    step = sum(i is not None for i in ids[0]) - STRIDE
    out = []
    for w, window in enumerate(ids):
        first, end = counted(w, len(ids), step, STRIDE)
        labels, at = [], 0
        for word in window:
            counts = word is not None and first <= at < end and w * step + at in begins
            labels.append(tags[word] if counts else -100)
            at += word is not None
        out.append((encoded["input_ids"][w], labels))
    return out


def batch_of(samples, pad):
    longest = max(len(ids) for ids, _ in samples)
    table = lambda rows, fill: torch.tensor([list(r) + [fill] * (longest - len(r)) for r in rows])
    return {"input_ids": table([ids for ids, _ in samples], pad),
            "attention_mask": table([[1] * len(ids) for ids, _ in samples], 0),
            "labels": table([labels for _, labels in samples], -100)}


def train_reference(start, sentences, labels, weights=None, smoothing=0.0):
    tokenizer = AutoTokenizer.from_pretrained(start)
    samples = [window for rows in sentences
               for window in windows(tokenizer, [w for w, _ in rows], [labels.index(t) for _, t in rows])]
    network = AutoModelForTokenClassification.from_pretrained(start, dtype=torch.float32).train()
    optimizer, schedule = interop.make_optimizer(network)
    per_epoch = -(-len(samples) // BATCH)
    losses, norms = [], []
    for step in range(interop.STEPS):
        order = permutation(len(samples), interop.SEED, step // per_epoch)
        batch = batch_of([samples[i] for i in order[step % per_epoch * BATCH:][:BATCH]], network.config.pad_token_id)
        loss = torch.nn.functional.cross_entropy(network(**batch).logits.flatten(0, 1), batch["labels"].flatten(),
                                                 weight=weights and torch.tensor(weights), label_smoothing=smoothing)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(network.parameters(), interop.CLIP).item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, norms, {name: value.detach() for name, value in network.state_dict().items()}


def parity(hone, work, family, model, recipe, data):
    print(f"-- {family}", flush=True)
    here = work / family
    here.mkdir()
    source = model if family == "bert" else relay(family, model, here / "model")
    sentences = read_conll(data)[:400]
    train = here / "train.conll"
    train.write_text("\n".join("".join(f"{w}\t{t}\n" for w, t in rows) for rows in sentences), encoding="utf-8")
    labels = sorted({t for rows in sentences for _, t in rows})
    torch.manual_seed(interop.SEED)
    start, output = here / "start", here / "hone"
    AutoModelForTokenClassification.from_pretrained(
        source, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)}, dtype=torch.float32,
        **interop.without_dropout(source)).save_pretrained(start)
    interop.copy_tokenizer(source, start)
    settings = [f"model.path={start}", f"data.train={train}", "data.validation=null", "data.validation_fraction=null",
                f"data.max_length={MAX_LENGTH}", f"data.stride={STRIDE}", "training.epochs=null",
                f"training.max_steps={interop.STEPS}", f"training.batch_size={BATCH}", f"training.seed={interop.SEED}",
                f"optimizer.lr={interop.RATE}", f"optimizer.weight_decay={interop.DECAY}",
                f"optimizer.clip_norm={interop.CLIP}", "schedule.warmup=0", "logging.every=1", "precision=f32",
                "device=cpu"]
    hone("train", recipe, *settings, f"output={output}")
    interop.compare_training(start, output, *train_reference(start, sentences, labels))
    if family == "roberta":
        print("-- with weights of labels and smoothing", flush=True)
        weights = [0.5 + i for i in range(len(labels))]
        named = ", ".join(f"{label}: {weight}" for label, weight in zip(labels, weights))
        hone("train", recipe, *settings, f"task.class_weights={{{named}}}", "task.label_smoothing=0.1",
             f"output={here / 'weighted'}")
        interop.compare_training(start, here / "weighted", *train_reference(start, sentences, labels, weights, 0.1))
    loaded, loading = AutoModelForTokenClassification.from_pretrained(output, dtype=torch.float32,
                                                                      output_loading_info=True)
    problems = {kind: sorted(map(str, names)) for kind, names in loading.items() if names}
    check(f"{family}: AutoModelForTokenClassification loads every tensor", not problems, str(problems or ""))
    saved = here / "saved"
    loaded.save_pretrained(saved)
    ours, theirs = (interop.load_file(folder / "model.safetensors") for folder in (output, saved))
    check(f"{family}: save_pretrained gives hone's tensors, bit for bit",
          ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours),
          str(sorted(ours.keys() ^ theirs.keys()) or ""))


def scores_of(outputs):
    logits = torch.cat([o["logits"][0] for o in outputs]).double()
    return logits.softmax(1)


def near(outputs, strategy):
    """Whether the best two labels of a token, or of the mean of tokens that may be a word, are so near that rounding decides."""
    scores = scores_of(outputs)
    sums = torch.cat([torch.zeros_like(scores[:1]), scores.cumsum(0)])
    longest = min(LONGEST_WORD, len(scores)) if strategy == "average" else 1
    means = torch.cat([(sums[n:] - sums[:-n]) / n for n in range(1, longest + 1)])
    best = means.topk(2, dim=1).values
    gaps = (best[:, 0] - best[:, 1]).tolist()
    # By the highest token of a word, also tokens that are near each other.
    highest = best[:, 0].sort().values if strategy == "max" else best[:0, 0]
    return min([*gaps, *(highest[1:] - highest[:-1]).tolist()]) < NEAR


def plain(entities):
    """Keys in one order, numbers as Python's."""
    return [{key: (float(value) if key == "score" else int(value) if key in ("index", "start", "end") else value)
             for key, value in sorted(e.items())} for e in entities]


def same(ours, theirs):
    if len(ours) != len(theirs):
        return False
    return all(a.keys() == b.keys() and all(a[k] == b[k] for k in a if k != "score")
               and abs(a["score"] - b["score"]) <= SCORE_TOLERANCE for a, b in zip(ours, theirs))


def compare_entities(what, strategy, ours, theirs, outputs):
    """Lists of entities of each text."""
    wrong, excused, found = [], 0, 0
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        found += len(b)
        if same(a, b):
            continue
        if near(outputs[i], strategy):
            excused += 1
        else:
            wrong.append(f"\n         text {i}: {a}\n         expected {b}")
    check(f"{what}, {strategy}: {found} entities in {len(ours)} texts", not wrong and excused <= 2 and found > 0,
          (f"{excused} near others " if excused else "") + "".join(wrong[:3]))


def marked(hone, folder, path, strategy):
    return [plain(line["entities"]) for line in hone.lines("predict", "--model", folder, "--input", path,
                                                           "--aggregation", strategy)]


def run_pipeline(folder, texts):
    """The pipeline and the model's outputs for each text, which all strategies share."""
    network = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    pipe = pipeline("token-classification", model=network, tokenizer=AutoTokenizer.from_pretrained(folder))
    with torch.inference_mode():
        outputs = [[pipe.forward(inputs) for inputs in pipe.preprocess(text, is_split_into_words=False, delimiter=" ")]
                   for text in texts]
    return pipe, outputs


def as_the_pipeline(hone, work, folder, what, texts, strategies):
    path = interop.write_lines(work / "texts.txt", texts)
    pipe, outputs = run_pipeline(folder, texts)
    for strategy in strategies:
        theirs = [plain(pipe.postprocess([dict(o) for o in out], pipe._sanitize_parameters(
            aggregation_strategy=strategy)[2]["aggregation_strategy"])) for out in outputs]
        compare_entities(what, strategy, marked(hone, folder, path, strategy), theirs, outputs)


def long_texts(hone, work, folder, texts):
    """Each token is predicted in one window; the words are then those of the whole text."""
    path = interop.write_lines(work / "long.txt", texts)
    network = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pipe = pipeline("token-classification", model=network, tokenizer=tokenizer)
    length, expected = tokenizer.model_max_length, {s: [] for s in STRATEGIES}
    outputs = []
    for text in texts:
        whole = tokenizer(text, return_offsets_mapping=True, truncation=False)
        rows, (begin, *body, end_of_text) = [], whole["input_ids"]
        size, stride = length - 2, length // 4
        step = size - stride
        n = 1 + max(0, -(-(len(body) - size) // step))
        for w in range(n):
            ids = [begin, *body[w * step:w * step + size], end_of_text]
            first, end = counted(w, n, step, stride)
            with torch.inference_mode():
                rows.append(network(input_ids=torch.tensor([ids])).logits[0, 1:-1][first:end])
        logits = torch.cat([torch.zeros(1, rows[0].shape[1]), *rows, torch.zeros(1, rows[0].shape[1])])
        outputs.append([{"logits": logits[None, 1:-1]}])
        for strategy in STRATEGIES:
            expected[strategy].append(plain(pipe.postprocess(
                [{"logits": logits[None], "sentence": text, "input_ids": torch.tensor([whole["input_ids"]]),
                  "offset_mapping": torch.tensor([whole["offset_mapping"]]), "is_last": True,
                  "special_tokens_mask": torch.tensor([[1] + [0] * (len(logits) - 2) + [1]])}],
                pipe._sanitize_parameters(aggregation_strategy=strategy)[2]["aggregation_strategy"])))
    for strategy in STRATEGIES:
        compare_entities(f"texts of several windows of {length}", strategy, marked(hone, folder, path, strategy),
                         expected[strategy], outputs)


def byte_level(hone, work, vocabulary, data, kinds):
    """From vocab.json and merges.txt alone, and from the tokenizer.json that Transformers makes of them."""
    torch.manual_seed(interop.SEED)
    sentences = read_conll(data)[:60]
    words, text = [w for w, _ in sentences[5]], " ".join(w for w, _ in sentences[5])
    config = RobertaConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                           vocab_size=50265, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1,
                           num_labels=3, initializer_range=0.5)
    for kind in kinds:
        torch.manual_seed(8)
        start, output = work / f"start-{kind}", work / f"trained-{kind}"
        RobertaForTokenClassification(config).save_pretrained(start)
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(vocabulary / name, start)
        source = AutoTokenizer.from_pretrained(start)
        if kind == "tokenizer.json":
            source.save_pretrained(start)
            for name in ("vocab.json", "merges.txt"):
                (start / name).unlink(missing_ok=True)
        hone("train", "recipes/ner_roberta.yaml", f"model.path={start}", f"data.train={data}", "data.format=conll",
             "data.validation_fraction=null", "data.max_samples=60", "data.max_length=128", "training.epochs=1", "optimizer.lr=1e-2", f"output={output}")
        wanted = AutoTokenizer.from_pretrained(start, add_prefix_space=True)
        loaded = AutoTokenizer.from_pretrained(output)
        check(f"{kind}: AutoTokenizer reads given words with their spaces",
              loaded(words, is_split_into_words=True)["input_ids"] == wanted(words, is_split_into_words=True)["input_ids"]
              != source([w for w in words], is_split_into_words=True).get("input_ids"))
        ours = json.loads(hone("tokenize", "--tokenizer", output, "--input", interop.write_lines(work / "one.txt", [text])))
        theirs = loaded(text, return_offsets_mapping=True)
        check(f"{kind}: hone reads the folder alike", ours["ids"] == theirs["input_ids"]
              and ours["offsets"] == [list(o) for o in theirs["offset_mapping"]])
        as_the_pipeline(hone, work, output, f"byte-level, {kind}", [" ".join(w for w, _ in s) for s in sentences],
                        STRATEGIES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", required=True, help="the binary")
    parser.add_argument("--model", required=True, help="BERT folder to start from")
    parser.add_argument("--tagger", help="folder of a BERT that learnt ner_medical.yaml, held to the pipeline")
    parser.add_argument("--data", required=True, help="folder with ner/ and tokenizers/")
    parser.add_argument("--keep", help="leave the folders made here, in this new one")
    arguments = parser.parse_args()
    # A share without CI=full.
    families = [("roberta", "ner_roberta"), ("bert", "ner_medical"), ("distilbert", "ner_medical")]
    kinds = ["tokenizer.json", "vocab.json"]
    if os.environ.get("CI") != "full":
        interop.STEPS, families, kinds = 15, families[:1], kinds[:1]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    interop.LOSS_TOLERANCE, interop.LEAST_COSINE = 1e-4, 0.999
    hone, data = interop.Hone(arguments.hone), Path(arguments.data)
    work = Path(arguments.keep or tempfile.mkdtemp(prefix="hone-interop-"))
    work.mkdir(exist_ok=True)
    diseases = data / "ner/ncbi_disease"
    texts = [" ".join(w for w, _ in rows) for rows in read_conll(diseases / "devel.tsv")]
    try:
        for family, recipe in families:
            parity(hone, work, family, arguments.model, f"recipes/{recipe}.yaml", diseases / "train.tsv")
        print("-- entities in running text", flush=True)
        if arguments.tagger:
            as_the_pipeline(hone, work, arguments.tagger, "diseases", texts[:500], STRATEGIES)
            long_texts(hone, work, arguments.tagger, [" ".join(texts[i:i + 20]) for i in range(0, 100, 20)])
        byte_level(hone, work, data / "tokenizers/roberta-base", diseases / "train.tsv", kinds)
    finally:
        if not arguments.keep:
            shutil.rmtree(work)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())

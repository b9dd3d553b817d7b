"""hone beside Transformers on a real model and real text. Run by tools/interop; ends in "N passed, N failed".

1. Fifty optimizer steps from the same weights over the same batches, without dropout and with hone's masks: each loss,
   each tensor's update.
2. Transformers loads hone's folder offline: nothing missing or left over, the same logits, labels, tokens.
3. tokenizers and Transformers load the tokenizers that hone makes, and find the same tokens.
4. hone loads what Transformers saved: whole, in shards, with old names, without the prefix, in half precision, and small
   models of awkward sizes with every activation.
5. CSV, JSONL and packed files give the predictions and the model that TSV gives; embeddings are Transformers'.
"""

import argparse
import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from hone_dropout import masks_of_hone
from hone_order import permutation

STEPS, BATCH, SEED, RATE, DECAY, CLIP, MAX_LENGTH = 50, 32, 42, 5e-5, 0.01, 1.0, 128
# f32 on both sides: 2e-6 and 1 - 1e-6 were seen, and some ten times that leaves room for another CPU's order of sums.
LOSS_TOLERANCE = 2e-5
LEAST_COSINE = 0.9999
LOGIT_TOLERANCE = 2e-5
# Softmax is blind to a constant added to all scores of a query, so these gradients are zero in exact arithmetic, and
# Adam turns what rounding leaves of them into steps of full size.
WITHOUT_GRADIENT = ("attention.self.key.bias", "attention.k_lin.bias")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
AWKWARD = [
    "", " ", "a", "Ünïcödé naïve café ÀÉÎ", "İstanbul ıİ ſt", "中文字符 mixed with latin", "日本語カタカナ ひらがな 한국어",
    "emoji 🎬👍🏽 family 👩‍👩‍👧", "zero\u200bwidth\u200djoin\ufeff", "tab\tinside and\u00a0nbsp\u3000wide", "control \x01\x02\x7f here",
    "soft\u00adhyphen", "line\u2028separator\u2029too\x85nel", "[MASK] and [CLS] [SEP][PAD] [UNK] inside", "[mask]", "x" * 300,
    "y" * 100 + " " + "z" * 101, "don't can't o'clock rock'n'roll", "$5.99 50% #tag @name a_b c-d e/f", "e\u0301 vs é, a\u0308",
    "١٢٣ ४५६ Ⅷ ½", "עברית العربية हिन्दी ไทย", "\ufffd replacement", "a" * 200 + "!", "...!?!?", "ﬁ ﬂ ﬀ ligatures", "Ａｌｐｈａ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙", "𠀀𠀁 ext-B", "\u0301 lone mark",
]


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, detail=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok    ' if good else 'FAILED'} {name}{': ' if detail else ''}{detail}", flush=True)


check = Checks()


class Hone:
    def __init__(self, binary):
        self.binary = str(Path(binary).resolve())

    def __call__(self, *arguments, expect=0):
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != expect:
            sys.exit(f"hone {' '.join(map(str, arguments))}\n{done.stderr.decode(errors='replace')}"
                     f"exit code {done.returncode}, expected {expect}")
        return done.stdout.decode()

    def lines(self, *arguments):
        return [json.loads(line) for line in self(*arguments).split("\n")[:-1]]


def read_tsv(path):
    """Rows (sentence, label) of a TSV with a header, no quoting."""
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    header = lines[0].rstrip("\r").split("\t")
    text, label = header.index("sentence"), header.index("label")
    rows = [line.rstrip("\r").split("\t") for line in lines[1:] if line]
    return [(row[text], row[label]) for row in rows]


def write_lines(path, lines):
    Path(path).write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def without_dropout(model):
    """The probabilities that this model's configuration has, as 0."""
    config = transformers.AutoConfig.from_pretrained(model)
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "seq_classif_dropout")
    return {name: 0.0 for name in names if hasattr(config, name)}


def start_folder(work, model, labels, dropout):
    """A folder with a seeded head, with the model's dropout or none, from which both sides start."""
    torch.manual_seed(SEED)
    network = AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)},
        dtype=torch.float32, **({} if dropout else without_dropout(model)))
    folder = work / "start"
    network.save_pretrained(folder)
    copy_tokenizer(model, folder)
    return folder


def copy_tokenizer(source, folder):
    for name in TOKENIZER_FILES:
        if (Path(source) / name).exists():
            shutil.copy(Path(source) / name, folder)


def encode(tokenizer, sentences, network):
    inputs = tokenizer(sentences, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
    if network.config.model_type == "distilbert":
        inputs.pop("token_type_ids", None)
    return inputs


def make_optimizer(network):
    """AdamW and its schedule as the recipe asks for them."""
    undecayed = [p for p in network.parameters() if p.dim() == 1]
    decayed = [p for p in network.parameters() if p.dim() > 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                                   {"params": undecayed, "weight_decay": 0.0}], lr=RATE)
    return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, 0, STEPS)


def train_reference(folder, rows, labels):
    """Transformers' losses, gradient norms and final weights over hone's batches, with hone's masks."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32,
                                                                 attn_implementation="eager").train()
    optimizer, schedule = make_optimizer(network)
    per_epoch = -(-len(rows) // BATCH)
    losses, norms = [], []
    for step in range(STEPS):
        order = permutation(len(rows), SEED, step // per_epoch)
        samples = order[step % per_epoch * BATCH:][:BATCH]
        with masks_of_hone(samples, SEED, step):
            loss = network(**encode(tokenizer, [rows[i][0] for i in samples], network),
                           labels=torch.tensor([labels.index(rows[i][1]) for i in samples])).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP).item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, norms, {name: value.detach() for name, value in network.state_dict().items()}


def parity_of_training(hone, work, model, train, recipe="recipes/sentiment_bert.yaml", dropout=False):
    """Returns the folder that hone trained. Dropout: only a BERT's."""
    rows = read_tsv(train)
    labels = sorted({label for _, label in rows})
    names = [f"class_{label}" if label.isdigit() else label for label in labels]
    start = start_folder(work, model, names, dropout)
    output = work / "hone"
    hone("train", recipe, f"model.path={start}", f"task.labels=[{', '.join(names)}]",
         f"data.train={train}", "data.validation=null", "data.test=null", f"data.max_length={MAX_LENGTH}",
         "training.epochs=null", f"training.max_steps={STEPS}", f"training.batch_size={BATCH}",
         f"training.seed={SEED}", f"optimizer.lr={RATE}", f"optimizer.weight_decay={DECAY}",
         f"optimizer.clip_norm={CLIP}", "schedule.warmup=0", "logging.every=1", "precision=f32", "device=cpu",
         f"output={output}")
    compare_training(start, output, *train_reference(start, rows, labels))
    return output


def compare_training(start, output, losses, norms, reference):
    """hone's run in `output` against Transformers' losses, gradient norms and final weights from the same start."""
    log = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    log = [line for line in log if line["split"] == "train"]
    check("steps logged", [line["step"] for line in log] == list(range(1, STEPS + 1)), f"{len(log)}")
    worst = max(range(len(log)), key=lambda i: abs(log[i]["loss"] - losses[i]))
    difference = abs(log[worst]["loss"] - losses[worst])
    check(f"loss of each of {STEPS} steps within {LOSS_TOLERANCE}", difference <= LOSS_TOLERANCE,
          f"worst {difference:.2e} at step {worst + 1} ({log[worst]['loss']:.6f}, Transformers {losses[worst]:.6f}); "
          f"first {losses[0]:.4f}, last {losses[-1]:.4f}")
    print("       gradient norms: worst relative difference "
          f"{max(abs(line['grad_norm'] - n) / n for line, n in zip(log, norms)):.1e}")

    before, after = load_file(start / "model.safetensors"), load_file(output / "model.safetensors")
    check("tensor names", after.keys() == reference.keys(), f"{len(after)} tensors, "
          f"difference {sorted(after.keys() ^ reference.keys())}")
    cosines = {}
    for name in after.keys() & reference.keys():
        ours, theirs = (w[name].double().flatten() - before[name].double().flatten() for w in (after, reference))
        if not name.endswith(WITHOUT_GRADIENT):
            cosines[name] = (ours @ theirs / (ours.norm() * theirs.norm())).item()
    worst = min(cosines, key=cosines.get)
    bad = [name for name, value in cosines.items() if not value >= LEAST_COSINE]
    check(f"update of each of {len(cosines)} tensors has cosine of at least {LEAST_COSINE}", not bad,
          f"worst {cosines[worst]:.6f} ({worst}){', below: ' + ', '.join(bad) if bad else ''}")


def reference_logits(folder, sentences):
    """One sentence at a time, so that no padding takes part."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network, loading = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32,
                                                                          output_loading_info=True)
    problems = {kind: sorted(map(str, names)) for kind, names in loading.items() if names}
    with torch.inference_mode():
        logits = torch.cat([network.eval()(**encode(tokenizer, [text], network)).logits for text in sentences])
    return logits.double(), [network.config.id2label[i] for i in range(logits.shape[1])], problems


def hone_scores(hone, folder, path, names, *options):
    predictions = hone.lines("predict", "--model", folder, "--input", path, *options)
    table = torch.tensor([[p["scores"][name] for name in names] for p in predictions], dtype=torch.float64)
    return table, [p["label"] for p in predictions]


def compare_predictions(hone, what, folder, sentences, path):
    logits, names, problems = reference_logits(folder, sentences)
    check(f"{what}: Transformers loads every tensor", not problems, str(problems or ""))
    ours, labels = hone_scores(hone, folder, path, names, "--logits")
    difference = (ours - logits).abs().max().item()
    check(f"{what}: logits of {len(sentences)} sentences within {LOGIT_TOLERANCE}", difference <= LOGIT_TOLERANCE,
          f"worst {difference:.2e}")
    probabilities, same = hone_scores(hone, folder, path, names)
    off = (probabilities - ours.softmax(1)).abs().max().item()
    check(f"{what}: probabilities are the softmax of these", off <= 1e-7 and same == labels, f"worst {off:.1e}")
    best = logits.topk(2, dim=1)
    near = 0
    differing = []
    for i, label in enumerate(labels):
        if label == names[best.indices[i, 0]]:
            continue
        gap = (best.values[i, 0] - best.values[i, 1]).item()
        near += gap < 1e-4
        differing.append(f"sentence {i} (gap {gap:.1e})")
    check(f"{what}: labels", len(differing) == near <= 2, "; ".join(differing) or "all equal")
    return logits


def evaluation(hone, folder, held_out, tolerance=1e-5):
    """hone eval's figures against ones computed here."""
    rows = read_tsv(held_out)
    logits, names, _ = reference_logits(folder, [text for text, _ in rows])
    index = {name.removeprefix("class_"): i for i, name in enumerate(names)}
    labels = torch.tensor([index[label] for _, label in rows])
    figures = json.loads(hone("eval", "--model", folder, "--data", held_out))
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    check("eval: loss and accuracy of the held-out file",
          abs(figures["eval_loss"] - loss) <= tolerance and abs(figures["eval_accuracy"] - accuracy) <= 2 / len(rows),
          f"hone {figures['eval_loss']:.6f} {figures['eval_accuracy']:.4f}, Transformers {loss:.6f} {accuracy:.4f}")


def compare_tokens(hone, what, folder, reference, lines, work):
    path = write_lines(work / "lines.txt", lines)
    ours = hone.lines("tokenize", "--tokenizer", folder, "--input", path)
    reference.no_truncation()
    reference.no_padding()
    differing = []
    for i, (line, got, want) in enumerate(zip(lines, ours, reference.encode_batch(lines))):
        expected = {"ids": want.ids, "type_ids": want.type_ids, "tokens": want.tokens,
                    "offsets": [list(pair) for pair in want.offsets], "word_ids": want.word_ids}
        wrong = [key for key, value in expected.items() if got[key] != value]
        if wrong:
            differing.append(f"line {i + 1} {line[:60]!r}: {', '.join(wrong)}")
    check(f"tokens of {what}: {len(lines)} lines, ids, types, offsets, words", len(ours) == len(lines) and not differing,
          f"{len(differing)} differ" + "".join("\n         " + line for line in differing[:5]))


def tokens(hone, work, trained, model, texts):
    lines = texts + AWKWARD
    reference = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    compare_tokens(hone, "the trained folder", trained, reference, lines, work)
    loaded = AutoTokenizer.from_pretrained(trained)
    ours = hone.lines("tokenize", "--tokenizer", trained, "--input", write_lines(work / "lines.txt", texts[:500]))
    check("AutoTokenizer loads the trained folder: 500 lines",
          [line["ids"] for line in ours] == loaded(texts[:500])["input_ids"])
    check("AutoTokenizer takes the run's max_length", loaded.model_max_length == MAX_LENGTH, str(loaded.model_max_length))
    plain = work / "vocab-only"
    plain.mkdir()
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copy(Path(model) / name, plain)
    compare_tokens(hone, "a folder with vocab.txt alone", plain, reference, lines, work)
    for folder in sorted(Path("../shared/data/tokenizers").glob("bert-*")):
        if (folder / "tokenizer.json").exists():
            compare_tokens(hone, folder.name, folder, Tokenizer.from_file(str(folder / "tokenizer.json")), lines, work)


def trained_tokenizers(hone, work, texts):
    """Tokenizers that hone makes from these texts, loaded by tokenizers and by Transformers."""
    corpus = write_lines(work / "corpus.txt", texts)
    for kind in ("bpe", "characters", "unigram", "wordpiece", "words"):
        folder = work / f"tokenizer-{kind}"
        hone("tokenizer", "train", "--model", kind, "--vocab-size", 3000, "--output", folder, corpus)
        reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
        compare_tokens(hone, f"a tokenizer made by hone, {kind}", folder, reference, texts[:2000] + AWKWARD, work)
        ours = hone.lines("tokenize", "--tokenizer", folder, "--input", write_lines(work / "lines.txt", texts[:500]))
        check(f"AutoTokenizer loads it, {kind}: 500 lines",
              [line["ids"] for line in ours] == AutoTokenizer.from_pretrained(folder)(texts[:500])["input_ids"])


def rewritten(source, folder, rename):
    """Copy of a model folder with tensors under other names."""
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    copy_tokenizer(source, folder)
    save_file({rename(name): value for name, value in load_file(source / "model.safetensors").items()},
              folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def folders_of_transformers(hone, work, trained, path):
    """The same weights in every form that Transformers has saved give the same bytes of predictions."""
    network = AutoModelForSequenceClassification.from_pretrained(trained, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    whole, sharded = work / "saved", work / "sharded"
    network.save_pretrained(whole)
    tokenizer.save_pretrained(whole)
    network.save_pretrained(sharded, max_shard_size="20MB")
    tokenizer.save_pretrained(sharded)
    old = rewritten(whole, work / "old-names",
                    lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    bare = rewritten(whole, work / "no-prefix", lambda name: name.removeprefix("bert."))
    check("Transformers wrote shards", len(list(sharded.glob("*.safetensors"))) > 1)
    own = hone("predict", "--model", trained, "--input", path)
    for what, folder in (("save_pretrained", whole), ("shards with an index", sharded), ("names gamma and beta", old),
                         ("no bert. prefix", bare)):
        check(f"hone loads {what}: same predictions", hone("predict", "--model", folder, "--input", path) == own)


def half_precision(hone, work, trained, sentences, path):
    for dtype in (torch.float16, torch.bfloat16):
        folder = work / str(dtype).removeprefix("torch.")
        AutoModelForSequenceClassification.from_pretrained(trained, dtype=dtype).save_pretrained(folder)
        copy_tokenizer(trained, folder)
        compare_predictions(hone, f"weights in {folder.name}", folder, sentences, path)


def small_models(hone, work, model, sentences, path):
    """Random models of sizes that are no powers of two, three labels, every activation."""
    for activation, hidden, heads, inner, layers in (("gelu", 36, 3, 70, 2), ("gelu_new", 33, 1, 65, 1),
                                                     ("gelu_pytorch_tanh", 40, 5, 40, 3), ("relu", 126, 2, 63, 2)):
        torch.manual_seed(hidden)
        config = BertConfig(hidden_size=hidden, num_attention_heads=heads, intermediate_size=inner,
                            num_hidden_layers=layers, hidden_act=activation, num_labels=3, initializer_range=0.2,
                            max_position_embeddings=160, type_vocab_size=1 if layers == 1 else 2)
        folder = work / f"small-{activation}"
        BertForSequenceClassification(config).save_pretrained(folder)
        copy_tokenizer(model, folder)
        compare_predictions(hone, f"random model, {activation}, {hidden} = {heads} heads", folder, sentences, path)


def data_formats(hone, work, trained, train, sentences):
    """Every data format gives TSV's bytes: predictions, and a model trained for a few steps."""
    rows = read_tsv(train)[:300]
    folder = work / "formats"
    folder.mkdir()
    # Texts that a CSV must quote are among them.
    rows += [('a "quoted" word, and a comma', rows[0][1]), ("two\u2028lines ''", rows[1][1])]
    (folder / "d.tsv").write_bytes("".join(f"{a}\t{b}\n" for a, b in [("sentence", "label"), *rows]).encode())
    with open(folder / "d.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sentence", "label"), *rows])
    lines = [json.dumps({"label": label, "sentence": text}, ensure_ascii=i % 2 == 0) + "\n" for i, (text, label) in enumerate(rows)]
    (folder / "d.jsonl").write_bytes("".join(lines).encode())
    for name in ("d.tsv", "d.csv", "d.jsonl"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    want = hone("predict", "--model", trained, "--input", folder / "d.tsv", "--column", "sentence")
    weights = None
    for name in ("d.tsv", "d.csv", "d.jsonl", "d.tsv.gz", "d.csv.gz", "d.jsonl.gz"):
        got = hone("predict", "--model", trained, "--input", folder / name, "--column", "sentence")
        check(f"predictions from {name} are those from TSV", got == want)
        output = folder / f"run-{name}"
        hone("train", "recipes/sentiment_bert.yaml", f"model.path={trained}", f"data.train={folder / name}",
             "data.validation=null", "data.test=null", "training.epochs=null", "training.max_steps=3", "device=cpu",
             "training.batch_size=4", f"output={output}")
        trained_weights = (output / "model.safetensors").read_bytes()
        weights = weights or trained_weights
        check(f"a model trained on {name} is the one trained on TSV", trained_weights == weights)
    hone("predict", "--model", trained, "--input", folder / "d.jsonl", "--column", "sentence", "--keep", "sentence,label",
         "--output", folder / "out.csv")
    with open(folder / "out.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    check("Python reads the CSV of predictions: inputs and labels",
          [(row["input.sentence"], row["input.label"]) for row in table] == rows
          and [row["label"] for row in table] == [json.loads(line)["label"] for line in want.split("\n")[:-1]])


def embeddings(hone, work, folder, sentences, path):
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        states = [network(**encode(tokenizer, [text], network)).last_hidden_state[0].double() for text in sentences]
    for pooling, want in (("cls", [s[0] for s in states]), ("mean", [s.mean(0) for s in states])):
        output = work / f"{pooling}.safetensors"
        hone("predict", "--model", folder, "--input", path, "--output-embeddings", output, "--pooling", pooling)
        difference = (load_file(output)["embeddings"].double() - torch.stack(want)).abs().max().item()
        # Hidden states leave a LayerNorm, of size 1; f32 differs by some 1e-6 after six layers.
        check(f"embeddings, {pooling}, of {len(want)} sentences within 2e-5", difference <= 2e-5, f"worst {difference:.2e}")


def refusals(hone, work, model, trained, path):
    hone("predict", "--model", model, "--input", path, expect=3)
    check("a folder without a head is a bad input to predict", True)
    folder = rewritten(trained, work / "misshapen", lambda name: name)
    weights = load_file(folder / "model.safetensors")
    weights["bert.pooler.dense.bias"] = weights["bert.pooler.dense.bias"][:-1].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    hone("predict", "--model", folder, "--input", path, expect=3)
    check("a tensor of the wrong shape is a bad input", True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", required=True, help="the binary")
    parser.add_argument("--model", required=True, help="model folder to start from")
    parser.add_argument("--train", required=True, help="TSV with the columns sentence and label")
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--keep", help="leave the folders made here, in this new one")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    hone = Hone(arguments.hone)
    work = Path(arguments.keep or tempfile.mkdtemp(prefix="hone-interop-"))
    work.mkdir(exist_ok=True)
    try:
        trained = parity_of_training(hone, work, arguments.model, arguments.train)
        print("       with dropout:")
        parity_of_training(hone, work / "dropout", arguments.model, arguments.train, dropout=True)
        sentences = [text for text, _ in read_tsv(arguments.held_out)][:500]
        path = write_lines(work / "sentences.txt", sentences)
        compare_predictions(hone, "the trained folder", trained, sentences, path)
        evaluation(hone, trained, arguments.held_out)
        texts = [text for file in (arguments.train, arguments.held_out) for text, _ in read_tsv(file)]
        tokens(hone, work, trained, arguments.model, texts)
        trained_tokenizers(hone, work, texts)
        folders_of_transformers(hone, work, trained, path)
        few = write_lines(work / "few.txt", sentences[:100])
        half_precision(hone, work, trained, sentences[:100], few)
        small_models(hone, work, arguments.model, sentences[:100], few)
        data_formats(hone, work, trained, arguments.train, sentences)
        embeddings(hone, work, trained, sentences[:100], few)
        refusals(hone, work, arguments.model, trained, few)
    finally:
        if not arguments.keep:
            shutil.rmtree(work)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())

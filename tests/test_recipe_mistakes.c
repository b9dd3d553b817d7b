/* What is said about malformed recipes, word for word; and a sweep of wrong values over every option of the table. */
#include "tests/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "recipes/options.h"

#define MODEL  "model: {path: m}\n"
#define TASK   "task: {type: sequence_classification}\n"
#define DATA   "data: {train: a.tsv, text: t, label: l}\n"
#define OUTPUT "output: o\n"
#define ALL    MODEL TASK DATA OUTPUT
#define NONE                                                                                                           \
    { NULL, NULL }

static const struct {
    const char *recipe, *mistakes;
    const char *overrides[2];
} golden[] = {
    {ALL "training: {epoch: 3}\n", "r.yaml:5:12: unknown key \"epoch\" in training (did you mean \"epochs\"?)\n", NONE},
    {ALL "optimizer: {lerning_rate: 5e-5}\n",
     "r.yaml:5:13: unknown key \"lerning_rate\" in optimizer (did you mean \"lr\"?)\n", NONE},
    {ALL "optimizer: {Weight-Decay: 0}\n",
     "r.yaml:5:13: unknown key \"Weight-Decay\" in optimizer (did you mean \"weight_decay\"?)\n", NONE},
    {ALL "training:\n  lr: 1\n", "r.yaml:6:3: unknown key \"lr\" in training (did you mean \"optimizer.lr\"?)\n", NONE},
    {ALL "logging: {level: info}\ndevice: cudaa\ntraining: {seed: 1, seed: 2}\nmodel: {paht: n}\n",
     "r.yaml:6:9: device: found \"cudaa\" (did you mean \"cuda\"?), expected auto, cpu or cuda\n"
     "r.yaml:7:21: key \"seed\" is given twice, first in line 7\n"
     "r.yaml:8:1: key \"model\" is given twice, first in line 1\n"
     "r.yaml:8:9: unknown key \"paht\" in model (did you mean \"path\"?)\n",
     NONE},
    {ALL "seed: 1\n", "r.yaml:5:1: unknown key \"seed\" (did you mean \"training.seed\"?)\n", NONE},
    {ALL "trainig: {epochs: 1}\n", "r.yaml:5:1: unknown key \"trainig\" (did you mean \"training\"?)\n", NONE},
    {ALL "training.epochs: 3\n", "r.yaml:5:1: unknown key \"training.epochs\": write \"training: {epochs: …}\"\n",
     NONE},
    {ALL "training: {per_device_train_batch_size: 8}\n",
     "r.yaml:5:12: unknown key \"per_device_train_batch_size\" in training (did you mean \"batch_size\"?)\n", NONE},
    {ALL "warmup_ratio: 0.1\n", "r.yaml:5:1: unknown key \"warmup_ratio\" (did you mean \"schedule.warmup\"?)\n", NONE},
    {ALL "evaluation: {eval_strategy: steps}\n",
     "r.yaml:5:14: unknown key \"eval_strategy\" in evaluation (did you mean \"every\"?)\n", NONE},
    {ALL "zzzzzz: 1\n", "r.yaml:5:1: unknown key \"zzzzzz\"\n", NONE},
    {ALL "logging: {\"a\\tb\": 1}\n", "r.yaml:5:11: unknown key \"a\\x09b\" in logging\n", NONE},
    {ALL "? xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n: 1\n",
     "r.yaml:5:3: unknown key \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"\n", NONE},
    {ALL "checkpoint: {resume: maybe}\n",
     "r.yaml:5:22: checkpoint.resume: found \"maybe\", expected auto, strict or never\n", NONE},
    {ALL "checkpoint: {every: 10 minutes}\n",
     "r.yaml:5:21: checkpoint.every: found \"10 minutes\", expected epoch, no, a time such as 10min, or a whole number "
     "of "
     "steps from 1 to 1000000000\n",
     NONE},
    {"",
     "r.yaml: model.path: missing, expected a path\n"
     "r.yaml: task.type: missing, expected sequence_classification, masked_lm or token_classification\n"
     "r.yaml: data.train: missing, expected a path or a list of paths\n"
     "r.yaml: data.text: missing, expected a column's name, or its number from 0\n"
     "r.yaml: data.label: missing, expected a column's name, or its number from 0, or a list of columns\n"
     "r.yaml: output: missing, expected a path\n",
     NONE},
    {"# only a comment\n",
     "r.yaml: model.path: missing, expected a path\n"
     "r.yaml: task.type: missing, expected sequence_classification, masked_lm or token_classification\n"
     "r.yaml: data.train: missing, expected a path or a list of paths\n"
     "r.yaml: data.text: missing, expected a column's name, or its number from 0\n"
     "r.yaml: data.label: missing, expected a column's name, or its number from 0, or a list of columns\n"
     "r.yaml: output: missing, expected a path\n",
     NONE},
    {"model: {}\n" TASK DATA OUTPUT, "r.yaml:1:1: model.path: missing, expected a path\n", NONE},
    {MODEL TASK "data:\n  train: a.tsv\n  label: l\n" OUTPUT,
     "r.yaml:3:1: data.text: missing, expected a column's name, or its number from 0\n", NONE},
    {MODEL TASK DATA, "r.yaml: output: missing, expected a path\n", NONE},
    {"modle: {path: m}\n" TASK DATA OUTPUT, "r.yaml:1:1: unknown key \"modle\" (did you mean \"model\"?)\n", NONE},
    {MODEL TASK "data: {trian: a.tsv, text: t, label: l}\n" OUTPUT,
     "r.yaml:3:8: unknown key \"trian\" in data (did you mean \"train\"?)\n", NONE},
    {MODEL "task: {labels: [a, b]}\n" DATA OUTPUT,
     "r.yaml:2:1: task.type: missing, expected sequence_classification, masked_lm or token_classification\n", NONE},
    {MODEL TASK DATA "output: ~\n", "r.yaml:4:9: output: missing, expected a path\n", NONE},
    {"model:\n" TASK DATA OUTPUT, "r.yaml:1:1: model.path: missing, expected a path\n", NONE},
    {"[model, task]\n",
     "r.yaml:1:1: found a list of 2, expected a recipe: sections such as \"model:\" with keys and values\n", NONE},
    {"hello\n", "r.yaml:1:1: found \"hello\", expected a recipe: sections such as \"model:\" with keys and values\n",
     NONE},
    {ALL "training: 3\n",
     "r.yaml:5:11: training: found \"3\", expected keys and values of: epochs, max_steps, batch_size, "
     "micro_batch_tokens, seed, ema_decay, non_finite, skip_limit, early_stopping\n",
     NONE},
    {ALL "training: [epochs, 3]\n",
     "r.yaml:5:11: training: found a list of 2, expected keys and values of: epochs, max_steps, batch_size, "
     "micro_batch_tokens, seed, ema_decay, non_finite, skip_limit, early_stopping\n",
     NONE},
    {ALL "training: {epochs: [3]}\n",
     "r.yaml:5:20: training.epochs: found a list of 1, expected a number above 0 and at most 10000\n", NONE},
    {ALL "training: {epochs: {a: 3}}\n",
     "r.yaml:5:20: training.epochs: found keys and values, expected a number above 0 and at most 10000\n", NONE},
    {"model: m\n" TASK DATA OUTPUT,
     "r.yaml:1:8: model: found \"m\", expected keys and values of: path, init, config, head, "
     "check_weights\n",
     NONE},
    {ALL "training: {epochs: fast}\n",
     "r.yaml:5:20: training.epochs: found \"fast\", expected a number above 0 and at most 10000\n", NONE},
    {ALL "training: {epochs: 0}\n",
     "r.yaml:5:20: training.epochs: found \"0\", expected a number above 0 and at most 10000\n", NONE},
    {ALL "training: {epochs: 10001}\n",
     "r.yaml:5:20: training.epochs: found \"10001\", expected a number above 0 and at most 10000\n", NONE},
    {ALL "training: {epochs: \"3\"}\n",
     "r.yaml:5:20: training.epochs: found \"3\", expected a number above 0 and at most 10000 (remove the quotes)\n",
     NONE},
    {ALL "training: {batch_size: 32.0}\n",
     "r.yaml:5:24: training.batch_size: found \"32.0\", expected a whole number from 1 to 65536 (write 32)\n", NONE},
    {ALL "training: {batch_size: 2.5}\n",
     "r.yaml:5:24: training.batch_size: found \"2.5\", expected a whole number from 1 to 65536\n", NONE},
    {ALL "training: {batch_size: 0}\n",
     "r.yaml:5:24: training.batch_size: found \"0\", expected a whole number from 1 to 65536\n", NONE},
    {ALL "training: {batch_size: 65537}\n",
     "r.yaml:5:24: training.batch_size: found \"65537\", expected a whole number from 1 to 65536\n", NONE},
    {ALL "training: {batch_size: -1}\n",
     "r.yaml:5:24: training.batch_size: found \"-1\", expected a whole number from 1 to 65536\n", NONE},
    {ALL "training: {batch_size: 010}\n",
     "r.yaml:5:24: training.batch_size: found \"010\", expected a whole number from 1 to 65536 (a leading 0 means "
     "octal to some readers: write 10)\n",
     NONE},
    {ALL "training: {batch_size: 1_000}\n",
     "r.yaml:5:24: training.batch_size: found \"1_000\", expected a whole number from 1 to 65536 (no underscores in "
     "numbers)\n",
     NONE},
    {ALL "training: {batch_size: 0x20}\n",
     "r.yaml:5:24: training.batch_size: found \"0x20\", expected a whole number from 1 to 65536 (write it in "
     "decimal)\n",
     NONE},
    {ALL "training: {batch_size: 0o40}\n",
     "r.yaml:5:24: training.batch_size: found \"0o40\", expected a whole number from 1 to 65536 (write it in "
     "decimal)\n",
     NONE},
    {ALL "training: {batch_size: true}\n",
     "r.yaml:5:24: training.batch_size: found \"true\", expected a whole number from 1 to 65536\n", NONE},
    {ALL "training: {max_steps: 1e5}\n",
     "r.yaml:5:23: training.max_steps: found \"1e5\", expected a whole number from 1 to 1000000000 (write 100000)\n",
     NONE},
    {ALL "training: {seed: 4294967296}\n",
     "r.yaml:5:18: training.seed: found \"4294967296\", expected a whole number from 0 to 4294967295\n", NONE},
    {ALL "training: {seed: 99999999999999999999999}\n",
     "r.yaml:5:18: training.seed: found \"99999999999999999999999\", expected a whole number from 0 to 4294967295\n",
     NONE},
    {ALL "training: {micro_batch_tokens: automatic}\n",
     "r.yaml:5:32: training.micro_batch_tokens: found \"automatic\", expected auto, or a whole number from 1 to "
     "1073741824\n",
     NONE},
    {ALL "optimizer: {lr: fast}\n", "r.yaml:5:17: optimizer.lr: found \"fast\", expected a number above 0\n", NONE},
    {ALL "optimizer: {lr: 0}\n", "r.yaml:5:17: optimizer.lr: found \"0\", expected a number above 0\n", NONE},
    {ALL "optimizer: {lr: .inf}\n",
     "r.yaml:5:17: optimizer.lr: found \".inf\", expected a number above 0 (it must be finite)\n", NONE},
    {ALL "optimizer: {lr: -.INF}\n",
     "r.yaml:5:17: optimizer.lr: found \"-.INF\", expected a number above 0 (it must be finite)\n", NONE},
    {ALL "optimizer: {lr: .nan}\n",
     "r.yaml:5:17: optimizer.lr: found \".nan\", expected a number above 0 (it must be finite)\n", NONE},
    {ALL "optimizer: {lr: 1e400}\n",
     "r.yaml:5:17: optimizer.lr: found \"1e400\", expected a number above 0 (it must be finite)\n", NONE},
    {ALL "optimizer: {lr: 1e-400}\n", "r.yaml:5:17: optimizer.lr: found \"1e-400\", expected a number above 0\n", NONE},
    {ALL "optimizer: {lr: 5e}\n", "r.yaml:5:17: optimizer.lr: found \"5e\", expected a number above 0\n", NONE},
    {ALL "optimizer: {lr: 0,5}\n",
     "r.yaml:5:17: optimizer.lr: found \"0\", expected a number above 0\n"
     "r.yaml:5:19: unknown key \"5\" in optimizer\n",
     NONE},
    {ALL "optimizer: {beta1: 1}\n", "r.yaml:5:20: optimizer.beta1: found \"1\", expected a number from 0 to below 1\n",
     NONE},
    {ALL "optimizer: {beta2: 1.0}\n",
     "r.yaml:5:20: optimizer.beta2: found \"1.0\", expected a number from 0 to below 1\n", NONE},
    {ALL "optimizer: {epsilon: 0}\n", "r.yaml:5:22: optimizer.epsilon: found \"0\", expected a number above 0\n", NONE},
    {ALL "optimizer: {clip_norm: -1}\n", "r.yaml:5:24: optimizer.clip_norm: found \"-1\", expected a number from 0\n",
     NONE},
    {ALL "optimizer: {weight_decay: \"0.01\"}\n",
     "r.yaml:5:27: optimizer.weight_decay: found \"0.01\", expected a number from 0 (remove the quotes)\n", NONE},
    {ALL "schedule: {warmup: 1.0}\n",
     "r.yaml:5:20: schedule.warmup: found \"1.0\", expected a whole number of steps, or a share with a decimal point "
     "from 0.0 to below 1.0\n",
     NONE},
    {ALL "schedule: {warmup: -0.1}\n",
     "r.yaml:5:20: schedule.warmup: found \"-0.1\", expected a whole number of steps, or a share with a decimal point "
     "from 0.0 to below 1.0\n",
     NONE},
    {ALL "schedule: {warmup: 10%}\n",
     "r.yaml:5:20: schedule.warmup: found \"10%\", expected a whole number of steps, or a share with a decimal point "
     "from 0.0 to below 1.0\n",
     NONE},
    {MODEL TASK "data: {train: a.tsv, text: t, label: l, max_length: 1}\n" OUTPUT,
     "r.yaml:3:53: data.max_length: found \"1\", expected a whole number from 2 to 1048576\n", NONE},
    {MODEL "task: {type: classification}\n" DATA OUTPUT,
     "r.yaml:2:14: task.type: found \"classification\", expected sequence_classification, masked_lm or "
     "token_classification\n",
     NONE},
    {ALL "device: gpu\n", "r.yaml:5:9: device: found \"gpu\", expected auto, cpu or cuda\n", NONE},
    {ALL "precision: fp16\n", "r.yaml:5:12: precision: found \"fp16\", expected f32, bf16 or auto\n", NONE},
    {ALL "precision: 32\n", "r.yaml:5:12: precision: found \"32\", expected f32, bf16 or auto\n", NONE},
    {ALL "optimizer: {name: AdamW}\n",
     "r.yaml:5:19: optimizer.name: found \"AdamW\" (did you mean \"adamw\"?), expected adamw, sgd or adafactor\n",
     NONE},
    {ALL "evaluation: {every: epochs}\n",
     "r.yaml:5:21: evaluation.every: found \"epochs\", expected epoch, no, or a whole number of steps from 1 to "
     "1000000000\n",
     NONE},
    {ALL "evaluation: {every: 0}\n",
     "r.yaml:5:21: evaluation.every: found \"0\", expected epoch, no, or a whole number of steps from 1 to "
     "1000000000\n",
     NONE},
    {ALL "evaluation: {metric: f2}\n",
     "r.yaml:5:22: evaluation.metric: found \"f2\", expected auto, accuracy, loss, f1, f1_micro, f1_macro, "
     "f1_weighted, f1_strict, f1_macro_strict, f1_weighted_strict, precision, precision_micro, precision_macro, "
     "precision_weighted, precision_strict, precision_macro_strict, precision_weighted_strict, recall, "
     "recall_micro, recall_macro, recall_weighted, recall_strict, recall_macro_strict, recall_weighted_strict, "
     "matthews_correlation, roc_auc, roc_auc_weighted, average_precision, "
     "expected_calibration_error, pearson, spearmanr, combined_score, mse, mae, r2 or perplexity\n",
     NONE},
    {"model: {path: m}\ntask: {type: sequence_classification, problem_type: regression}\ndata: {train: a.tsv, text: t, "
     "label: l}\noutput: o\nevaluation: {metric: f1}\n",
     "r.yaml:5:22: evaluation.metric: f1 is no metric of regression, which has loss, pearson, spearmanr, "
     "combined_score, mse, mae, r2\n",
     NONE},
    {"model: {path: m}\ntask: {type: sequence_classification}\ndata: {train: a.tsv, text: t, label: [a, b]}\noutput: "
     "o\n",
     "r.yaml:3:38: data.label: several columns, but task.problem_type is single_label_classification, which has one: "
     "name one column, or another task.problem_type\n",
     NONE},
    {"model: {path: m}\ntask: {type: sequence_classification, threshold: 0.4}\ndata: {train: a.tsv, text: t, label: "
     "l}\noutput: o\n",
     "r.yaml:2:50: task.threshold: task.problem_type is single_label_classification, and this works with "
     "multi_label_classification only: remove it, or set it to null\n",
     NONE},
    {"model: {path: m}\ntask: {type: sequence_classification, class_weights: {a: 0, b: 2}}\ndata: {train: a.tsv, text: "
     "t, label: l}\noutput: o\n",
     "r.yaml:2:58: task.class_weights: found \"0\", expected a number above 0\n", NONE},
    {ALL "logging: {level: verbose, every: 0}\n",
     "r.yaml:5:18: logging.level: found \"verbose\", expected quiet, warning, info or debug\n"
     "r.yaml:5:34: logging.every: found \"0\", expected a whole number from 1 to 1000000000\n",
     NONE},
    {MODEL TASK "data: {train: a.tsv, text: t, label: l, header: yes}\n" OUTPUT,
     "r.yaml:3:49: data.header: found \"yes\", expected true or false\n", NONE},
    {MODEL TASK "data: {train: a.tsv, text: t, label: l, header: 1}\n" OUTPUT,
     "r.yaml:3:49: data.header: found \"1\", expected true or false\n", NONE},
    {MODEL TASK "data: {train: a.tsv, text: t, label: l, format: xml}\n" OUTPUT,
     "r.yaml:3:49: data.format: found \"xml\", expected auto, tsv, csv, jsonl, text or conll\n", NONE},
    {"model: {path: 2024}\n" TASK DATA OUTPUT,
     "r.yaml:1:15: model.path: found \"2024\", expected a path (put it in quotes)\n", NONE},
    {"model: {path: \"\"}\n" TASK DATA OUTPUT, "r.yaml:1:15: model.path: found \"\", expected a path\n", NONE},
    {MODEL TASK DATA "output: true\n", "r.yaml:4:9: output: found \"true\", expected a path (put it in quotes)\n",
     NONE},
    {MODEL TASK "data: {train: [], text: t, label: l}\n" OUTPUT,
     "r.yaml:3:15: data.train: found an empty list, expected a path or a list of paths\n", NONE},
    {MODEL TASK "data: {train: [a.tsv, 5, b.tsv], text: t, label: l}\n" OUTPUT,
     "r.yaml:3:23: data.train: found \"5\", expected a path (put it in quotes)\n", NONE},
    {MODEL TASK "data: {train: {a: b}, text: t, label: l}\n" OUTPUT,
     "r.yaml:3:15: data.train: found keys and values, expected a path or a list of paths\n", NONE},
    {MODEL TASK "data: {train: a.txt, text: t, label: l}\n" OUTPUT,
     "r.yaml:3:15: data.train: the name \"a.txt\" does not tell the format: expected .tsv, .csv or .jsonl, each also "
     "with .gz or .zst behind it, or data.format\n",
     NONE},
    {MODEL TASK "data:\n  train: [a.tsv, b]\n  test: .tsv\n  text: t\n  label: l\n" OUTPUT,
     "r.yaml:4:10: data.train: the name \"b\" does not tell the format: expected .tsv, .csv or .jsonl, each also with "
     ".gz or .zst behind it, or data.format\n"
     "r.yaml:5:9: data.test: the name \".tsv\" does not tell the format: expected .tsv, .csv or .jsonl, each also with "
     ".gz or .zst behind it, or data.format\n",
     NONE},
    {MODEL TASK "data: {train: a.txt, text: 0, label: 1, format: jsonl}\n" OUTPUT,
     "r.yaml:3:28: data.text: a number, but \"a.txt\" is JSONL: give the field's name\n"
     "r.yaml:3:38: data.label: a number, but \"a.txt\" is JSONL: give the field's name\n",
     NONE},
    {MODEL TASK "data: {train: [a.csv, b.csv], weights: [1, 0], text: t, label: l}\n" OUTPUT,
     "r.yaml:3:44: data.weights: found \"0\", expected a number above 0\n", NONE},
    {MODEL TASK "data: {train: [a.csv, b.csv], weights: [1], text: t, label: l}\n" OUTPUT,
     "r.yaml:3:40: data.weights: 1 number, expected 2 as in data.train\n", NONE},
    {MODEL TASK "data: {train: a.csv, validation: b.csv, validation_fraction: 0.1, text: t, label: l}\n" OUTPUT,
     "r.yaml:3:62: data.validation_fraction: excludes data.validation, which is given too: remove one, or set it to "
     "null\n",
     NONE},
    {MODEL TASK "data: {train: a.csv, validation_fraction: 1, max_samples: 0, text: t, label: l}\n" OUTPUT,
     "r.yaml:3:43: data.validation_fraction: found \"1\", expected a number above 0 to below 1\n"
     "r.yaml:3:59: data.max_samples: found \"0\", expected a whole number from 1 to 1000000000000000\n",
     NONE},
    {MODEL TASK "data: {train: a.tsv, text: -1, label: 1.5}\n" OUTPUT,
     "r.yaml:3:28: data.text: found \"-1\", expected a column's name, or its number from 0\n"
     "r.yaml:3:39: data.label: found \"1.5\", expected a column's name, or its number from 0, or a list of columns\n",
     NONE},
    {MODEL TASK "data: {train: a.tsv, text: true, label: \"\"}\n" OUTPUT,
     "r.yaml:3:28: data.text: found \"true\", expected a column's name, or its number from 0\n"
     "r.yaml:3:41: data.label: found \"\", expected a column's name, or its number from 0, or a list of columns\n",
     NONE},
    {MODEL "task: {type: sequence_classification, labels: positive}\n" DATA OUTPUT,
     "r.yaml:2:47: task.labels: found \"positive\", expected a list of at least two names\n", NONE},
    {MODEL "task: {type: sequence_classification, labels: [positive]}\n" DATA OUTPUT,
     "r.yaml:2:47: task.labels: found a list of 1, expected a list of at least two names\n", NONE},
    {MODEL "task: {type: sequence_classification, labels: [a, ~]}\n" DATA OUTPUT,
     "r.yaml:2:51: task.labels: found null, expected a name\n", NONE},
    {MODEL "task: {type: sequence_classification, labels: [a, [b]]}\n" DATA OUTPUT,
     "r.yaml:2:51: task.labels: found a list of 1, expected a name\n", NONE},
    {MODEL "task: {type: sequence_classification, labels: [1, b, \"1\"]}\n" DATA OUTPUT,
     "r.yaml:2:54: task.labels: found \"1\" twice, as label 0 and label 2\n", NONE},
    {ALL "training: {epochs: 3, max_steps: 100}\n",
     "r.yaml:5:34: training.max_steps: excludes training.epochs, which is given too: remove one, or set it to null\n",
     NONE},
    {ALL "training: {early_stopping: 3}\n",
     "r.yaml:5:28: training.early_stopping: needs data.validation or data.validation_fraction\n", NONE},
    {MODEL TASK "data: {train: a.tsv, validation: b.tsv, text: t, label: l}\nevaluation: {every: no}\ntraining: "
                "{early_stopping: 3}\n" OUTPUT,
     "r.yaml:5:28: training.early_stopping: needs evaluations, but evaluation.every is no\n", NONE},
    {MODEL TASK "data: {train: a.tsv, header: false, text: t, label: 1}\n" OUTPUT,
     "r.yaml:3:30: data.header: false, but data.text gives the column's name \"t\": give its number, from 0\n", NONE},
    {MODEL TASK "data: {train: a.tsv, text: t, text_pair: t, label: t}\n" OUTPUT,
     "r.yaml:3:42: data.text_pair: the same column as data.text\n"
     "r.yaml:3:52: data.label: the same column as data.text\n",
     NONE},
    {MODEL TASK "data: {train: a.tsv, text: 0, label: 0}\n" OUTPUT,
     "r.yaml:3:38: data.label: the same column as data.text\n", NONE},
    {"model: {path: o/}\n" TASK DATA OUTPUT,
     "r.yaml:4:9: output: the same folder as model.path, which would be overwritten\n", NONE},
    {"output: 3\ntraining:\n  epochs: -1\n  batchsize: 8\nmodel: {path: [a]}\ntask: {}\n",
     "r.yaml:1:9: output: found \"3\", expected a path (put it in quotes)\n"
     "r.yaml:3:11: training.epochs: found \"-1\", expected a number above 0 and at most 10000\n"
     "r.yaml:4:3: unknown key \"batchsize\" in training (did you mean \"batch_size\"?)\n"
     "r.yaml:5:15: model.path: found a list of 1, expected a path\n"
     "r.yaml:6:1: task.type: missing, expected sequence_classification, masked_lm or token_classification\n"
     "r.yaml: data.train: missing, expected a path or a list of paths\n"
     "r.yaml: data.text: missing, expected a column's name, or its number from 0\n"
     "r.yaml: data.label: missing, expected a column's name, or its number from 0, or a list of columns\n"
     "command line: optimizer.lr=0: found \"0\", expected a number above 0\n"
     "command line: foo: expected key=value, such as training.epochs=3\n",
     {"optimizer.lr=0", "foo"}},
    {ALL, "command line: epochs: expected key=value, such as training.epochs=3\n", {"epochs"}},
    {ALL, "command line: =3: expected key=value, such as training.epochs=3\n", {"=3"}},
    {ALL,
     "command line: training.epoch=3: unknown key \"epoch\" in training (did you mean \"epochs\"?)\n",
     {"training.epoch=3"}},
    {ALL,
     "command line: trainig.epochs=3: unknown key \"trainig.epochs\" (did you mean \"training.epochs\"?)\n",
     {"trainig.epochs=3"}},
    {ALL, "command line: epochs=3: unknown key \"epochs\" (did you mean \"training.epochs\"?)\n", {"epochs=3"}},
    {ALL,
     "command line: training=3: a section, set one of its keys: training.epochs, training.max_steps, "
     "training.batch_size, training.micro_batch_tokens, training.seed, "
     "training.ema_decay, training.non_finite, training.skip_limit, training.early_stopping\n",
     {"training=3"}},
    {ALL,
     "command line: training.epochs=fast: found \"fast\", expected a number above 0 and at most 10000\n",
     {"training.epochs=fast"}},
    {ALL,
     "command line: training.epochs=[3: did not find expected ',' or ']' while parsing a flow sequence (line 1)\n",
     {"training.epochs=[3"}},
    {ALL,
     "command line: training.epochs=*a: aliases (*) are not allowed; write the value out, or put it in quotes\n",
     {"training.epochs=*a"}},
    {ALL,
     "command line: training.epochs={}: found an empty map, expected a number above 0 and at most 10000\n",
     {"training.epochs={}"}},
    {ALL,
     "command line: training.epochs=3\\x0atraining.epochs=3\\x0atraining.epochs=3\\x0a: found \"3 training.epochs=3 "
     "training.epochs=3\", expected a number above 0 and at most 10000\n",
     {"training.epochs=3\ntraining.epochs=3\ntraining.epochs=3\n"}},
    {ALL, "command line: task.labels=[a, a]: found \"a\" twice, as label 0 and label 1\n", {"task.labels=[a, a]"}},
    {ALL, "command line: model.path=null: missing, expected a path\n", {"model.path=null"}},
    {ALL, "command line: data.train=: missing, expected a path or a list of paths\n", {"data.train="}},
    {ALL,
     "command line: training.max_steps=5: excludes training.epochs, which is given too: remove one, or set it to "
     "null\n",
     {"training.epochs=3", "training.max_steps=5"}},
    {ALL,
     "command line: device=gpu: found \"gpu\", expected auto, cpu or cuda\n"
     "command line: precision=f16: found \"f16\", expected f32, bf16 or auto\n",
     {"device=gpu", "precision=f16"}},
    {ALL,
     "command line: training.batch_size=0: found \"0\", expected a whole number from 1 to 65536\n",
     {"training.batch_size=0", "training.batch_size=8"}},
    {ALL, "command line: data.text.x=1: unknown key \"text.x\" in data (did you mean \"text\"?)\n", {"data.text.x=1"}},
};

static int count_lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

/* Reads `recipe` from r.yaml in the scratch folder; the mistakes are the caller's. */
static enum hone_status read_text(struct hone_text *mistakes, const char *recipe, char **overrides, int n) {
    struct hone_recipe out;
    FILE *file = fopen("r.yaml", "w"); /* without the syncs of hone_write_file */
    assert_non_null(file);
    assert_true(fputs(recipe, file) >= 0 && fclose(file) == 0);
    enum hone_status status = hone_recipe_read(&out, "r.yaml", overrides, n, mistakes);
    if (status == HONE_OK) {
        hone_recipe_free(&out);
    } else { /* nothing is left in it */
        static const struct hone_recipe empty;
        assert_memory_equal(&out, &empty, sizeof out);
    }
    return status;
}

static void test_golden(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        struct hone_text mistakes = {0};
        char *overrides[2] = {(char *)golden[i].overrides[0], (char *)golden[i].overrides[1]}, summary[80];
        int n = !overrides[0] ? 0 : !overrides[1] ? 1 : 2;
        enum hone_status status = read_text(&mistakes, golden[i].recipe, overrides, n);
        int lines = count_lines(golden[i].mistakes);
        snprintf(summary, sizeof summary, "r.yaml: %d mistake%s", lines, lines == 1 ? "" : "s");
        if (status != HONE_OK && mistakes.bytes) {
            assert_string_equal(mistakes.bytes, golden[i].mistakes);
            assert_string_equal(hone_error_message(), summary);
        } else {
            print_error("row %zu: %s\n", i, golden[i].recipe);
        }
        assert_int_equal(status, HONE_USAGE);
        assert_non_null(mistakes.bytes);
        hone_text_free(&mistakes);
    }
}

/* What is no YAML is told by the message alone, with its place. */
static void test_not_yaml(void **state) {
    (void)state;
    static const struct {
        const char *recipe, *message;
    } rows[] = {
        {"model: {path: m\n", "r.yaml:2:1: "},
        {"model:\n\tpath: m\n", "r.yaml:2:1: "},
        {"model: &a {path: m}\n", "r.yaml:1:8: "},
        {"model: !!map {path: m}\n", "r.yaml:1:8: "},
        {"model: {path: m}\n---\nmodel: {path: m}\n", "r.yaml:2:1: "},
        {"model: {path: \xff}\n", "r.yaml:1:15: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hone_text mistakes = {0};
        test_expect_status(read_text(&mistakes, rows[i].recipe, NULL, 0), HONE_USAGE, rows[i].message);
        assert_int_equal(mistakes.length, 0);
        hone_text_free(&mistakes);
    }
    struct hone_recipe recipe;
    struct hone_text mistakes = {0};
    test_expect_status(hone_recipe_read(&recipe, "absent.yaml", NULL, 0, &mistakes), HONE_USAGE, "absent.yaml");
}

/* What a value is: a plain or quoted string, an integer, a float, true, a map of numbers; 0 where no option takes it. */
static const struct {
    const char *text;
    char kind;
} values[] = {
    {"fast", 's'}, {"1_0", 's'}, {"1.5.2", 's'},  {"2024-01-02", 's'}, {"é", 's'}, {"'3'", 's'}, {"yes", 's'},
    {"3", 'i'},    {"2.5", 'f'}, {"0.5e-3", 'f'}, {"true", 't'},       {"-1", 0},  {"1e400", 0}, {".nan", 0},
    {"-.inf", 0},  {"0x1", 0},   {"010", 0},      {"\"\"", 0},         {"[]", 0},  {"{}", 0},    {"{a: 1}", 'm'},
};

static bool may_be_right(const struct hone_option *option, char kind) {
    switch (option->type) {
    case HONE_OPTION_PATH:
    case HONE_OPTION_PATHS:
    case HONE_OPTION_PATTERNS:
        return kind == 's';
    case HONE_OPTION_COLUMN:
    case HONE_OPTION_COLUMNS:
        return kind == 's' || kind == 'i';
    case HONE_OPTION_BOOL:
        return kind == 't';
    case HONE_OPTION_NUMBER:
    case HONE_OPTION_STEPS:
        return kind == 'i' || kind == 'f';
    case HONE_OPTION_INTEGER:
    case HONE_OPTION_AUTO_OR_INTEGER:
    case HONE_OPTION_EVERY:
    case HONE_OPTION_INTERVAL:
        return kind == 'i';
    case HONE_OPTION_TEXT:
        return true; /* whatever has a character */
    case HONE_OPTION_NAMES:
    case HONE_OPTION_NUMBERS:
    case HONE_OPTION_GROUPS:
    case HONE_OPTION_WORD:
        return false;
    case HONE_OPTION_WEIGHTS:
    case HONE_OPTION_CONFIG:
        return kind == 'm';
    }
    return false;
}

static void test_wrong_values(void **state) {
    (void)state;
    int told = 0;
    for (size_t i = 0; i < hone_option_count; i++) {
        const struct hone_option *option = &hone_options[i];
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            if (may_be_right(option, values[j].kind)) continue;
            int n = (int)hone_option_section_length(option);
            char *recipe, *want;
            if (n > 0) {
                recipe = hone_format("# comment\n\n%.*s:\n  %s:   %s\n", n, option->name, hone_option_key(option),
                                     values[j].text);
                want = hone_format("r.yaml:4:%zu: %s: ", strlen(hone_option_key(option)) + 7, option->name);
            } else {
                recipe = hone_format("\n%s: %s\n", option->name, values[j].text);
                want = hone_format("r.yaml:2:%zu: %s: ", strlen(option->name) + 3, option->name);
            }
            struct hone_text mistakes = {0};
            assert_int_equal(read_text(&mistakes, recipe, NULL, 0), HONE_USAGE);
            const char *told_at = strstr(mistakes.bytes, want);
            if (!told_at || !strstr(told_at, "expected")) fail_msg("%s%sexpected %s", recipe, mistakes.bytes, want);
            hone_text_free(&mistakes);
            hone_free(recipe);
            hone_free(want);
            told++;
        }
    }
    print_message("%d wrong values told\n", told);
    assert_true(told >= 600);
}

static int enter_scratch(void **state) {
    (void)state;
    return chdir(test_scratch());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_wrong_values),
    };
    return cmocka_run_group_tests(tests, enter_scratch, NULL);
}

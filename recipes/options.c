/* The option table. An option stands here when it works; what is not built yet is an unknown key. */
#include "recipes/options.h"

#include <math.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct hone_recipe, member)
#define WORDS(...)                                                                                                     \
    .words = (const char *const[]) { __VA_ARGS__, NULL }

/* Adafactor's own learning rate stands in place of lr and schedule. */
#define RELATIVE_STEP "optimizer.relative_step"

const struct hone_option hone_options[] = {
    {"model.path", HONE_OPTION_PATH, AT(model.path), .required = true, .aliases = "model_name_or_path model_name",
     .help = "Model to start from: a folder as the Hub has it, or org/name[@revision] from the Hub cache"},
    {"model.init", HONE_OPTION_WORD, AT(model.init), "pretrained", WORDS("pretrained", "random"),
     .aliases = "from_scratch initialization",
     .help = "Where weights come from: the folder, or the seed: then the folder needs config.json and tokenizer alone"},
    {"model.config", HONE_OPTION_CONFIG, AT(model.config), .only = "random", .chooser = "model.init",
     .aliases = "config_overrides",
     .help = "What is other than in the folder's config.json: the sizes of a model that starts from nothing"},
    {"model.head", HONE_OPTION_WORD, AT(model.head), "pretrained", WORDS("pretrained", "new"),
     .aliases = "ignore_mismatched_sizes", .only = "sequence_classification token_classification",
     .chooser = "task.type",
     .help = "The layer that scores labels: the folder's if it has one, or a new one from the seed, for other labels"},
    {"model.check_weights", HONE_OPTION_WORD, AT(model.check_weights), "warn", WORDS("warn", "error"),
     .help = "What weights of the folder do that are infinite or no numbers: warn, or end the run"},

    {"task.type", HONE_OPTION_WORD, AT(task.type), .required = true,
     WORDS("sequence_classification", "masked_lm", "token_classification"), .aliases = "task_name",
     .help = "What the model learns to do"},
    {"task.problem_type", HONE_OPTION_WORD, AT(task.problem_type), "single_label_classification",
     WORDS("single_label_classification", "multi_label_classification", "regression"), .aliases = "problem",
     .only = "sequence_classification", .chooser = "task.type",
     .help = "Whether a text has one label, any number of them, or numbers; as in config.json"},
    {"task.labels", HONE_OPTION_NAMES, AT(task.labels), .aliases = "label_list label_names class_names",
     .only = "single_label_classification multi_label_classification token_classification",
     .chooser = "task.problem_type",
     .help = "Names of the classes, in order; by default the model's if the data has those, else the data's"},
    {"task.class_weights", HONE_OPTION_WEIGHTS, AT(task.class_weights), .aliases = "class_weight pos_weight weights",
     .only = "single_label_classification multi_label_classification token_classification",
     .chooser = "task.problem_type",
     .help = "What a label counts in the loss, 1 by default; balanced: more the rarer it is in the training data"},
    {"task.label_smoothing", HONE_OPTION_NUMBER, AT(task.label_smoothing), "0", .low = 0, .high = 1, .high_open = true,
     .aliases = "label_smoothing_factor smoothing", .only = "single_label_classification token_classification",
     .chooser = "task.problem_type", .help = "Share of each target that is spread evenly over all classes"},
    {"task.focal_gamma", HONE_OPTION_NUMBER, AT(task.focal_gamma), "0", .low = 0, .high = 100,
     .aliases = "focal focal_loss gamma", .only = "single_label_classification multi_label_classification",
     .chooser = "task.problem_type", .help = "Focal loss: how much less a loss counts the surer it is; 0 for none"},
    {"task.threshold", HONE_OPTION_NUMBER, AT(task.threshold), "0.5", .low = 0, .low_open = true, .high = 1,
     .high_open = true, .only = "multi_label_classification", .chooser = "task.problem_type",
     .help = "Probability from which on a label is taken to hold"},

    {"task.mask_probability", HONE_OPTION_NUMBER, AT(task.mask_probability), "0.15", .low = 0, .low_open = true,
     .high = 1, .aliases = "mlm_probability masking_probability", .only = "masked_lm", .chooser = "task.type",
     .help = "Share of the tokens that are hidden: 80 % of them by the mask token, 10 % by another one, 10 % not"},
    {"task.whole_words", HONE_OPTION_BOOL, AT(task.whole_words), "false",
     .aliases = "whole_word_mask whole_word_masking", .only = "masked_lm", .chooser = "task.type",
     .help = "Whether all tokens of a word are hidden, or none"},
    {"task.scheme", HONE_OPTION_WORD, AT(task.scheme), "auto", WORDS("auto", "none", "io", "iob1", "iob2", "iobes"),
     .aliases = "tag_scheme tagging_scheme", .only = "token_classification", .chooser = "task.type",
     .help = "How tags mark entities; auto: as in the data, another one: tags are converted; none: tags mark none"},
    {"task.label_all_tokens", HONE_OPTION_BOOL, AT(task.label_all_tokens), "false", .only = "token_classification",
     .chooser = "task.type", .help = "Whether training labels all tokens of a word; else the first alone"},

    {"data.train", HONE_OPTION_PATHS, AT(data.train), .required = true, .aliases = "train_file train_files",
     .help = "Training data: files, or patterns such as data/*.csv.gz; packed with gzip or zstd or not"},
    {"data.weights", HONE_OPTION_NUMBERS, AT(data.weights), .low = 0, .low_open = true, .high = 1e9,
     .aliases = "probabilities mixing interleave_probabilities",
     .help = "Share of each item of data.train in an epoch; by default their sizes"},
    {"data.validation", HONE_OPTION_PATHS, AT(data.validation), .aliases = "validation_file eval_file dev valid",
     .help = "Data that picks the best model during training"},
    {"data.validation_fraction", HONE_OPTION_NUMBER, AT(data.validation_fraction), .low = 0, .low_open = true,
     .high = 1, .high_open = true, .aliases = "validation_split val_size test_size split",
     .help =
         "Share of the training data held out as validation, picked by a hash of the texts: equal ones stay together"},
    {"data.validation_mm", HONE_OPTION_PATHS, AT(data.validation_mm), .may_change = true,
     .aliases = "validation_mismatched second_validation",
     .help =
         "Second validation set, as MNLI's mismatched one: evaluated at the end by the best model, names end in _mm"},
    {"data.test", HONE_OPTION_PATHS, AT(data.test), .may_change = true, .aliases = "test_file",
     .help = "Data evaluated once at the end, with the best model"},
    {"data.max_samples", HONE_OPTION_INTEGER, AT(data.max_samples), .low = 1, .high = 1e15,
     .aliases = "max_train_samples limit n_samples", .help = "Training samples to use at most: the first ones"},
    {"data.format", HONE_OPTION_WORD, AT(data.format), "auto", WORDS("auto", "tsv", "csv", "jsonl", "text", "conll"),
     .help = "Format of the data files; auto: from the ending of each name; text: lines of it; conll: a word a line"},
    {"data.header", HONE_OPTION_BOOL, AT(data.header),
     .help = "Whether the first row of TSV and CSV names the columns; by default true when a column is given by name"},
    {"data.ragged_rows", HONE_OPTION_WORD, AT(data.ragged_rows), "error", WORDS("error", "skip"),
     .aliases = "on_bad_lines bad_rows skip_malformed",
     .help = "What becomes of rows of TSV and CSV with another number of columns than the first one"},
    {"data.text", HONE_OPTION_COLUMN, AT(data.text), .aliases = "text_column sentence_column",
     .help = "Column of the text: a name in the header, or a number from 0; in JSONL a key, or a dotted path of keys"},
    {"data.text_pair", HONE_OPTION_COLUMN, AT(data.text_pair), .aliases = "pair text_b text2",
     .only = "sequence_classification", .chooser = "task.type",
     .help = "Column of the second text, for tasks on pairs"},
    {"data.label", HONE_OPTION_COLUMNS, AT(data.label), .required = true, .aliases = "label_column label_column_name",
     .only = "sequence_classification token_classification", .chooser = "task.type",
     .help =
         "Column of the label; several columns: the numbers of a regression, or 0 and 1 for each of several labels"},
    {"data.label_separator", HONE_OPTION_TEXT, AT(data.label_separator), ",", .aliases = "separator delimiter",
     .only = "multi_label_classification", .chooser = "task.problem_type",
     .help = "What stands between the labels of one column; a JSON array is always taken as such"},
    {"data.line_by_line", HONE_OPTION_BOOL, AT(data.line_by_line), "false", .only = "masked_lm", .chooser = "task.type",
     .help = "Whether a line is a sample; else all lines are put one behind the other and cut into windows"},
    {"data.max_length", HONE_OPTION_INTEGER, AT(data.max_length), "128", .low = 2, .high = 1 << 20,
     .aliases = "max_seq_length max_seq_len sequence_length cutoff_len",
     .help = "Longest input in tokens, special ones included; longer texts are cut, sentences of words become windows"},
    {"data.cache", HONE_OPTION_PATH, AT(data.cache), "~/.cache/hone/tokens", .may_change = true,
     .aliases = "cache_dir cache_folder dataset_cache",
     .help =
         "Folder where tokens are kept for the next run on the same data, which may be removed at any time; no: none"},
    {"data.stride", HONE_OPTION_INTEGER, AT(data.stride), .low = 0, .high = 1 << 20, .aliases = "doc_stride",
     .only = "token_classification", .chooser = "task.type",
     .help = "Tokens that a window repeats of the one before; by default a quarter of max_length"},

    {"training.epochs", HONE_OPTION_NUMBER, AT(training.epochs), "3", .low = 0, .low_open = true, .high = 10000,
     .aliases = "num_train_epochs num_epochs",
     .help = "Passes over the training data; may have a fraction; excludes max_steps"},
    {"training.max_steps", HONE_OPTION_INTEGER, AT(training.max_steps), .low = 1, .high = 1e9,
     .aliases = "max_iters total_steps", .help = "Optimizer steps to train, instead of epochs"},
    {"training.batch_size", HONE_OPTION_INTEGER, AT(training.batch_size), "32", .low = 1, .high = 65536,
     .aliases = "per_device_train_batch_size train_batch_size global_batch_size",
     .help = "Sequences per optimizer step"},
    {"training.micro_batch_tokens", HONE_OPTION_AUTO_OR_INTEGER, AT(training.micro_batch_tokens), "auto", .low = 1,
     .high = 1 << 30, .aliases = "micro_batch_size gradient_accumulation_steps gradient_accumulation",
     .help = "Tokens that go through the model at once: bounds memory, does not change the result"},
    {"training.seed", HONE_OPTION_INTEGER, AT(training.seed), "42", .low = 0, .high = 4294967295.0,
     .aliases = "random_seed", .help = "Seed of shuffling, dropout and new weights"},
    {"training.ema_decay", HONE_OPTION_NUMBER, AT(training.ema_decay), .low = 0, .low_open = true, .high = 1,
     .high_open = true, .aliases = "ema use_ema ema_momentum",
     .help = "Evaluate and save an exponential moving average of the weights with this decay, such as 0.999"},
    {"training.non_finite", HONE_OPTION_WORD, AT(training.non_finite), "stop", WORDS("stop", "skip"),
     .may_change = true, .aliases = "nan_policy on_nan terminate_on_nan skip_nan",
     .help = "What to do at a loss or gradient that is not finite, after telling where it came from"},
    {"training.skip_limit", HONE_OPTION_INTEGER, AT(training.skip_limit), "10", .low = 1, .high = 1e9, .only = "skip",
     .chooser = "training.non_finite", .may_change = true,
     .help = "Steps that may be skipped in a run before it stops all the same"},
    {"training.early_stopping", HONE_OPTION_INTEGER, AT(training.early_stopping), .low = 1, .high = 1e6,
     .aliases = "patience early_stopping_patience",
     .help = "Evaluations without improvement after which training stops"},

    {"optimizer.name", HONE_OPTION_WORD, AT(optimizer.name), "adamw", WORDS("adamw", "sgd", "adafactor"),
     .aliases = "optim",
     .help = "AdamW and SGD as in PyTorch, Adafactor as in Transformers; no decay of biases and norms"},
    {"optimizer.lr", HONE_OPTION_NUMBER, AT(optimizer.lr), "5e-5", .low = 0, .low_open = true, .high = INFINITY,
     .aliases = "learning_rate", .unless = RELATIVE_STEP, .help = "Highest learning rate, reached after the warm-up"},
    {"optimizer.weight_decay", HONE_OPTION_NUMBER, AT(optimizer.weight_decay), "0.01", .low = 0, .high = INFINITY,
     .aliases = "decay wd l2",
     .help = "Weight decay: apart from the gradient (decoupled), with sgd added to it as in PyTorch"},
    {"optimizer.beta1", HONE_OPTION_NUMBER, AT(optimizer.beta1), .low = 0, .high = 1, .high_open = true,
     .aliases = "adam_beta1", .only = "adamw adafactor",
     .help = "Decay of the first moment: 0.9 with adamw, 0 (none) with adafactor"},
    {"optimizer.beta2", HONE_OPTION_NUMBER, AT(optimizer.beta2), "0.999", .low = 0, .high = 1, .high_open = true,
     .aliases = "adam_beta2", .only = "adamw", .help = "Decay of the second moment"},
    {"optimizer.epsilon", HONE_OPTION_NUMBER, AT(optimizer.epsilon), .low = 0, .low_open = true, .high = INFINITY,
     .aliases = "adam_epsilon eps", .only = "adamw adafactor",
     .help =
         "Added to the root of the second moment (1e-8 with adamw), or to squared gradients (1e-30 with adafactor)"},
    {"optimizer.momentum", HONE_OPTION_NUMBER, AT(optimizer.momentum), "0.9", .low = 0, .high = 1, .high_open = true,
     .only = "sgd", .help = "Momentum, without dampening; 0 for none"},
    {"optimizer.nesterov", HONE_OPTION_BOOL, AT(optimizer.nesterov), "false", .only = "sgd",
     .help = "Whether momentum looks ahead"},
    {"optimizer.decay_rate", HONE_OPTION_NUMBER, AT(optimizer.decay_rate), "-0.8", .low = -10, .high = 0,
     .only = "adafactor", .help = "Second moments decay by 1 - step^decay_rate"},
    {"optimizer.clip_threshold", HONE_OPTION_NUMBER, AT(optimizer.clip_threshold), "1", .low = 0, .low_open = true,
     .high = INFINITY, .only = "adafactor", .help = "Largest root mean square of an update, before the learning rate"},
    {"optimizer.scale_parameter", HONE_OPTION_BOOL, AT(optimizer.scale_parameter), "false", .only = "adafactor",
     .help = "Whether the learning rate is relative to the root mean square of each parameter"},
    {"optimizer.scale_epsilon", HONE_OPTION_NUMBER, AT(optimizer.scale_epsilon), "1e-3", .low = 0, .low_open = true,
     .high = INFINITY, .only = "adafactor", .help = "Least root mean square for scale_parameter"},
    {"optimizer.relative_step", HONE_OPTION_BOOL, AT(optimizer.relative_step), "false", .only = "adafactor",
     .help = "Learning rate from the step alone, min(0.01, 1 / sqrt(step)), in place of lr and schedule"},
    {"optimizer.warmup_init", HONE_OPTION_BOOL, AT(optimizer.warmup_init), "false", .only = "adafactor",
     .help = "With relative_step: min(1e-6 * step, 1 / sqrt(step))"},
    {"optimizer.clip_norm", HONE_OPTION_NUMBER, AT(optimizer.clip_norm), "1.0", .low = 0, .high = INFINITY,
     .aliases = "max_grad_norm grad_clip gradient_clip_val clip",
     .help = "Longest gradient over all parameters, longer ones are scaled down; 0 for no clipping"},
    {"optimizer.clip_value", HONE_OPTION_NUMBER, AT(optimizer.clip_value), .low = 0, .low_open = true, .high = INFINITY,
     .aliases = "clip_grad_value gradient_clip_value",
     .help = "Largest element of a gradient, larger ones are cut to it, in place of clip_norm"},

    {"optimizer.layer_decay", HONE_OPTION_NUMBER, AT(optimizer.layer_decay), "1", .low = 0, .low_open = true, .high = 1,
     .aliases = "llrd layerwise_lr_decay layer_wise_lr_decay",
     .help = "Factor of the learning rate from each layer to the one below; the head has the full one"},
    {"optimizer.groups", HONE_OPTION_GROUPS, AT(optimizer.groups), .aliases = "param_groups lr_groups parameter_groups",
     .help = "Learning rate and weight decay of parameters by name; the first pattern that matches counts"},

    {"freeze.layers", HONE_OPTION_INTEGER, AT(freeze.layers), "0", .low = 0, .high = 1e6,
     .aliases = "freeze_layers num_frozen_layers",
     .help = "First layers of the model that are not trained, by default with the embeddings"},
    {"freeze.embeddings", HONE_OPTION_BOOL, AT(freeze.embeddings), .aliases = "freeze_embeddings",
     .help = "Whether the embeddings are not trained; by default true when freeze.layers is above 0"},
    {"freeze.patterns", HONE_OPTION_PATTERNS, AT(freeze.patterns), .aliases = "freeze_modules frozen_parameters",
     .help = "Names of parameters that are not trained, with * and ? as wildcards"},

    {"schedule.name", HONE_OPTION_WORD, AT(schedule.name), "linear",
     WORDS("linear", "cosine", "cosine_with_min_lr", "cosine_with_restarts", "polynomial", "constant",
           "constant_with_warmup", "inverse_sqrt", "warmup_stable_decay"),
     .aliases = "lr_scheduler_type lr_scheduler scheduler", .unless = RELATIVE_STEP,
     .help = "Course of the learning rate over the steps, each as in Transformers"},
    {"schedule.warmup", HONE_OPTION_STEPS, AT(schedule.warmup), "0", .low = 0, .high = 1e9,
     .aliases = "warmup_steps warmup_ratio num_warmup_steps",
     .only = "linear cosine cosine_with_min_lr cosine_with_restarts polynomial constant_with_warmup inverse_sqrt "
             "warmup_stable_decay",
     .unless = RELATIVE_STEP, .help = "Steps over which the learning rate rises, or their share of all"},
    {"schedule.num_cycles", HONE_OPTION_NUMBER, AT(schedule.num_cycles), .low = 0, .low_open = true, .high = 1e9,
     .only = "cosine cosine_with_min_lr cosine_with_restarts warmup_stable_decay", .unless = RELATIVE_STEP,
     .help = "Waves of the cosine (default 0.5: down once), or times that it starts anew (default 1)"},
    {"schedule.power", HONE_OPTION_NUMBER, AT(schedule.power), "1", .low = 0, .low_open = true, .high = 1e3,
     .only = "polynomial", .unless = RELATIVE_STEP, .help = "Power of the share of steps that are left"},
    {"schedule.lr_end", HONE_OPTION_NUMBER, AT(schedule.lr_end), "1e-7", .low = 0, .high = INFINITY,
     .only = "polynomial", .unless = RELATIVE_STEP, .help = "Learning rate of the last step"},
    {"schedule.min_lr_ratio", HONE_OPTION_NUMBER, AT(schedule.min_lr_ratio), "0", .low = 0, .high = 1,
     .aliases = "min_lr min_lr_rate", .only = "cosine_with_min_lr warmup_stable_decay", .unless = RELATIVE_STEP,
     .help = "Lowest learning rate as a share of the highest"},
    {"schedule.timescale", HONE_OPTION_INTEGER, AT(schedule.timescale), .low = 1, .high = 1e9, .only = "inverse_sqrt",
     .unless = RELATIVE_STEP,
     .help = "Steps after which the rate is down by the root of 2; by default the warm-up, or 10000 without one"},
    {"schedule.stable_steps", HONE_OPTION_INTEGER, AT(schedule.stable_steps), .low = 1, .high = 1e9,
     .aliases = "num_stable_steps", .only = "warmup_stable_decay", .unless = RELATIVE_STEP,
     .help = "Steps at the highest rate; by default all that warm-up and decay leave"},
    {"schedule.decay", HONE_OPTION_STEPS, AT(schedule.decay), "0", .low = 0, .high = 1e9,
     .aliases = "num_decay_steps decay_steps", .only = "warmup_stable_decay", .unless = RELATIVE_STEP,
     .help = "Steps over which the learning rate falls at the end, or their share of all"},
    {"schedule.warmup_type", HONE_OPTION_WORD, AT(schedule.warmup_type), "linear", WORDS("linear", "cosine", "1-sqrt"),
     .only = "warmup_stable_decay", .unless = RELATIVE_STEP, .help = "Curve of the warm-up"},
    {"schedule.decay_type", HONE_OPTION_WORD, AT(schedule.decay_type), "cosine", WORDS("linear", "cosine", "1-sqrt"),
     .only = "warmup_stable_decay", .unless = RELATIVE_STEP, .help = "Curve of the decay"},

    {"precision", HONE_OPTION_WORD, AT(precision), "f32", WORDS("f32", "bf16", "auto"),
     .aliases = "dtype torch_dtype bf16 fp16",
     .help = "Format of the layers' matrix products and what they read and write; auto: bf16 where the CPU has it"},
    {"device", HONE_OPTION_WORD, AT(device), "auto", WORDS("auto", "cpu", "cuda"), .aliases = "accelerator use_cpu",
     .help = "Where to compute"},

    {"evaluation.every", HONE_OPTION_EVERY, AT(evaluation.every), "epoch", .low = 1, .high = 1e9,
     .aliases = "eval_strategy evaluation_strategy eval_steps",
     .help = "When the validation data is evaluated: at the end of each epoch, every so many steps, or not at all"},
    {"evaluation.metric", HONE_OPTION_WORD, AT(evaluation.metric), "auto",
     WORDS("auto", "accuracy", "loss", "f1", "f1_micro", "f1_macro", "f1_weighted", "f1_strict", "f1_macro_strict",
           "f1_weighted_strict", "precision", "precision_micro", "precision_macro", "precision_weighted",
           "precision_strict", "precision_macro_strict", "precision_weighted_strict", "recall", "recall_micro",
           "recall_macro", "recall_weighted", "recall_strict", "recall_macro_strict", "recall_weighted_strict",
           "matthews_correlation", "roc_auc", "roc_auc_weighted", "average_precision", "expected_calibration_error",
           "pearson", "spearmanr", "combined_score", "mse", "mae", "r2", "perplexity"),
     .aliases = "metric_for_best_model",
     .help = "What decides which model is the best one; auto: accuracy, f1_micro of several labels, f1 of entities, "
             "else the loss"},

    {"checkpoint.every", HONE_OPTION_INTERVAL, AT(checkpoint.every), "epoch", .low = 1, .high = 1e9, .may_change = true,
     .aliases = "save_strategy save_steps save_every checkpoint_every",
     .help = "When all that is needed to go on is saved: every epoch, every so many steps or minutes, or not at all"},
    {"checkpoint.keep", HONE_OPTION_INTEGER, AT(checkpoint.keep), "2", .low = 1, .high = 1e6, .may_change = true,
     .aliases = "save_total_limit keep_last",
     .help = "Newest checkpoints that stay, besides the one of the best model"},
    {"checkpoint.resume", HONE_OPTION_WORD, AT(checkpoint.resume), "auto", WORDS("auto", "strict", "never"),
     .may_change = true, .aliases = "resume_from_checkpoint overwrite_output_dir",
     .help = "Go on from the newest checkpoint that is whole; strict: a damaged one is an error; never: start over"},

    {"distributed.reproducible", HONE_OPTION_WORD, AT(distributed.reproducible), "run", WORDS("run", "world"),
     .help = "What gives the same bits again: a run of as many ranks (processes), or world: one of any number"},
    {"distributed.leaf", HONE_OPTION_INTEGER, AT(distributed.leaf), "4", .low = 1, .high = 65536, .only = "world",
     .chooser = "distributed.reproducible",
     .help = "Sequences that go through the model together, whatever the number of ranks"},
    {"distributed.timeout", HONE_OPTION_NUMBER, AT(distributed.timeout), "300", .low = 0, .low_open = true, .high = 1e6,
     .may_change = true, .aliases = "ddp_timeout",
     .help = "Seconds that a rank may be at a step before the others end; ten times as many to start or to save"},
    {"distributed.transport", HONE_OPTION_WORD, AT(distributed.transport), "auto",
     WORDS("auto", "shared_memory", "mpi"), .may_change = true, .aliases = "ddp_backend backend",
     .help = "What moves data between ranks; auto: shared memory on one machine, else MPI (libhone_mpi.so)"},
    {"distributed.zero_stage", HONE_OPTION_INTEGER, AT(distributed.zero_stage), "0", .low = 0, .high = 1,
     .may_change = true, .aliases = "zero zero_optimization sharded_ddp",
     .help = "1: each rank keeps its part of the optimizer's state alone (ZeRO-1), to the same bits; not adafactor"},

    {"output", HONE_OPTION_PATH, AT(output), .required = true, .may_change = true,
     .aliases = "output_dir out_dir save_dir run_dir",
     .help = "Run folder: the best model, the resolved recipe, metrics"},

    {"logging.every", HONE_OPTION_INTEGER, AT(logging.every), "10", .low = 1, .high = 1e9,
     .aliases = "logging_steps log_every log_steps", .help = "Optimizer steps between two lines of metrics.jsonl"},
    {"logging.level", HONE_OPTION_WORD, AT(logging.level), "info", WORDS("quiet", "warning", "info", "debug"),
     .may_change = true, .aliases = "log_level verbosity", .help = "Least important messages that are shown"},
};

const size_t hone_option_count = sizeof hone_options / sizeof hone_options[0];

const char *hone_option_key(const struct hone_option *option) {
    const char *dot = strchr(option->name, '.');
    return dot ? dot + 1 : option->name;
}

size_t hone_option_section_length(const struct hone_option *option) {
    const char *dot = strchr(option->name, '.');
    return dot ? (size_t)(dot - option->name) : 0;
}

const struct hone_option *hone_option_find(const char *name) {
    for (size_t i = 0; i < hone_option_count; i++)
        if (strcmp(hone_options[i].name, name) == 0) return &hone_options[i];
    return NULL;
}

const struct hone_option *hone_section_find(const char *section) {
    for (size_t i = 0; i < hone_option_count; i++) {
        size_t n = hone_option_section_length(&hone_options[i]);
        if (n > 0 && strncmp(hone_options[i].name, section, n) == 0 && section[n] == 0) return &hone_options[i];
    }
    return NULL;
}

const struct hone_option *hone_option_chooser(const struct hone_option *option) {
    if (option->chooser) return hone_option_find(option->chooser);
    char *name = hone_format("%.*s.name", (int)hone_option_section_length(option), option->name);
    const struct hone_option *chooser = hone_option_find(name);
    hone_free(name);
    return chooser;
}

bool hone_option_applies(const struct hone_recipe *recipe, const struct hone_option *option) {
    if (option->unless && *(const bool *)((const char *)recipe + hone_option_find(option->unless)->offset))
        return false;
    if (!option->only) return true;
    const struct hone_option *chooser = hone_option_chooser(option);
    if (!hone_option_applies(recipe, chooser)) {
        /* What chooses does so for some tasks; of the others the option may name the whole. */
        chooser = hone_option_chooser(chooser);
        if (!hone_option_applies(recipe, chooser)) return false;
    }
    const char *word = chooser->words[*(const int *)((const char *)recipe + chooser->offset)];
    size_t length = strlen(word);
    for (const char *p = option->only; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strcspn(p, " ") == length && strncmp(p, word, length) == 0) return true;
    return false;
}

bool hone_options_share_section(const struct hone_option *a, const struct hone_option *b) {
    size_t n = hone_option_section_length(a);
    return n == hone_option_section_length(b) && strncmp(a->name, b->name, n) == 0;
}

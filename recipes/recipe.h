/* A recipe: the YAML file that says what to train, on what, and how. One option table (recipes/options.c) drives
 * reading, defaults, `key=value` overrides, help, the JSON Schema for editors and the resolved recipe saved with a run.
 *
 * After hone_recipe_read every member holds a checked value: defaults are filled in, conflicts are excluded, what
 * depends on other options (header, format) is decided. Options that are not set are NULL, n == 0 or the stated 0.
 * Strings belong to the recipe. */
#ifndef HONE_RECIPES_RECIPE_H
#define HONE_RECIPES_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/records.h"
#include "dist/transport.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

/* In the order of the words in the option table. */
enum hone_model_init { HONE_INIT_PRETRAINED, HONE_INIT_RANDOM };
enum hone_head_weights { HONE_HEAD_WEIGHTS_PRETRAINED, HONE_HEAD_WEIGHTS_NEW };
enum hone_check_weights { HONE_WEIGHTS_WARN, HONE_WEIGHTS_ERROR };
enum hone_task_type { HONE_TASK_SEQUENCE_CLASSIFICATION, HONE_TASK_MASKED_LM, HONE_TASK_TOKEN_CLASSIFICATION };
/* Rows of a table with another number of columns than the first one. */
enum hone_ragged_rows { HONE_RAGGED_ERROR, HONE_RAGGED_SKIP };
enum hone_problem { HONE_SINGLE_LABEL, HONE_MULTI_LABEL, HONE_REGRESSION };
/* How tags mark entities (recipes/tags.h); AUTO: as the data does. */
enum hone_scheme {
    HONE_SCHEME_AUTO,
    HONE_SCHEME_NONE, /* tags are labels of words and mark none, as parts of speech */
    HONE_SCHEME_IO,
    HONE_SCHEME_IOB1,
    HONE_SCHEME_IOB2,
    HONE_SCHEME_IOBES,
};
enum hone_precision { HONE_PRECISION_F32, HONE_PRECISION_BF16, HONE_PRECISION_AUTO };
enum hone_device_choice { HONE_DEVICE_AUTO, HONE_DEVICE_CPU, HONE_DEVICE_CUDA };
enum hone_resume { HONE_RESUME_AUTO, HONE_RESUME_STRICT, HONE_RESUME_NEVER };
enum hone_metric {
    HONE_METRIC_AUTO, /* what the task chooses */
    HONE_METRIC_ACCURACY,
    HONE_METRIC_LOSS,
    HONE_METRIC_F1,
    HONE_METRIC_F1_MICRO,
    HONE_METRIC_F1_MACRO,
    HONE_METRIC_F1_WEIGHTED,
    HONE_METRIC_F1_STRICT,
    HONE_METRIC_F1_MACRO_STRICT,
    HONE_METRIC_F1_WEIGHTED_STRICT,
    HONE_METRIC_PRECISION,
    HONE_METRIC_PRECISION_MICRO,
    HONE_METRIC_PRECISION_MACRO,
    HONE_METRIC_PRECISION_WEIGHTED,
    HONE_METRIC_PRECISION_STRICT,
    HONE_METRIC_PRECISION_MACRO_STRICT,
    HONE_METRIC_PRECISION_WEIGHTED_STRICT,
    HONE_METRIC_RECALL,
    HONE_METRIC_RECALL_MICRO,
    HONE_METRIC_RECALL_MACRO,
    HONE_METRIC_RECALL_WEIGHTED,
    HONE_METRIC_RECALL_STRICT,
    HONE_METRIC_RECALL_MACRO_STRICT,
    HONE_METRIC_RECALL_WEIGHTED_STRICT,
    HONE_METRIC_MATTHEWS,
    HONE_METRIC_ROC_AUC,
    HONE_METRIC_ROC_AUC_WEIGHTED,
    HONE_METRIC_AVERAGE_PRECISION,
    HONE_METRIC_CALIBRATION,
    HONE_METRIC_PEARSON,
    HONE_METRIC_SPEARMAN,
    HONE_METRIC_COMBINED,
    HONE_METRIC_MSE,
    HONE_METRIC_MAE,
    HONE_METRIC_R2,
    HONE_METRIC_PERPLEXITY,
    HONE_METRICS
};

struct hone_strings {
    char **items;
    size_t n;
};

struct hone_numbers {
    double *items;
    size_t n;
};

/* A column by name, or by 0-based number when name is NULL; not given: name NULL and number -1. */
struct hone_column {
    char *name;
    int64_t number;
};

struct hone_columns {
    struct hone_column *items; /* all given */
    size_t n;
};

/* Weights by the labels' names; `balanced`: from how often each occurs. Neither (n == 0): none. */
struct hone_weights {
    bool balanced;
    struct hone_strings names;
    double *values; /* [names.n], > 0 */
};

/* A number of optimizer steps, or a share of all of them when steps is 0 (0 <= ratio < 1). */
struct hone_steps {
    int64_t steps;
    double ratio;
};

/* Every so many optimizer steps (HONE_EVERY_EPOCH, HONE_NEVER), or, with seconds above 0, when that much time is over. */
struct hone_interval {
    int64_t steps;
    double seconds;
};

#define HONE_AUTO        0    /* training.micro_batch_tokens: chosen from what fits */
#define HONE_EVERY_EPOCH (-1) /* evaluation.every, checkpoint.every: at the end of each epoch */
#define HONE_NEVER       0    /* evaluation.every, checkpoint.every: not at all */

/* What gives the same bits again: a run of as many ranks, or one of any number. */
enum hone_reproducible { HONE_REPRODUCIBLE_RUN, HONE_REPRODUCIBLE_WORLD };

/* What a step does whose loss or gradient is not finite; it is never applied. */
enum hone_non_finite { HONE_NON_FINITE_STOP, HONE_NON_FINITE_SKIP };

/* Learning rate and weight decay of the parameters whose name matches. */
struct hone_group_option {
    char *pattern;           /* glob over Hub names */
    double lr, weight_decay; /* -1: as without the group */
};

struct hone_group_options {
    struct hone_group_option *items;
    size_t n;
};

struct hone_recipe {
    struct {
        char *path; /* a model folder as the Hub has it */
        enum hone_model_init init;
        json_t *config; /* instead of what config.json says */
        enum hone_head_weights head;
        enum hone_check_weights check_weights;
    } model;
    struct {
        enum hone_task_type type;
        enum hone_problem problem_type;
        struct hone_strings labels; /* n == 0: from the training data; else n >= 2 distinct names */
        struct hone_weights class_weights;
        double label_smoothing, focal_gamma, threshold; /* 0 <= smoothing < 1; gamma >= 0; 0 < threshold < 1 */
        double mask_probability;                        /* of a masked LM: 0 < p <= 1 */
        bool whole_words;
        enum hone_scheme scheme; /* of the tags that a tagger of words learns */
        bool label_all_tokens;   /* of a word in training; else the first alone */
    } task;
    struct {
        struct hone_strings train;            /* n >= 1; paths or patterns (glob), as in the other three */
        struct hone_strings validation, test; /* n == 0: none */
        struct hone_strings validation_mm;    /* the second validation set; n == 0: none */
        struct hone_numbers weights;          /* of each item of train, in an epoch; n == 0: by their sizes */
        double validation_fraction;           /* of train, held out as validation; 0: none */
        int64_t max_samples;                  /* of train; 0: all */
        enum hone_data_format format;         /* HONE_FORMAT_AUTO: by each file's name */
        enum hone_ragged_rows ragged_rows;
        bool header;
        struct hone_column text, text_pair; /* the first may be absent in lines and sentences */
        struct hone_columns label; /* several hold several numbers, or 0 or 1 for each label; a masked LM: none;
                                      of tags the last column unless named */
        char *label_separator;     /* between labels of one column */
        char *cache;               /* folder of the token cache, "~/" is $HOME; NULL or "no": none */
        bool line_by_line;         /* of a masked LM: a sample is a line, not a window */
        int64_t max_length;        /* tokens, special ones included */
        int64_t stride;            /* tokens that a window of a longer sentence repeats of the one before */
    } data;
    struct {
        double epochs;              /* > 0, may have a fraction; 0 when max_steps is given */
        int64_t max_steps;          /* 0: not given, epochs counts */
        int64_t batch_size;         /* sequences per optimizer step */
        int64_t micro_batch_tokens; /* HONE_AUTO or >= 1 */
        int64_t seed;               /* 0 … 2^32 - 1 */
        enum hone_non_finite non_finite;
        int64_t skip_limit;     /* steps that may be skipped in a run */
        double ema_decay;       /* of the average of the weights; 0: none */
        int64_t early_stopping; /* evaluations without improvement before stopping; 0: off */
    } training;
    struct {
        enum hone_optimizer_name name;
        double lr, weight_decay, beta1, beta2, epsilon;
        double momentum;
        bool nesterov;
        double decay_rate, clip_threshold, scale_epsilon;
        bool scale_parameter, relative_step, warmup_init;
        double clip_norm, clip_value; /* 0: no clipping */
        double layer_decay;           /* of the learning rate, a layer below; 1: none */
        struct hone_group_options groups;
    } optimizer;
    struct {
        int64_t layers; /* the first of the model */
        bool embeddings;
        struct hone_strings patterns; /* globs over Hub names */
    } freeze;
    struct {
        enum hone_schedule_name name;
        struct hone_steps warmup, decay;
        int64_t stable_steps;     /* 0: not given */
        double num_cycles, power; /* 0: not of this schedule */
        double lr_end, min_lr_ratio;
        int64_t timescale; /* 0: not given */
        enum hone_curve warmup_type, decay_type;
    } schedule;
    enum hone_precision precision;
    enum hone_device_choice device;
    struct {
        int64_t every; /* HONE_EVERY_EPOCH, HONE_NEVER, or a number of optimizer steps */
        enum hone_metric metric;
    } evaluation;
    struct {
        struct hone_interval every;
        int64_t keep; /* newest checkpoints that stay, beside the best model's */
        enum hone_resume resume;
    } checkpoint;
    struct {
        enum hone_reproducible reproducible;
        int64_t leaf;   /* sequences */
        double timeout; /* seconds */
        enum hone_transport transport;
        int64_t zero_stage;
    } distributed;
    char *output; /* the run folder */
    struct {
        int64_t every; /* optimizer steps */
        enum hone_log_level level;
    } logging;
    struct hone_origin *origin; /* where its values stand; NULL: nowhere */
};

/* Reads the recipe at `path`, then applies n overrides "dotted.key=value" (value parsed as YAML; null unsets; of two for
 * one key the later counts; training.max_steps given here takes the place of the file's training.epochs, and the
 * other way round). All mistakes are collected: HONE_USAGE then, one mistake a line in `mistakes` (sorted by
 * line, the command line's last: "recipe.yaml:7:3: unknown key …", "command line: key=value: …"), and the message is
 * the summary "recipe.yaml: 3 mistakes". A file that cannot be read or is not YAML leaves `mistakes` empty, the message
 * says all. Nothing is checked outside the recipe: whether files exist shows when they are opened. `out` is freed with
 * hone_recipe_free; after a failure it is empty. `mistakes` starts as {0} and is the caller's to free. */
enum hone_status hone_recipe_read(struct hone_recipe *out, const char *path, char **overrides, int n,
                                  struct hone_text *mistakes);
/* The same, and files and folders that are not there are mistakes, too: HONE_BAD_INPUT where there are no others. */
enum hone_status hone_recipe_check(struct hone_recipe *out, const char *path, char **overrides, int n,
                                   struct hone_text *mistakes);
void hone_recipe_free(struct hone_recipe *recipe);
/* For a mistake that shows only beside data or model: returns `status`, and if that isn't HONE_OK, puts the place of the
 * option's value before its message ("recipe.yaml:7:3", "command line: key=value"). */
enum hone_status hone_recipe_at(const struct hone_recipe *recipe, const char *option, enum hone_status status);

/* The resolved recipe as YAML: every option with its value, in the table's order; reading it gives the same recipe.
 * Appends to `text`; hone_recipe_write writes it to a file, atomically. */
void hone_recipe_text(struct hone_text *text, const struct hone_recipe *recipe);
enum hone_status hone_recipe_write(const struct hone_recipe *recipe, const char *path);

/* Every option with type, bounds, default and its help line, for --help. */
void hone_recipe_help(struct hone_text *text);

/* JSON Schema (draft 2020-12) for editors; unknown keys are not allowed. */
void hone_recipe_schema(struct hone_text *text);

/* The word of the recipe for an enumeration's value, e.g. hone_recipe_word("evaluation.metric", HONE_METRIC_LOSS). */
const char *hone_recipe_word(const char *option, int value);

#endif

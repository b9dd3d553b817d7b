#include "recipes/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/model_files.h"
#include "recipes/groups.h"

/* A share of the memory that is free now; the rest is the system's and other programs'. */
#define MEMORY_SHARE 0.8
/* Above this many tokens a larger micro-batch brings no speed on a CPU. */
#define CPU_MICRO_BATCH_TOKENS 2048
/* A run of more samples than this is not walked through beforehand: that would take seconds. */
#define SAMPLES_TO_WALK (4 << 20)

/* Whether the data's labels, collected, are meant by the model's names: all of them are among these, or they are as many
 * numbers. LABEL_0, … are no names. */
static bool are_names_of(const struct hone_labels *model, const struct hone_labels *data) {
    bool by_name = true, by_number = model->n == data->n, named = false;
    for (int64_t i = 0; i < model->n; i++) {
        char number[32];
        snprintf(number, sizeof number, "LABEL_%lld", (long long)i);
        named = named || strcmp(model->names[i], number) != 0;
    }
    for (int64_t i = 0; i < data->n; i++) {
        size_t n = strlen(data->names[i]);
        bool found = false;
        for (int64_t j = 0; j < model->n && !found; j++) found = strcmp(model->names[j], data->names[i]) == 0;
        by_name = by_name && found;
        by_number = by_number && hone_labels_find(model, data->names[i], n) >= 0;
    }
    return named && (by_name || by_number);
}

/* A model that was fine-tuned before keeps its names, and their order, where the data's labels mean them. */
static enum hone_status take_names_of_model(struct hone_labels *labels, const struct hone_recipe *recipe) {
    char *folder = NULL, *path = NULL;
    json_t *config = NULL;
    struct hone_labels names = {0};
    size_t n = 0;
    enum hone_status status;
    HONE_TRY_GOTO(hone_hub_find(&folder, recipe->model.path));
    HONE_TRY_GOTO(hone_config_read(&config, folder));
    path = hone_path_join(folder, "config.json");
    HONE_TRY_GOTO(hone_config_labels(&names.names, &n, config, path));
    names.n = (int64_t)n;
    if (are_names_of(&names, labels)) {
        names.scheme = labels->scheme;
        struct hone_labels collected = *labels;
        *labels = names;
        names = collected;
        char *list = hone_labels_list(labels);
        hone_info("labels as in %s: %s", recipe->model.path, list);
        hone_free(list);
    }
done:
    hone_labels_free(&names);
    hone_free(folder);
    hone_free(path);
    json_decref(config);
    return status;
}

static enum hone_status read_labels(struct hone_labels *labels, const struct hone_run *run) {
    const struct hone_recipe *recipe = run->recipe;
    if (recipe->task.labels.n) {
        hone_labels_copy(labels, recipe->task.labels.items, recipe->task.labels.n);
        labels->scheme = recipe->task.scheme;
        return HONE_OK;
    }
    if (!run->task->collect_labels) return HONE_OK;
    HONE_TRY(run->task->collect_labels(labels, recipe));
    /* Numbers, and columns in the recipe's order, have nothing to do with the names that a model knows. */
    if (recipe->task.problem_type == HONE_REGRESSION || recipe->data.label.n > 1) return HONE_OK;
    return take_names_of_model(labels, recipe);
}

static enum hone_status read_split(struct hone_samples *out, struct hone_run *run, enum hone_split split,
                                   enum hone_run_depth depth) {
    struct hone_cache_entry *entry = &run->entries[split];
    if (!hone_dataset_exists(run->recipe, split)) return HONE_OK;
    double begin = hone_seconds();
    HONE_TRY(hone_tokens_read(out, entry, run->task, run->recipe, split, &run->folder,
                              depth == HONE_RUN_TOKENS ? HONE_CACHE_NEEDED : HONE_CACHE_AUTO));
    double seconds = hone_seconds() - begin;
    if (out == &run->train) run->encode_seconds = seconds;
    hone_info("%s: %lld samples, %lld tokens (longest %lld, %lld truncated), %s in %.2f s", hone_split_name(split),
              (long long)out->n, (long long)out->n_tokens, (long long)out->longest, (long long)out->truncated,
              entry->found ? "found in the token cache" : "read", seconds);
    return HONE_OK;
}

/* Each item of data.train is a range of samples, since its files follow each other. */
static enum hone_status make_mix(struct hone_run *run) {
    const struct hone_numbers *weights = &run->recipe->data.weights;
    if (!weights->n) return HONE_OK;
    int64_t *sizes = hone_calloc(weights->n, sizeof *sizes, "sizes of data sets");
    enum hone_status status = HONE_OK;
    for (int64_t i = 0; i < run->train.n; i++) sizes[run->train.sources[run->train.files[i]]]++;
    for (size_t s = 0; s < weights->n && status == HONE_OK; s++)
        if (sizes[s] == 0)
            status = hone_fail(HONE_USAGE, "%s: has a weight in data.weights, but no sample is taken from it",
                               run->recipe->data.train.items[s]);
    status = hone_recipe_at(run->recipe, "data.weights", status);
    if (status == HONE_OK) hone_mix_create(&run->mix, sizes, weights->items, weights->n);
    hone_free(sizes);
    return status;
}

uint32_t hone_run_epoch(const struct hone_run *run, int64_t step) { return (uint32_t)(step / run->steps_per_epoch); }

int64_t hone_run_step_samples(const struct hone_run *run, int64_t step, int64_t *chosen) {
    int64_t batch_size = run->recipe->training.batch_size;
    uint32_t epoch = hone_run_epoch(run, step);
    int64_t begin = step % run->steps_per_epoch * batch_size;
    int64_t n = run->train.n - begin < batch_size ? run->train.n - begin : batch_size;
    for (int64_t i = 0; i < n; i++) {
        uint64_t seed = (uint64_t)run->recipe->training.seed;
        chosen[i] = run->mix.n_sources ? hone_mix_at(&run->mix, begin + i, seed, epoch)
                                       : hone_sample_at(&run->train, begin + i, seed, epoch);
    }
    return n;
}

int64_t hone_run_micro_batch(const struct hone_run *run, const int64_t *chosen, int64_t begin, int64_t n) {
    if (run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD)
        return hone_min_i64(run->recipe->distributed.leaf, n - begin);
    return hone_micro_batch(&run->train, chosen, begin, n, run->micro_batch_tokens);
}

/* Walks the run's whole order, which is fixed by the seed, for the largest micro-batch that it makes; a run too long
 * for that gets the largest of any order. */
static void find_largest_micro_batch(struct hone_run *run) {
    bool leaves = run->recipe->distributed.reproducible == HONE_REPRODUCIBLE_WORLD;
    /* What a rank is dealt are other micro-batches; leaves are the same on any. */
    if ((!leaves && run->world->size > 1) || run->steps > SAMPLES_TO_WALK / run->recipe->training.batch_size) {
        hone_micro_batch_worst(&run->most_tokens, &run->most_sequences, &run->train,
                               leaves ? run->recipe->distributed.leaf : run->recipe->training.batch_size,
                               leaves ? INT64_MAX : run->micro_batch_tokens);
        /* A mix takes a sample more than once. */
        if (run->mix.n_sources) {
            int64_t most = leaves ? run->recipe->distributed.leaf : run->recipe->training.batch_size;
            run->most_sequences = most;
            run->most_tokens = most * run->train.longest;
            if (!leaves)
                run->most_tokens =
                    hone_max_i64(run->train.longest, hone_min_i64(run->most_tokens, run->micro_batch_tokens));
        }
        return;
    }
    int64_t *chosen = hone_alloc((size_t)run->recipe->training.batch_size, sizeof *chosen, "samples of a step");
    run->most_tokens = run->most_sequences = 0;
    for (int64_t step = 0; step < run->steps; step++) {
        int64_t n = hone_run_step_samples(run, step, chosen);
        for (int64_t begin = 0; begin < n;) {
            int64_t count = hone_run_micro_batch(run, chosen, begin, n), tokens = 0;
            for (int64_t i = begin; i < begin + count; i++) {
                tokens += run->train.begins[chosen[i] + 1] - run->train.begins[chosen[i]];
            }
            if (tokens > run->most_tokens) run->most_tokens = tokens;
            if (count > run->most_sequences) run->most_sequences = count;
            begin += count;
        }
    }
    hone_free(chosen);
}

static int64_t evaluation_longest(const struct hone_run *run) {
    return hone_max_i64(hone_max_i64(run->validation.longest, run->validation_mm.longest), run->test.longest);
}

void hone_run_capacity(int64_t *tokens, int64_t *sequences, const struct hone_run *run) {
    *tokens = hone_max_i64(run->most_tokens, hone_max_i64(HONE_INFERENCE_TOKENS, evaluation_longest(run)));
    *sequences = hone_max_i64(run->most_sequences, HONE_INFERENCE_SEQUENCES);
}

static struct hone_optimizer_settings optimizer_settings(const struct hone_recipe *r) {
    return (struct hone_optimizer_settings){.name = r->optimizer.name,
                                            .weight_decay = r->optimizer.weight_decay,
                                            .beta1 = r->optimizer.beta1,
                                            .beta2 = r->optimizer.beta2,
                                            .epsilon = r->optimizer.epsilon,
                                            .momentum = r->optimizer.momentum,
                                            .nesterov = r->optimizer.nesterov,
                                            .decay_rate = r->optimizer.decay_rate,
                                            .clip_threshold = r->optimizer.clip_threshold,
                                            .scale_epsilon = r->optimizer.scale_epsilon,
                                            .scale_parameter = r->optimizer.scale_parameter,
                                            .clip_norm = r->optimizer.clip_norm,
                                            .ema_decay = r->training.ema_decay,
                                            .clip_value = r->optimizer.clip_value};
}

static int64_t steps_of(struct hone_steps steps, int64_t total) {
    return steps.steps ? steps.steps : hone_schedule_steps(steps.ratio, total);
}

static enum hone_status plan_schedule(struct hone_run *run) {
    const struct hone_recipe *r = run->recipe;
    struct hone_schedule *s = &run->schedule;
    *s = (struct hone_schedule){.name = r->schedule.name,
                                .total = run->steps,
                                .warmup = steps_of(r->schedule.warmup, run->steps),
                                .num_cycles = r->schedule.num_cycles,
                                .power = r->schedule.power,
                                .end_ratio = r->schedule.lr_end / r->optimizer.lr,
                                .min_ratio = r->schedule.min_lr_ratio,
                                .timescale = r->schedule.timescale,
                                .stable = r->schedule.stable_steps,
                                .decay = steps_of(r->schedule.decay, run->steps),
                                .warmup_curve = r->schedule.warmup_type,
                                .decay_curve = r->schedule.decay_type};
    if (s->name != HONE_SCHEDULE_WARMUP_STABLE_DECAY || s->stable) return HONE_OK;
    s->stable = s->total - s->warmup - s->decay;
    if (s->stable >= 0) return HONE_OK;
    return hone_fail(
        HONE_USAGE, "schedule.warmup and schedule.decay are %lld and %lld steps, but the run has only %lld: lower them",
        (long long)s->warmup, (long long)s->decay, (long long)s->total);
}

/* `tokens`: of micro-batches, HONE_AUTO to choose here. */
static enum hone_status plan_steps(struct hone_run *run, int64_t tokens) {
    const struct hone_recipe *recipe = run->recipe;
    int64_t batch_size = recipe->training.batch_size;
    run->steps_per_epoch = (run->train.n + batch_size - 1) / batch_size;
    run->steps = recipe->training.max_steps ? recipe->training.max_steps
                                            : (int64_t)ceil(recipe->training.epochs * (double)run->steps_per_epoch);
    HONE_TRY(plan_schedule(run));
    run->tokens_per_epoch = run->train.begins[run->train.n];
    run->micro_batch_tokens = tokens;
    bool chosen_here = run->micro_batch_tokens == HONE_AUTO;
    if (chosen_here) {
        run->micro_batch_tokens =
            hone_min_i64(CPU_MICRO_BATCH_TOKENS, hone_max_i64(batch_size * run->train.longest, 1));
    }
    size_t free_bytes = (size_t)(MEMORY_SHARE * (double)hone_available_bytes() / run->world->size);
    const struct hone_parameters *parameters = run->folder.model->parameters;
    run->optimizer = optimizer_settings(recipe);
    run->optimizer.groups = run->groups;
    if (recipe->distributed.zero_stage == 1) {
        run->optimizer.part = run->world->rank;
        run->optimizer.parts = run->world->size;
    }
    size_t states = sizeof(float) * (size_t)hone_parameters_trained(parameters) + hone_parameters_bytes(parameters) +
                    hone_optimizer_bytes(parameters, &run->optimizer);
    for (;;) {
        find_largest_micro_batch(run);
        int64_t T = hone_max_i64(HONE_INFERENCE_TOKENS, evaluation_longest(run)), B = HONE_INFERENCE_SEQUENCES;
        size_t inference =
            hone_engine_arena(run->folder.model, HONE_INFERENCE, T, B, hone_batch_rows_worst(&run->train, T, B),
                              hone_max_i64(evaluation_longest(run), 1));
        T = run->most_tokens;
        B = run->most_sequences;
        run->arena_bytes =
            hone_engine_arena(run->folder.model, HONE_TRAINING, T, B, hone_batch_rows_worst(&run->train, T, B),
                              hone_min_i64(run->train.longest, T));
        if (inference > run->arena_bytes && evaluation_longest(run)) run->arena_bytes = inference;
        if (states + run->arena_bytes <= free_bytes) return HONE_OK;
        if (!chosen_here || run->micro_batch_tokens <= run->train.longest) break;
        run->micro_batch_tokens = hone_max_i64(run->micro_batch_tokens / 2, run->train.longest);
    }
    char needed[16], have[16];
    return hone_fail(HONE_OUT_OF_MEMORY,
                     "the run needs %s (largest micro-batch %lld tokens), but only %s are free; lower "
                     "training.micro_batch_tokens or data.max_length",
                     hone_bytes(needed, (double)(states + run->arena_bytes)), (long long)run->most_tokens,
                     hone_bytes(have, (double)free_bytes));
}

static enum hone_status open_parts(struct hone_run *run, enum hone_run_depth depth) {
    const struct hone_recipe *recipe = run->recipe;
    struct hone_labels labels = {0};
    HONE_TRY(hone_device_open(&run->device, hone_recipe_word("device", (int)recipe->device)));
    enum hone_status status = read_labels(&labels, run);
    if (status == HONE_OK)
        status = hone_recipe_at(recipe, "evaluation.metric",
                                hone_metric_check(run->task, recipe->evaluation.metric, &labels));
    if (status == HONE_OK) {
        struct hone_model_folder_options options = {.device = run->device,
                                                    .head = run->task->head,
                                                    .precision = recipe->precision,
                                                    .labels = &labels,
                                                    .problem = recipe->task.problem_type,
                                                    .threshold = recipe->task.threshold,
                                                    .given_words = true,
                                                    .training = true,
                                                    .from_nothing = recipe->model.init == HONE_INIT_RANDOM,
                                                    .config = recipe->model.config,
                                                    .new_head = recipe->model.head == HONE_HEAD_WEIGHTS_NEW,
                                                    .finite = recipe->model.check_weights == HONE_WEIGHTS_ERROR,
                                                    .seed = (uint64_t)recipe->training.seed};
        status = hone_model_folder_outline(&run->folder, recipe->model.path, options);
    }
    hone_labels_free(&labels);
    HONE_TRY(status);
    if (recipe->data.max_length > run->folder.model->max_positions) {
        status = hone_fail(HONE_USAGE, "data.max_length is %lld, but the model in %s has positions for %lld tokens",
                           (long long)recipe->data.max_length, recipe->model.path,
                           (long long)run->folder.model->max_positions);
        return hone_recipe_at(recipe, "data.max_length", status);
    }
    HONE_TRY(hone_groups_apply(&run->groups, run->folder.model, recipe));
    for (int32_t i = 0; i < hone_parameters_count(run->folder.model->parameters); i++) {
        const struct hone_parameter *p = hone_parameters_get(run->folder.model->parameters, i);
        if (!p->frozen) run->trained += p->count;
    }
    HONE_TRY(read_split(&run->train, run, HONE_SPLIT_TRAIN, depth));
    HONE_TRY(make_mix(run));
    HONE_TRY(hone_objective_create(&run->objective, recipe, &run->folder.labels, &run->train, run->device));
    HONE_TRY(read_split(&run->validation, run, HONE_SPLIT_VALIDATION, depth));
    HONE_TRY(read_split(&run->test, run, HONE_SPLIT_TEST, depth));
    HONE_TRY(read_split(&run->validation_mm, run, HONE_SPLIT_VALIDATION_MM, depth));
    if (depth == HONE_RUN_TOKENS) return HONE_OK;
    HONE_TRY(plan_steps(run, recipe->training.micro_batch_tokens));
    if (depth == HONE_RUN_OUTLINE) return HONE_OK;
    HONE_TRY(hone_identity_make(&run->identity, recipe, &run->train, &run->validation));
    return hone_model_folder_load(&run->folder);
}

enum hone_status hone_run_open(struct hone_run *run, const struct hone_recipe *recipe, enum hone_run_depth depth) {
    *run = (struct hone_run){.recipe = recipe,
                             .task = hone_task_find(recipe->task.type, recipe->task.problem_type),
                             .world = hone_world_alone()};
    enum hone_status status = open_parts(run, depth);
    if (status != HONE_OK) hone_run_close(run);
    return status;
}

enum hone_status hone_run_replan(struct hone_run *run, int64_t tokens) { return plan_steps(run, tokens); }

void hone_run_close(struct hone_run *run) {
    hone_identity_free(&run->identity);
    for (int i = 0; i < HONE_SPLITS; i++) hone_cache_entry_free(&run->entries[i]);
    hone_free(run->groups);
    hone_samples_free(&run->train);
    hone_mix_free(&run->mix);
    hone_samples_free(&run->validation);
    hone_samples_free(&run->test);
    hone_samples_free(&run->validation_mm);
    hone_objective_free(&run->objective);
    hone_model_folder_close(&run->folder);
}

struct sink {
    const struct hone_task_class *task;
    struct hone_measure *measure;
};

static void measure_batch(const struct hone_batch *batch, const float *logits, void *user) {
    struct sink *sink = user;
    sink->task->measure_add(sink->measure, batch, logits);
}

enum hone_status hone_evaluate(json_t *results, double *value, struct hone_engine *engine,
                               const struct hone_task_class *task, const struct hone_model_folder *folder,
                               const struct hone_samples *samples, enum hone_metric metric, const char *prefix) {
    double begin = hone_seconds();
    struct sink sink = {task, task->measure_create(folder, samples)};
    enum hone_status status = hone_engine_infer(
        engine, samples, 0, samples->n, hone_max_i64(HONE_INFERENCE_TOKENS, samples->longest), measure_batch, &sink);
    double seconds = hone_seconds() - begin;
    if (status == HONE_OK) {
        char key[64];
        struct hone_figures figures = {.confusion = NULL};
        task->measure_report(sink.measure, &figures);
        hone_figures_write(results, &figures, prefix);
        snprintf(key, sizeof key, "%s_samples", prefix);
        json_object_set_new(results, key, json_integer(samples->n));
        snprintf(key, sizeof key, "%s_runtime", prefix);
        json_object_set_new(results, key, json_real(seconds));
        snprintf(key, sizeof key, "%s_samples_per_second", prefix);
        json_object_set_new(results, key, json_real((double)samples->n / seconds));
        if (value) *value = figures.known[metric] ? figures.values[metric] : NAN;
    }
    task->measure_free(sink.measure);
    return status;
}

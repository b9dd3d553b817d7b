#include "recipes/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "recipes/certificate.h"
#include "recipes/checkpoint.h"
#include "recipes/checkpoint_files.h"
#include "recipes/run_folder.h"
#include "recipes/train.h"

#define METRICS_LIMIT ((size_t)1 << 30)

struct verification {
    const char *run, *again; /* folders */
    json_t *recorded, *made; /* all_results.json of both; made NULL: not all steps */
    struct hone_replay replay;
    int64_t lines, figures, checkpoints; /* compared */
};

/* Clocks and what is measured with them; where the run lies and what it used. */
static bool is_of_clocks(const char *key) {
    static const char *const ends[] = {"runtime", "per_second", "peak_memory_bytes", "certificate"};
    size_t n = strlen(key);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strcmp(key + n - m, ends[i]) == 0) return true;
    }
    return false;
}

static enum hone_status differs(const struct verification *v, const char *where, const char *there, const char *here) {
    return hone_fail(HONE_NUMERIC, "%s: recorded %s, replayed %s%s%s", where, there, here,
                     v->replay.differences.length ? v->replay.differences.bytes : "",
                     v->replay.differences.length ? "; bits are promised for one build on one model of CPU" : "");
}

/* Every member of `there` but those of clocks is the same in `here`, and the other way round. */
static enum hone_status compare_members(const struct verification *v, const char *where, const json_t *there,
                                        const json_t *here, int64_t *count) {
    const char *key;
    json_t *value;
    enum hone_status status = HONE_OK;
    for (int turn = 0; turn < 2 && status == HONE_OK; turn++) {
        json_object_foreach((json_t *)(turn ? here : there), key, value) {
            const json_t *a = json_object_get(there, key), *b = json_object_get(here, key);
            if (is_of_clocks(key) || status != HONE_OK) continue;
            *count += turn == 0;
            if (a && b && json_equal(a, b)) continue;
            char *x = a ? json_dumps(a, JSON_ENCODE_ANY) : NULL, *y = b ? json_dumps(b, JSON_ENCODE_ANY) : NULL;
            char *place = hone_format("%s: \"%s\"", where, key);
            status = differs(v, place, x ? x : "nothing", y ? y : "nothing");
            hone_free(place);
            free(x);
            free(y);
        }
    }
    return status;
}

static enum hone_status read_metrics(char **bytes, size_t *n, const char *folder) {
    char *path = hone_path_join(folder, "metrics.jsonl");
    enum hone_status status = hone_read_file(bytes, n, path, METRICS_LIMIT);
    hone_free(path);
    return status;
}

static enum hone_status compare_line(struct verification *v, const char *there, size_t n_there, const char *here,
                                     size_t n_here) {
    char *where = hone_format("%s/metrics.jsonl:%lld", v->run, (long long)v->lines + 1);
    json_t *a = NULL, *b = NULL;
    enum hone_status status = hone_json_parse(&a, there, n_there, where);
    if (status == HONE_OK) status = hone_json_parse(&b, here, n_here, where);
    if (status == HONE_OK) status = compare_members(v, where, a, b, &v->figures);
    json_decref(a);
    json_decref(b);
    hone_free(where);
    v->lines++;
    return status;
}

/* The lines of the replay are the first of the run; with all steps they are all. */
static enum hone_status compare_metrics(struct verification *v) {
    char *there = NULL, *here = NULL;
    size_t n_there, n_here, a = 0, b = 0;
    enum hone_status status;
    HONE_TRY_GOTO(read_metrics(&there, &n_there, v->run));
    HONE_TRY_GOTO(read_metrics(&here, &n_here, v->again));
    while (b < n_here && a < n_there) {
        size_t length_a = strcspn(there + a, "\n"), length_b = strcspn(here + b, "\n");
        HONE_TRY_GOTO(compare_line(v, there + a, length_a, here + b, length_b));
        a += length_a + 1;
        b += length_b + 1;
    }
    if (b < n_here || (v->made && a < n_there)) {
        char *where = hone_format("%s/metrics.jsonl, after line %lld", v->run, (long long)v->lines);
        status = differs(v, where, b < n_here ? "nothing" : "more lines", b < n_here ? "more lines" : "nothing");
        hone_free(where);
    }
done:
    hone_free(there);
    hone_free(here);
    return status;
}

static enum hone_status compare_checkpoint(struct verification *v, const char *path, const char *path_again) {
    json_t *there = NULL, *here = NULL;
    enum hone_status status = hone_checkpoint_verify(&there, path);
    if (status != HONE_OK) {
        status = hone_fail(HONE_RESUME_MISMATCH, "%s is damaged: %s", path, hone_error_message());
    } else {
        status = hone_checkpoint_verify(&here, path_again);
    }
    const char *name;
    json_t *facts;
    json_object_foreach(json_object_get(there, "files"), name, facts) {
        const json_t *other = json_object_get(json_object_get(here, "files"), name);
        if (status != HONE_OK || (other && json_equal(facts, other))) continue;
        const char *a = json_string_value(json_object_get(facts, "sha256"));
        const char *b = json_string_value(json_object_get(other, "sha256"));
        char *where = hone_format("%s/%s: SHA-256", path, name);
        status = differs(v, where, a, b ? b : "nothing");
        hone_free(where);
    }
    json_decref(there);
    json_decref(here);
    v->checkpoints++;
    return status;
}

static enum hone_status compare_checkpoints(struct verification *v) {
    char *folder = hone_checkpoints_folder(v->run), *again = hone_checkpoints_folder(v->again), **names = NULL;
    size_t n = 0;
    enum hone_status status = hone_checkpoint_list(&names, &n, folder);
    for (size_t i = 0; i < n && status == HONE_OK; i++) {
        char *path = hone_path_join(folder, names[i]), *path_again = hone_path_join(again, names[i]);
        if (hone_folder_exists(path_again)) status = compare_checkpoint(v, path, path_again);
        hone_free(path);
        hone_free(path_again);
    }
    hone_names_free(names, n);
    hone_free(folder);
    hone_free(again);
    return status;
}

/* The model that lies in the folder is the one that the certificate tells of. */
static enum hone_status check_model(const struct verification *v) {
    const char *recorded = json_string_value(json_object_get(v->replay.certificate, "model"));
    char *path = hone_path_join(v->run, "model.safetensors"), hash[HONE_SHA256_TEXT];
    enum hone_status status = hone_sha256_file(hash, path);
    if (status == HONE_OK && (!recorded || strcmp(hash, recorded) != 0))
        status =
            hone_fail(HONE_RESUME_MISMATCH,
                      "%s is not what the run left: its SHA-256 is %s, the certificate in all_results.json says %s",
                      path, hash, recorded ? recorded : "nothing");
    hone_free(path);
    return status;
}

static enum hone_status compare_end(struct verification *v) {
    if (!v->made) return HONE_OK;
    char *where = hone_format("%s/all_results.json", v->run);
    enum hone_status status = compare_members(v, where, v->recorded, v->made, &v->figures);
    const char *there = json_string_value(json_object_get(v->replay.certificate, "model"));
    const char *here = json_string_value(json_object_get(json_object_get(v->made, "certificate"), "model"));
    if (status == HONE_OK && strcmp(there, here) != 0) {
        hone_free(where);
        where = hone_format("%s/model.safetensors: SHA-256", v->run);
        status = differs(v, where, there, here);
    }
    hone_free(where);
    return status;
}

static enum hone_status replay(struct verification *v) {
    struct hone_recipe recipe;
    struct hone_text mistakes = {0};
    char *path = hone_path_join(v->run, "recipe.yaml"), *output = hone_format("output=%s", v->again);
    char resume[] = "checkpoint.resume=never", *overrides[] = {output, resume};
    enum hone_status status = hone_recipe_read(&recipe, path, overrides, 2, &mistakes);
    hone_text_free(&mistakes);
    hone_free(path);
    hone_free(output);
    HONE_TRY(status);
    status = hone_train_again(&v->made, &recipe, &v->replay);
    hone_recipe_free(&recipe);
    if (status == HONE_OK) status = compare_metrics(v);
    if (status == HONE_OK) status = compare_checkpoints(v);
    return status == HONE_OK ? compare_end(v) : status;
}

enum hone_status hone_verify(json_t **report, const char *run_folder, int64_t steps) {
    struct verification v = {.run = run_folder, .replay = {.steps = steps}};
    char *again = NULL;
    enum hone_status status;
    *report = NULL;
    HONE_TRY(hone_run_folder_results(&v.recorded, run_folder));
    v.replay.certificate = json_object_get(v.recorded, "certificate");
    if (!json_is_object(v.replay.certificate))
        HONE_TRY_GOTO(hone_fail(HONE_BAD_INPUT, "%s/all_results.json: there is no \"certificate\" in it", run_folder));
    HONE_TRY_GOTO(check_model(&v));
    HONE_TRY_GOTO(hone_temporary_folder(&again, run_folder));
    v.again = again;
    HONE_TRY_GOTO(replay(&v));
    *report =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "run", run_folder, "steps", (json_int_t)v.replay.replayed,
                  "of", (json_int_t)v.replay.of, "lines", (json_int_t)v.lines, "figures", (json_int_t)v.figures,
                  "checkpoints", (json_int_t)v.checkpoints, "same_program", v.replay.differences.length == 0);
done:
    status = hone_discard_folder(again, status);
    hone_free(again);
    hone_text_free(&v.replay.differences);
    json_decref(v.recorded);
    json_decref(v.made);
    return status;
}

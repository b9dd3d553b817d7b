/* hone prepare RECIPE [key=value]… */
#include <string.h>

#include "base/stop.h"
#include "recipes/run.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone prepare RECIPE [key=value]…\n\n"
    "Tokenizes the recipe's data into the token cache (data.cache, by default ~/.cache/hone/tokens) and prints for "
    "each\n"
    "split what it has and where it lies. hone train does the same on the way; this is for machines and hours in "
    "which\n"
    "nothing is trained yet. What is there already stays; it can be interrupted and run again. Tokens are kept by the\n"
    "contents of data and tokenizer, the options that decide what is read, the labels and this build of hone: when "
    "any\n"
    "of it differs they are made anew.\n";

static json_t *describe(const struct hone_run *run) {
    const struct hone_samples *const samples[HONE_SPLITS] = {[HONE_SPLIT_TRAIN] = &run->train,
                                                             [HONE_SPLIT_VALIDATION] = &run->validation,
                                                             [HONE_SPLIT_TEST] = &run->test,
                                                             [HONE_SPLIT_VALIDATION_MM] = &run->validation_mm};
    json_t *object = json_object();
    for (int i = 0; i < HONE_SPLITS; i++) {
        const struct hone_cache_entry *entry = &run->entries[i];
        if (!samples[i]->n) continue;
        json_object_set_new(object, hone_split_name((enum hone_split)i),
                            json_pack("{s:I, s:I, s:I, s:I, s:s, s:b}", "samples", (json_int_t)samples[i]->n, "tokens",
                                      (json_int_t)samples[i]->n_tokens, "longest", (json_int_t)samples[i]->longest,
                                      "truncated", (json_int_t)samples[i]->truncated, "cache", entry->path, "found",
                                      entry->found));
    }
    return object;
}

static enum hone_status prepare(int n_positional, char **argv) {
    struct hone_recipe recipe;
    struct hone_run run;
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    hone_stop_watch();
    enum hone_status status = hone_run_open(&run, &recipe, HONE_RUN_TOKENS);
    if (status == HONE_OK) {
        json_t *object = describe(&run);
        status = hone_tool_print_json(object);
        json_decref(object);
        hone_run_close(&run);
    }
    hone_recipe_free(&recipe);
    return status;
}

int hone_tool_prepare(int argc, char **argv) {
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK) status = helped ? hone_tool_flush() : prepare(n_positional, argv);
    return hone_tool_end(status);
}

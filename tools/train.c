/* hone train RECIPE [key=value]… */
#include <string.h>

#include "base/stop.h"
#include "recipes/train.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone train RECIPE [key=value]…\n\n"
    "Trains or fine-tunes as the recipe says and leaves the best model in its output folder: config.json,\n"
    "model.safetensors, tokenizer files, README.md, recipe.yaml (resolved), metrics.jsonl, all_results.json.\n"
    "Transformers loads the folder as it is. The results are printed as JSON.\n"
    "A complete run is left as it is: its results are printed again. One that was killed or interrupted goes on from "
    "its\n"
    "newest checkpoint, bit for bit as if nothing had happened. SIGTERM, SIGUSR1 and Ctrl-C end the present step, "
    "save,\n"
    "and exit with 75 (Ctrl-C: 130); a second one exits at once.\n\n"
    "  hone train recipes/sentiment_bert.yaml\n"
    "  hone train recipes/sentiment_bert.yaml training.epochs=3 data.test=null output=runs/longer\n\n"
    "Threads: OMP_NUM_THREADS, by default one for each core.\n\n"
    "Keys of a recipe, each can be given as key=value:\n\n";

static enum hone_status print_help(void) {
    struct hone_text text = {0};
    hone_text_append(&text, help, strlen(help));
    hone_recipe_help(&text);
    enum hone_status status = hone_tool_print(text.bytes, text.length);
    hone_text_free(&text);
    return status == HONE_OK ? hone_tool_flush() : status;
}

static enum hone_status train(int n_positional, char **argv) {
    struct hone_recipe recipe;
    json_t *results = NULL;
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    hone_stop_watch();
    enum hone_status status = hone_train(&results, &recipe);
    if (status == HONE_OK) hone_info("the model is in %s", recipe.output);
    if (status == HONE_OK) status = hone_tool_print_json(results);
    json_decref(results);
    hone_recipe_free(&recipe);
    return status;
}

int hone_tool_train(int argc, char **argv) {
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, "", &n_positional, &helped);
    if (status == HONE_OK) status = helped ? print_help() : train(n_positional, argv);
    return hone_tool_end(status);
}

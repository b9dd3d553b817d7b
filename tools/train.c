/* hone train RECIPE [key=value]… */
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "recipes/train.h"
#include "tools/entity_table.h"
#include "tools/recipe_option.h"
#include "tools/sweep_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone train RECIPE [key=value]… [--seeds N]\n"
    "       hone train RECIPE [key=value]… replay=FILE\n\n"
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
    "  --seeds N  train N times, with seeds from training.seed on, each run in a folder of its own below the output\n"
    "             folder; tells mean, standard deviation and 95 % interval of every metric, and leaves sweep.json\n\n"
    "  replay=FILE  take the step behind a checkpoint once more, by its state.h5, and look at what every op gives: "
    "tells\n"
    "             loss and samples, or the op, parameter and sample where a number stops being finite (exit code 6).\n"
    "             A run that such a number stops saves the state before it and names the file. Nothing is changed\n\n"
    "With several ranks (hone launch, or torchrun, mpirun, srun, each once for a rank) the ranks share every step's\n"
    "samples; training.batch_size is that of all together, rank 0 writes, and the output is on a disk that all see.\n\n"
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

/* Takes "replay=FILE" out of the arguments, if it is there; NULL when it is not. */
static const char *take_replay(int *n_positional, char **argv) {
    static const char key[] = "replay=";
    for (int i = 2; i <= *n_positional; i++) {
        if (strncmp(argv[i], key, sizeof key - 1) != 0) continue;
        const char *file = argv[i] + sizeof key - 1;
        for (--*n_positional; i <= *n_positional; i++) argv[i] = argv[i + 1];
        return file;
    }
    return NULL;
}

static enum hone_status train(int n_positional, char **argv) {
    struct hone_recipe recipe;
    json_t *results = NULL;
    const char *replay = take_replay(&n_positional, argv);
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    hone_stop_watch();
    struct hone_world *world;
    enum hone_status status = hone_world_join(&world, recipe.distributed.transport, recipe.distributed.timeout);
    if (status == HONE_OK && world->rank > 0 && recipe.logging.level > HONE_LOG_WARNING)
        hone_log_set_level(HONE_LOG_WARNING);
    if (status == HONE_OK)
        status = replay ? hone_train_replay(&results, &recipe, replay) : hone_train(&results, &recipe, world);
    if (status == HONE_OK && !replay) hone_info("the model is in %s", recipe.output);
    if (status == HONE_OK && results) {
        hone_tool_show_entities(results);
        status = hone_tool_print_json(results);
    }
    hone_world_leave(world, status);
    json_decref(results);
    hone_recipe_free(&recipe);
    return status;
}

static enum hone_status train_seeds(const char *seeds, int n_positional, char **argv) {
    enum { MOST = 1000 };
    char *end;
    long n = strtol(seeds, &end, 10);
    if (end == seeds || *end || n < 2 || n > MOST)
        return hone_fail(HONE_USAGE, "train: --seeds is \"%s\", expected a number from 2 to %d", seeds, MOST);
    if (n_positional < 1) return hone_fail(HONE_USAGE, "train: a recipe file is needed; see hone train --help");
    struct hone_sweep sweep;
    HONE_TRY(hone_sweep_seeds(&sweep, argv[1], argv + 2, n_positional - 1, n));
    enum hone_status status = hone_tool_run_sweep(&sweep, true);
    hone_sweep_free(&sweep);
    return status;
}

int hone_tool_train(int argc, char **argv) {
    int n_positional;
    bool helped;
    const char *seeds = NULL;
    struct hone_tool_option options[] = {{"--seeds", &seeds, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, "", &n_positional, &helped);
    if (status == HONE_OK && helped) {
        status = print_help();
    } else if (status == HONE_OK) {
        status = seeds ? train_seeds(seeds, n_positional, argv) : train(n_positional, argv);
    }
    return hone_tool_end(status);
}

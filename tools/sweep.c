/* hone sweep RECIPE key=[a, b]… */
#include <stdio.h>
#include <stdlib.h>

#include "base/stop.h"
#include "recipes/sweep.h"
#include "tools/sweep_option.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone sweep RECIPE key=[a, b, …]… [key=value]…\n\n"
    "Trains once for every combination of the values that are given as lists, each run in a folder below the recipe's\n"
    "output that is named after its values. A run that fails does not end the sweep; started again, it takes complete\n"
    "runs as they are. At the end the runs are listed on stderr, the best by evaluation.metric first; all results are\n"
    "printed as JSON, and lie in sweep.json in the output folder.\n"
    "Options that take a list themselves vary over a list of lists: data.train=[[a.tsv], [a.tsv, b.tsv]].\n\n"
    "  hone sweep recipes/sentiment_bert.yaml 'optimizer.lr=[1e-5, 3e-5, 1e-4]' 'training.epochs=[2, 3]'\n\n"
    "hone train RECIPE --seeds N repeats one recipe. The exit code is that of the first run that failed.\n"
    "hone train --help lists the keys.\n";

enum hone_status hone_tool_run_sweep(const struct hone_sweep *sweep, bool summary) {
    struct hone_text mistakes = {0}, table = {0};
    json_t *results;
    hone_stop_watch();
    enum hone_status status = hone_sweep_run(&results, sweep, &mistakes);
    if (mistakes.length) fprintf(stderr, "%s", mistakes.bytes);
    if (results) {
        hone_sweep_table(&table, results, summary);
        fprintf(stderr, "\n%s\n", table.bytes);
        enum hone_status printed = hone_tool_print_json(results);
        if (status == HONE_OK) status = printed;
    }
    json_decref(results);
    hone_text_free(&mistakes);
    hone_text_free(&table);
    return status;
}

static enum hone_status sweep(int n_positional, char **argv) {
    if (n_positional < 1) return hone_fail(HONE_USAGE, "sweep: a recipe file is needed; see hone sweep --help");
    struct hone_sweep sweep;
    HONE_TRY(hone_sweep_grid(&sweep, argv[1], argv + 2, n_positional - 1));
    enum hone_status status = hone_tool_run_sweep(&sweep, false);
    hone_sweep_free(&sweep);
    return status;
}

int hone_tool_sweep(int argc, char **argv) {
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && !helped) status = sweep(n_positional, argv);
    return hone_tool_end(status);
}

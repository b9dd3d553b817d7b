/* hone verify RUN */
#include "recipes/verify.h"
#include "base/stop.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone verify RUN [--steps N]\n\n"
    "Trains the complete run in the folder RUN again and compares bits: every figure in metrics.jsonl, every "
    "checkpoint\n"
    "of both, the final figures and the model; only times and speeds may differ. all_results.json holds the run's\n"
    "certificate: hashes of recipe, data, base model, program and the model left, device and GEMM. Paths in the run's\n"
    "recipe.yaml are relative to the current directory, as when it was trained. RUN is not changed.\n\n"
    "  --steps N  only the first N steps\n\n"
    "Prints what was compared as JSON. Exit code 10: recipe, data or a model is not that of the run; 6: the same\n"
    "training gave other bits, and the first figure that differs is named.\n";

static enum hone_status verify(const char *run, const char *given) {
    int64_t steps = 0;
    json_t *report;
    HONE_TRY(hone_tool_whole_number(&steps, "verify: --steps", given, 1, INT64_MAX));
    hone_stop_watch();
    HONE_TRY(hone_verify(&report, run, steps));
    enum hone_status status = hone_tool_print_json(report);
    json_decref(report);
    return status;
}

int hone_tool_verify(int argc, char **argv) {
    int n_positional;
    bool helped;
    const char *steps = NULL;
    struct hone_tool_option options[] = {{"--steps", &steps, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && !helped) {
        status = n_positional == 1 ? verify(argv[1], steps)
                                   : hone_fail(HONE_USAGE, "verify: one run folder is needed; see hone verify --help");
    }
    return hone_tool_end(status);
}

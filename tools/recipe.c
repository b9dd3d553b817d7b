/* hone recipe: check a recipe without running it, show it resolved, print the JSON Schema for editors. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "recipes/data_report.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

static const char usage[] =
    "usage: hone recipe check RECIPE [key=value]…   report every mistake, and files that are not there\n"
    "         --data   read the data, too: counts, lengths and labels of each split; duplicates, contradictory "
    "labels,\n"
    "                  empty and truncated texts, suspicious characters, each with file and line\n"
    "         --json   with --data: as one JSON object\n"
    "       hone recipe show RECIPE [key=value]…    the recipe with all defaults and overrides, as YAML\n"
    "       hone recipe schema                      JSON Schema (draft 2020-12), for completion in editors\n\n"
    "Overrides are dotted, their values are YAML: training.epochs=2 data.test=null task.labels='[bad, good]'\n\n"
    "A recipe's options:\n\n";

static enum hone_status check_data(struct hone_text *text, const struct hone_recipe *recipe, bool json) {
    json_t *report = json_object();
    enum hone_status status = hone_data_report(report, recipe);
    if (status == HONE_OK && json) {
        char *line = hone_json_line(report);
        hone_text_format(text, "%s\n", line);
        hone_free(line);
    } else if (status == HONE_OK) {
        hone_data_report_print(text, report);
    }
    json_decref(report);
    return status;
}

/* argv[1] is the recipe, n - 1 overrides follow. */
static enum hone_status check_or_show(bool show, bool data, bool json, int n, char **argv) {
    struct hone_recipe recipe;
    struct hone_text text = {0};
    HONE_TRY(show ? hone_tool_read_recipe(&recipe, n, argv) : hone_tool_check_recipe(&recipe, n, argv));
    enum hone_status status = HONE_OK;
    if (show)
        hone_recipe_text(&text, &recipe);
    else if (data)
        status = check_data(&text, &recipe, json);
    else
        hone_text_format(&text, "%s: no mistakes\n", argv[1]);
    if (status == HONE_OK) status = hone_tool_print(text.bytes, text.length);
    hone_text_free(&text);
    hone_recipe_free(&recipe);
    return status;
}

static enum hone_status run(bool data, bool json, int n, char **argv) {
    struct hone_text text = {0};
    if (n == 1 && !data && !json && strcmp(argv[1], "schema") == 0) {
        hone_recipe_schema(&text);
        enum hone_status status = hone_tool_print(text.bytes, text.length);
        hone_text_free(&text);
        return status;
    }
    bool show = n >= 2 && strcmp(argv[1], "show") == 0;
    bool check = n >= 2 && strcmp(argv[1], "check") == 0;
    if (data && !check) return hone_fail(HONE_USAGE, "recipe: --data is for recipe check");
    if (json && !data) return hone_fail(HONE_USAGE, "recipe: --json is for recipe check --data");
    if (show || check) return check_or_show(show, data, json, n - 1, argv + 1);
    return hone_fail(HONE_USAGE, "recipe: expected check RECIPE, show RECIPE, or schema; see hone recipe --help");
}

int hone_tool_recipe(int argc, char **argv) {
    bool data = false, json = false;
    const struct hone_tool_option options[] = {{"--data", NULL, &data}, {"--json", NULL, &json}, {0}};
    struct hone_text help = {0};
    int n;
    bool helped;
    hone_text_format(&help, "%s", usage);
    hone_recipe_help(&help);
    enum hone_status status = hone_tool_parse(argc, argv, options, help.bytes, &n, &helped);
    hone_text_free(&help);
    if (status == HONE_OK && !helped) status = run(data, json, n, argv);
    if (status == HONE_OK) status = hone_tool_flush();
    return hone_tool_end(status);
}

#include "tools/recipe_option.h"

#include <stdio.h>
#include <string.h>

static enum hone_status read_recipe(struct hone_recipe *out, int n_positional, char **argv,
                                    enum hone_status (*read)(struct hone_recipe *, const char *, char **, int,
                                                             struct hone_text *)) {
    if (n_positional < 1)
        return hone_fail(HONE_USAGE, "%s: a recipe file is needed; see hone %s --help", argv[0], argv[0]);
    struct hone_text mistakes = {0};
    enum hone_status status = read(out, argv[1], argv + 2, n_positional - 1, &mistakes);
    if (mistakes.length) fprintf(stderr, "%s", mistakes.bytes);
    hone_text_free(&mistakes);
    if (status == HONE_OK) hone_log_set_level(out->logging.level);
    return status;
}

enum hone_status hone_tool_read_recipe(struct hone_recipe *out, int n_positional, char **argv) {
    return read_recipe(out, n_positional, argv, hone_recipe_read);
}

enum hone_status hone_tool_check_recipe(struct hone_recipe *out, int n_positional, char **argv) {
    return read_recipe(out, n_positional, argv, hone_recipe_check);
}

enum hone_status hone_tool_precision(enum hone_precision *out, const char *word) {
    *out = HONE_PRECISION_F32;
    if (!word) return HONE_OK;
    for (int i = HONE_PRECISION_F32; i <= HONE_PRECISION_AUTO; i++) {
        if (strcmp(word, hone_recipe_word("precision", i)) != 0) continue;
        *out = (enum hone_precision)i;
        return HONE_OK;
    }
    return hone_fail(HONE_USAGE, "--precision: found \"%s\", expected f32, bf16 or auto", word);
}

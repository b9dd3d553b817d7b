#include "tools/entity_table.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

static double percent(const json_t *figures, const char *key) {
    return 100 * json_number_value(json_object_get(figures, key));
}

static void show(const char *split, const json_t *entities, const char *scheme) {
    const char *type;
    json_t *figures;
    int width = 4;
    json_object_foreach((json_t *)entities, type, figures) {
        int n = (int)strlen(type);
        width = n > width && n < 40 ? n : width;
    }
    hone_info("%-*s %9s %9s %9s %9s  strict (%s): %9s %9s %9s", width, split, "support", "precision", "recall", "f1",
              scheme, "precision", "recall", "f1");
    json_object_foreach((json_t *)entities, type, figures) {
        char *shown = hone_escape(type, strlen(type));
        hone_info("%-*s %9lld %9.2f %9.2f %9.2f  %*s %9.2f %9.2f %9.2f", width, shown,
                  (long long)json_integer_value(json_object_get(figures, "support")), percent(figures, "precision"),
                  percent(figures, "recall"), percent(figures, "f1"), (int)strlen(scheme) + 10, "",
                  percent(figures, "precision_strict"), percent(figures, "recall_strict"),
                  percent(figures, "f1_strict"));
        hone_free(shown);
    }
}

void hone_tool_show_entities(const json_t *results) {
    static const char *const splits[] = {"eval", "test"};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        char key[24];
        snprintf(key, sizeof key, "%s_entities", splits[i]);
        const json_t *entities = json_object_get(results, key);
        snprintf(key, sizeof key, "%s_scheme", splits[i]);
        const char *scheme = json_string_value(json_object_get(results, key));
        if (entities && scheme) show(splits[i], entities, scheme);
    }
}

/* The data report as tables for people. */
#include <string.h>

#include "recipes/data_report.h"

enum { SHOWN_LABELS = 20, SHOWN_FINDINGS = 5 };

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_labels(struct hone_text *text, const json_t *split) {
    json_t *labels = json_object_get(split, "labels");
    double all = (double)number(split, "samples");
    size_t shown = 0;
    const char *name;
    json_t *count;
    if (json_object_size(labels) == 0) return;
    if (json_object_get(split, "windowed")) { /* several to a sample */
        all = 0;
        json_object_foreach(labels, name, count) all += (double)json_integer_value(count);
    }
    hone_text_format(text, "  %-12s", json_string_value(json_object_get(split, "name")));
    json_object_foreach(labels, name, count) {
        if (shown++ == SHOWN_LABELS) break;
        long long n = (long long)json_integer_value(count);
        hone_text_format(text, "%s%s %lld (%.1f %%)", shown > 1 ? ", " : "", name, n, 100 * (double)n / all);
    }
    if (json_object_size(labels) > SHOWN_LABELS)
        hone_text_format(text, ", … (%zu labels in all)", json_object_size(labels));
    hone_text_format(text, "\n");
}

static void print_findings(struct hone_text *text, const char *kind, const json_t *finding) {
    static const struct {
        const char *kind, *meaning;
    } meanings[] = {{"byte_order_mark", "a byte order mark inside the text"},
                    {"contradiction", "the same text as an earlier row, with another label"},
                    {"control", "control characters in the text"},
                    {"duplicate", "text and label as in an earlier row of the split"},
                    {"empty", "no text"},
                    {"invalid_transition", "a tag that the scheme doesn't let stand behind the one before"},
                    {"leak", "a text that is in an earlier split, too"},
                    {"mojibake", "UTF-8 that was taken for another encoding and saved again"},
                    {"ragged", "another number of columns than the first row; such rows are skipped"},
                    {"not_in_training", "a tag, or type, that no word of the training data has"},
                    {"rare_label", "on fewer than ten words, or entities, of the training data"},
                    {"replacement", "characters that were lost before (U+FFFD)"},
                    {"truncated", "longer than data.max_length, so the end is cut off"},
                    {"unknown_label", "a label that task.labels doesn't have, or none"},
                    {"windowed", "longer than data.max_length, so read in several windows"}};
    const char *meaning = "";
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i].kind, kind) == 0) meaning = meanings[i].meaning;
    hone_text_format(text, "\n%s: %lld (%s)\n", kind, number(finding, "count"), meaning);
    size_t i;
    json_t *found;
    json_array_foreach(json_object_get(finding, "examples"), i, found) {
        if (i == SHOWN_FINDINGS) {
            hone_text_format(text, "  …\n");
            break;
        }
        const char *what = json_string_value(json_object_get(found, "what"));
        const char *like = json_string_value(json_object_get(found, "like"));
        hone_text_format(text, "  %s:%lld%s%s%s%s\n", json_string_value(json_object_get(found, "file")),
                         number(found, "line"), what ? "  " : "", what ? what : "", like ? "  like " : "",
                         like ? like : "");
    }
}

void hone_data_report_print(struct hone_text *text, const json_t *report) {
    const json_t *splits = json_object_get(report, "splits");
    size_t i;
    json_t *split, *finding;
    const char *kind;
    bool windowed = json_object_get(json_array_get(splits, 0), "windowed");
    hone_text_format(text, "%-12s %10s %12s %8s %8s %18s %8s\n", "split", "samples", "tokens", "mean", "longest",
                     windowed ? "in windows" : "truncated", "empty");
    json_array_foreach(splits, i, split) {
        long long samples = number(split, "samples"), truncated = number(split, windowed ? "windowed" : "truncated");
        hone_text_format(text, "%-12s %10lld %12lld %8.1f %8lld %8lld (%5.1f %%) %8lld\n",
                         json_string_value(json_object_get(split, "name")), samples, number(split, "tokens"),
                         json_real_value(json_object_get(split, "mean")), number(split, "longest"), truncated,
                         100 * (double)truncated / (double)samples, number(split, "empty"));
    }
    hone_text_format(text, "\nlabels\n");
    json_array_foreach(splits, i, split) { print_labels(text, split); }
    json_object_foreach(json_object_get(report, "findings"), kind, finding) { print_findings(text, kind, finding); }
    if (json_object_size(json_object_get(report, "findings")) == 0) hone_text_format(text, "\nnothing looks wrong\n");
}

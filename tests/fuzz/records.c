/* A data file in one of the formats, with or without a header, as it stands or packed (seen from its first bytes).
 * Parser: data/records.c data/records_tables.c data/records_jsonl.c data/records_conll.c data/source.c */
#include "data/records.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const named[] = {"text", "label"}, *const numbered[] = {"1", "0"};
    static const char *const keys[] = {"text", "a.label"}, *const first[] = {"0"};
    static const char *const ends[] = {"0", HONE_LAST_COLUMN};
    static const struct hone_records_options ways[] = {
        {.format = HONE_FORMAT_TSV, .header = true, .columns = named, .n_columns = 2},
        {.format = HONE_FORMAT_TSV, .columns = first, .n_columns = 1},
        {.format = HONE_FORMAT_CSV, .header = true, .columns = named, .n_columns = 1, .all = true},
        {.format = HONE_FORMAT_CSV, .columns = numbered, .n_columns = 2},
        {.format = HONE_FORMAT_JSONL, .columns = keys, .n_columns = 2},
        {.format = HONE_FORMAT_TEXT, .columns = first, .n_columns = 1},
        {.format = HONE_FORMAT_CONLL, .columns = ends, .n_columns = 2},
        {.format = HONE_FORMAT_JSONL, .columns = keys, .n_columns = 2, .nested = true},
        {.format = HONE_FORMAT_TSV, .header = true, .columns = named, .n_columns = 2, .skip_ragged = true},
    };
    const struct hone_records_options *way = &ways[fuzz_choice(&bytes, &n, sizeof ways / sizeof *ways)];
    struct hone_records *records;
    enum hone_status status = hone_records_open(&records, fuzz_write("data", bytes, n), *way);
    HONE_CHECK(status == HONE_OK || (!records && *hone_error_message()), "refused without a word");
    int64_t line = 0;
    for (bool more = true; status == HONE_OK && more;) {
        status = hone_records_next(records, &more);
        if (status != HONE_OK || !more) break;
        HONE_CHECK(hone_records_line(records) > line, "line %lld again", (long long)line);
        line = hone_records_line(records);
        for (size_t i = 0; i < way->n_columns; i++) {
            const struct hone_value *value = hone_records_value(records, i);
            for (size_t k = 0; k < value->n; k++)
                HONE_CHECK(hone_utf8_valid_prefix(value->items[k].bytes, value->items[k].n) == value->items[k].n,
                           "not UTF-8");
        }
    }
    hone_records_close(records);
    return 0;
}

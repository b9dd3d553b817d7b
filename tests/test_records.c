/* Records of TSV, CSV, JSONL, text and CoNLL: what is read, through every window of bytes, packed or not. What faults say
 * stands in test_malformed.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/records.h"
#include "tests/support.h"

static char *path;

static void append_value(struct hone_text *out, const struct hone_value *value) {
    static const char *const none[] = {"<missing>", "<null>", "", "", "", "[]", "<object>"};
    for (size_t i = 0; i < value->n; i++) {
        if (value->kind == HONE_VALUE_LIST) hone_text_append(out, i ? "," : "[", 1);
        hone_text_append(out, value->items[i].bytes, value->items[i].n);
    }
    if (value->n == 0) hone_text_format(out, "%s", none[value->kind]);
    if (value->n && value->kind == HONE_VALUE_LIST) hone_text_append(out, "]", 1);
}

/* "line:value|value\n" for each record. */
static enum hone_status dump_file(struct hone_text *out, const char *file, struct hone_records_options options) {
    struct hone_records *records;
    bool more;
    HONE_TRY(hone_records_open(&records, file, options));
    enum hone_status status;
    out->length = 0;
    hone_text_append(out, "", 0);
    while ((status = hone_records_next(records, &more)) == HONE_OK && more) {
        hone_text_format(out, "%lld:", (long long)hone_records_line(records));
        for (size_t i = 0; i < options.n_columns; i++) {
            if (i) hone_text_append(out, "|", 1);
            append_value(out, hone_records_value(records, i));
        }
        hone_text_append(out, "\n", 1);
    }
    if (status == HONE_OK) TEST_OK(hone_records_next(records, &more));
    assert_true(status != HONE_OK || !more);
    hone_records_close(records);
    return status;
}

static enum hone_status dump(struct hone_text *out, const void *bytes, size_t n, struct hone_records_options options) {
    if (!path) path = hone_path_join(test_scratch(), "records");
    /* Without a sync: there are thousands of them. */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return dump_file(out, path, options);
}

/* Columns are separated by spaces. */
static struct hone_records_options options_of(enum hone_data_format format, bool header, const char *columns,
                                              const char *names[8], char copy[64]) {
    struct hone_records_options options = {.format = format, .header = header, .columns = names};
    snprintf(copy, 64, "%s", columns);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) names[options.n_columns++] = name;
    return options;
}

enum {
    TSV = HONE_FORMAT_TSV,
    CSV = HONE_FORMAT_CSV,
    JSONL = HONE_FORMAT_JSONL,
    TEXT = HONE_FORMAT_TEXT,
    CONLL = HONE_FORMAT_CONLL
};

struct good {
    int format;
    bool header;
    const char *columns, *bytes, *want;
};

static const struct good goods[] = {
    {TSV, true, "b a", "a\tb\n1\tgood \xC3\xA9\n0\t\n", "2:good \xC3\xA9|1\n3:|0\n"},
    {TSV, true, "b a", "a\tb\r\n1\tx\r\n0\t", "2:x|1\n3:|0\n"},
    {TSV, true, "1 a a",
     "\xEF\xBB\xBF"
     "a\tb\n1\tx\n\n",
     "2:x|1|1\n"},
    {TSV, true, "0", "a\tb\n1\tx\r\n\r\n", "2:1\n"},
    {TSV, true, "0", "0\t1\nx\ty\n", "2:x\n"},
    {TSV, false, "2 0", "a\tb\tc", "1:c|a\n"},
    {TSV, false, "0", "a\rb\x0b\xE2\x80\xA8\xC2\x85z\n\"q\n", "1:a\rb\x0b\xE2\x80\xA8\xC2\x85z\n2:\"q\n"},
    {TSV, false, "0", "", ""},
    {TSV, true, "x", "\xEF\xBB\xBF", ""},
    {TSV, true, "x", "x\n", ""},
    {TEXT, false, "0", "a\n\n\"b\tc,\r\n\r", "1:a\n2:\n3:\"b\tc,\n4:\r\n"},
    {TEXT, false, "0",
     "\xEF\xBB\xBF"
     "a\r\n\r\n",
     "1:a\n2:\n"},
    {CSV, true, "b a", "a,b\n1,x\n0,\n", "2:x|1\n3:|0\n"},
    {CSV, true, "b a", "a,b\r\n1,x\r\n0,", "2:x|1\n3:|0\n"},
    {CSV, true, "b a", "\xEF\xBB\xBF\"a\",\"b\"\n\"1\",\"x\"\n\n", "2:x|1\n"},
    {CSV, false, "0 1", "\"a,b\",\"c\"\"d\"\"\"\n\"\"\"\",\"\"\n", "1:a,b|c\"d\"\n2:\"|\n"},
    {CSV, false, "0 1", "\"a\nb\",\"c\r\n\nd\"\nx,y\r\n", "1:a\nb|c\r\n\nd\n5:x|y\n"},
    {CSV, false, "0 1", "\"a\",\"b\"", "1:a|b\n"},
    {CSV, false, "0 1", "\"a\",\"b\"\r", "1:a|b\n"},
    {CSV, false, "0 1", "\"a\",b\r", "1:a|b\n"},
    {CSV, false, "0 1", ",\n,\"\"\n", "1:|\n2:|\n"},
    {CSV, false, "0", "\"\"\na\rb\n x \n", "1:\n2:a\rb\n3: x \n"},
    {CSV, true, "a\nb", "\"a\nb\",c\n1,2\n", NULL},
    {CSV, false, "0", "\"\"\"\"\"\"\"\"", "1:\"\"\"\n"},
    {JSONL, true, "t l", "{\"t\": \"x\", \"l\": 1}\n{\"l\":\"a\",\"t\":\"\"}\n", "1:x|1\n2:|a\n"},
    {JSONL, false, "t l", "\xEF\xBB\xBF {\"l\":true,\"t\":-0.5e+3,\"z\":{\"t\":[1,{}]}} \r\n{\"t\":null}\n\n",
     "1:-0.5e+3|true\n2:<null>|<missing>\n"},
    {JSONL, false, "a.b a.c d", "{\"a\":{\"c\":[\"x\",2,false],\"b\":{\"q\":1}},\"d\":[]}",
     "1:<object>|[x,2,false]|[]\n"},
    {JSONL, false, "a.b", "{\"a.b\":\"dotted\"}\n{\"a\":{\"b\":\"nested\"}}\n{\"a\":[1]}\n{\"a\":5}",
     "1:dotted\n2:nested\n3:<missing>\n4:<missing>\n"},
    {JSONL, false, "a a a.b", "{\"a\":{\"b\":7}}\n{\"a\":\"x\"}", "1:<object>|<object>|7\n2:x|x|<missing>\n"},
    {JSONL, false, "t k", "{\"t\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\u4e2d\",\"\\u006b\":\"q\\\\\"}",
     "1:\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80\xE4\xB8\xAD|q\\\n"},
    {JSONL, false, "t", "{\"t\":[\"a\\nb\",\"c\",\"\\u0064\"]}", "1:[a\nb,c,d]\n"},
    {JSONL, false, "\xC3\xA9.\xE4\xB8\xAD", "{\"\xC3\xA9\":{\"\xE4\xB8\xAD\":\"\xD1\x84\"}}", "1:\xD1\x84\n"},
    {JSONL, false, "t", "{}\n{ }\n{\t\"a\" :\r1 , \"t\":0}", "1:<missing>\n2:<missing>\n3:0\n"},
    {CONLL, false, "0 -1", "The\tO\nend\tB-X\n\nA b\tO", "1:[The,end]|[O,B-X]\n4:[A b]|[O]\n"},
    {CONLL, false, "0 1 -1",
     "\n-DOCSTART- -X- O\n\nEU  NNP B-X\r\n# SYM O\n \t \r\n\n-DOCSTART-\nx y z\n-DOCSTART- a b\nq r s\n\n\n",
     "4:[EU,#]|[NNP,SYM]|[B-X,O]\n9:[x]|[y]|[z]\n11:[q]|[r]|[s]\n"},
    {CONLL, false, "0",
     "\xEF\xBB\xBF"
     "# id = 1\n# text = a b\na\tO\n#b\tO\n\n#\n#\tO\n\t\n# a comment\nc\tO\n",
     "3:[a,#b]\n7:[#]\n10:[c]\n"},
    {CONLL, false, "0 -1", "a\n\nb\n", "1:[a]|[a]\n3:[b]|[b]\n"},
    {CONLL, false, "0", "#\nhello\n\n# two\n#\n#x\n", "1:[#,hello]\n5:[#,#x]\n"},
    {CONLL, false, "0 -1", "# O\nb B\n\n# O\nc O\n", "1:[#,b]|[O,B]\n4:[#,c]|[O,O]\n"},
    {CONLL, false, "0 -1", "\n# id 5 \tdomain=en\n-DOCSTART-\n#\na _ _ O\n\n# id 6 \tdomain=en\nb _ _ O\n",
     "5:[a]|[O]\n8:[b]|[O]\n"},
    {CONLL, false, "0 -1", "# newdoc\n# text = a b\na\tO\n\n# newdoc\n#\tO\n", "3:[a]|[O]\n6:[#]|[O]\n"},
    {CONLL, false, "0", "# only\n#\n#b\n", "2:[#,#b]\n"},
    {CONLL, false, "0", "", ""},
    {CONLL, false, "0", "\n \n-DOCSTART- O\n\n", ""},
};

static void good_files(void **state) {
    (void)state;
    struct hone_text out = {0};
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        const struct good *good = &goods[i];
        const char *names[8];
        char copy[64];
        struct hone_records_options options =
            options_of((enum hone_data_format)good->format, good->header, good->columns, names, copy);
        TEST_OK(dump(&out, good->bytes, strlen(good->bytes), options));
        if (!good->want) continue;
        if (strcmp(out.bytes, good->want) != 0) fail_msg("row %zu: got %s, expected %s", i, out.bytes, good->want);
    }
    hone_text_free(&out);
}

static void append_csv(struct hone_text *file, const char *field, size_t n, bool quoted) {
    if (quoted) hone_text_append(file, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (field[i] == '"') hone_text_append(file, "\"", 1);
        hone_text_append(file, field + i, 1);
    }
    if (quoted) hone_text_append(file, "\"", 1);
}

static void append_json(struct hone_text *file, const char *field, size_t n) {
    hone_text_append(file, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)field[i];
        if (c < 0x20 || c == '"' || c == '\\')
            hone_text_format(file, "\\u%04x", c);
        else
            hone_text_append(file, field + i, 1);
    }
    hone_text_append(file, "\"", 1);
}

static uint32_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Random fields of every awkward byte, some longer than the window, come back from CSV and JSONL. */
static void round_trips(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "a", "\"", ",", "\n", "\r\n", "\xC3\xA9", " ", "\\", "\t", "\"\"", "\xF0\x9F\x98\x80", "xyz"};
    uint64_t seed = 7;
    for (int round = 0; round < 40; round++) {
        struct hone_text csv = {0}, jsonl = {0}, want = {0}, out = {0}, field = {0};
        int64_t line = 1;
        int rows = 1 + (int)(next_random(&seed) % 30);
        struct hone_text wanted_jsonl = {0};
        for (int row = 0; row < rows; row++) {
            hone_text_format(&want, "%lld:", (long long)line);
            hone_text_format(&wanted_jsonl, "%d:", row + 1);
            hone_text_append(&jsonl, "{\"skipped\":[{\"0\":1}],", 21);
            for (int column = 0; column < 2; column++) {
                field.length = 0;
                hone_text_append(&field, "", 0);
                uint32_t n = next_random(&seed) % (next_random(&seed) % 50 == 0 ? 400000 : 12);
                for (uint32_t i = 0; i < n; i++) {
                    const char *piece = pieces[next_random(&seed) % (sizeof pieces / sizeof *pieces)];
                    hone_text_append(&field, piece, strlen(piece));
                }
                bool bare = field.length && !strpbrk(field.bytes, ",\"\n\r");
                append_csv(&csv, field.bytes, field.length, !bare || next_random(&seed) % 2);
                hone_text_append(&csv, column ? "\n" : ",", 1);
                hone_text_format(&jsonl, "%s\"%d\":", column ? " , " : "", column);
                append_json(&jsonl, field.bytes, field.length);
                for (size_t i = 0; i < field.length; i++) line += field.bytes[i] == '\n';
                hone_text_append(&want, field.bytes, field.length);
                hone_text_append(&wanted_jsonl, field.bytes, field.length);
                hone_text_append(&want, column ? "\n" : "|", 1);
                hone_text_append(&wanted_jsonl, column ? "\n" : "|", 1);
            }
            hone_text_append(&jsonl, "}\n", 2);
            line++;
        }
        const char *columns[] = {"0", "1"};
        TEST_OK(dump(&out, csv.bytes, csv.length,
                     (struct hone_records_options){.format = HONE_FORMAT_CSV, .columns = columns, .n_columns = 2}));
        assert_int_equal(out.length, want.length);
        assert_memory_equal(out.bytes, want.bytes, want.length);
        TEST_OK(dump(&out, jsonl.bytes, jsonl.length,
                     (struct hone_records_options){.format = HONE_FORMAT_JSONL, .columns = columns, .n_columns = 2}));
        assert_int_equal(out.length, wanted_jsonl.length);
        assert_memory_equal(out.bytes, wanted_jsonl.bytes, wanted_jsonl.length);
        hone_text_free(&csv);
        hone_text_free(&jsonl);
        hone_text_free(&want);
        hone_text_free(&wanted_jsonl);
        hone_text_free(&out);
        hone_text_free(&field);
    }
}

static size_t gzip(unsigned char *out, size_t capacity, const char *bytes, size_t n) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t used = capacity - z.avail_out;
    deflateEnd(&z);
    return used;
}

/* With a checksum, as the zstd program writes it. */
static size_t zstd(unsigned char *out, size_t capacity, const char *bytes, size_t n, int level) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t used = ZSTD_compress2(context, out, capacity, bytes, n);
    assert_false(ZSTD_isError(used));
    ZSTD_freeCCtx(context);
    return used;
}

/* One member or frame, several, padding; cut off anywhere, and with every byte changed: never a crash, and never a
 * text that was not packed. */
static void packed(void **state) {
    (void)state;
    struct hone_text plain = {0}, want = {0}, out = {0};
    for (int i = 0; i < 3000; i++) hone_text_format(&plain, "row %d of some\t%d\n", i, i * i % 97);
    const char *columns[] = {"0", "1"};
    struct hone_records_options options = {.format = HONE_FORMAT_TSV, .columns = columns, .n_columns = 2};
    TEST_OK(dump(&want, plain.bytes, plain.length, options));
    size_t capacity = 2 * plain.length, half = plain.length / 2;
    unsigned char *packed_bytes = hone_alloc(capacity, 1, "test");
    for (int kind = 0; kind < 2; kind++) {
        size_t n;
        if (kind == 0) {
            n = gzip(packed_bytes, capacity, plain.bytes, half);
            n += gzip(packed_bytes + n, capacity - n, plain.bytes + half, plain.length - half);
            memset(packed_bytes + n, 0, 512);
            TEST_OK(dump(&out, packed_bytes, n + 512, options));
            assert_string_equal(out.bytes, want.bytes);
        } else {
            n = zstd(packed_bytes, capacity, plain.bytes, half, 3);
            n += zstd(packed_bytes + n, capacity - n, plain.bytes + half, plain.length - half, 19);
        }
        TEST_OK(dump(&out, packed_bytes, n, options));
        assert_string_equal(out.bytes, want.bytes);
        for (size_t cut = 4; cut < n; cut += 1 + n / 60) {
            enum hone_status status = dump(&out, packed_bytes, cut, options);
            if (status == HONE_OK)
                assert_true(out.length < want.length); /* between members */
            else
                assert_int_equal(status, HONE_BAD_INPUT);
            packed_bytes[cut] ^= 0x55;
            status = dump(&out, packed_bytes, n, options);
            if (status == HONE_OK) assert_string_equal(out.bytes, want.bytes);
            packed_bytes[cut] ^= 0x55;
        }
        test_expect_status(dump(&out, packed_bytes, n - 3, options), HONE_BAD_INPUT,
                           kind ? "the zstd data ends too early" : "the gzip data ends too early");
    }
    hone_free(packed_bytes);
    hone_text_free(&plain);
    hone_text_free(&want);
    hone_text_free(&out);
}

/* Any bytes at all: a status or records, and nothing else. */
static void hostile_bytes(void **state) {
    (void)state;
    static const char alphabet[] = "{}[]\",:\\\n\r\t 01-.eEtrufalsn\xC3\xA9\xFF\x80\0ab";
    uint64_t seed = 11;
    struct hone_text out = {0};
    char bytes[200];
    const char *columns[] = {"0", "a"};
    for (int i = 0; i < 6000; i++) {
        size_t n = next_random(&seed) % sizeof bytes;
        for (size_t k = 0; k < n; k++) bytes[k] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
        if (n > 8 && i % 2) memcpy(bytes, "{\"a\":[\"", 7);
        enum hone_data_format format = (enum hone_data_format)(TSV + next_random(&seed) % 5);
        enum hone_status status =
            dump(&out, bytes, n,
                 (struct hone_records_options){
                     .format = format, .header = i % 3 == 0, .columns = columns, .n_columns = 1 + i % 2});
        assert_true(status == HONE_OK || status == HONE_BAD_INPUT);
    }
    hone_text_free(&out);
}

static void formats_of_names(void **state) {
    (void)state;
    assert_int_equal(hone_format_of("a.tsv", HONE_FORMAT_AUTO), TSV);
    assert_int_equal(hone_format_of("a.b/c.CSV.gz", HONE_FORMAT_AUTO), CSV);
    assert_int_equal(hone_format_of("a.jsonl.zst", HONE_FORMAT_AUTO), JSONL);
    assert_int_equal(hone_format_of("a.ndjson", HONE_FORMAT_AUTO), JSONL);
    assert_int_equal(hone_format_of("a.conll.gz", HONE_FORMAT_AUTO), CONLL);
    assert_int_equal(hone_format_of(".csv", HONE_FORMAT_TEXT), TEXT);
    assert_int_equal(hone_format_of("a.csv.gz.gz", HONE_FORMAT_TEXT), TEXT);
    assert_int_equal(hone_format_of("", HONE_FORMAT_AUTO), HONE_FORMAT_AUTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(good_files), cmocka_unit_test(round_trips),
                                       cmocka_unit_test(packed), cmocka_unit_test(hostile_bytes),
                                       cmocka_unit_test(formats_of_names)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hone_free(path);
    return failed;
}

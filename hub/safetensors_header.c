/* The header of a safetensors file, read strictly. What the reference (safetensors 0.8.0) accepts is accepted, except,
 * on purpose: a header that does not start with '{'; a name given twice, also inside __metadata__ or an entry; keys
 * other than dtype, shape and data_offsets; entries or dtypes in another JSON shape than the format's; __metadata__:
 * null; U+0000 in a name; more than 8 dimensions; numbers over 2^53; dtypes smaller than a byte. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "hub/json_scan.h"
#include "hub/safetensors_format.h"

#define MAX_NUMBER (INT64_C(1) << 53) /* integers up to here are the same in every JSON reader */

static const struct hone_dtype_row dtypes[] = {
    {"BOOL", 8, HONE_KIND_BOOL},          {"F4", 4, HONE_KIND_OPAQUE},          {"F6_E2M3", 6, HONE_KIND_OPAQUE},
    {"F6_E3M2", 6, HONE_KIND_OPAQUE},     {"U8", 8, HONE_KIND_UNSIGNED},        {"I8", 8, HONE_KIND_SIGNED},
    {"F8_E5M2", 8, HONE_KIND_OPAQUE},     {"F8_E4M3", 8, HONE_KIND_OPAQUE},     {"F8_E8M0", 8, HONE_KIND_OPAQUE},
    {"F8_E4M3FNUZ", 8, HONE_KIND_OPAQUE}, {"F8_E5M2FNUZ", 8, HONE_KIND_OPAQUE}, {"I16", 16, HONE_KIND_SIGNED},
    {"U16", 16, HONE_KIND_UNSIGNED},      {"F16", 16, HONE_KIND_FLOAT},         {"BF16", 16, HONE_KIND_BFLOAT},
    {"I32", 32, HONE_KIND_SIGNED},        {"U32", 32, HONE_KIND_UNSIGNED},      {"F32", 32, HONE_KIND_FLOAT},
    {"C64", 64, HONE_KIND_OPAQUE},        {"F64", 64, HONE_KIND_FLOAT},         {"I64", 64, HONE_KIND_SIGNED},
    {"U64", 64, HONE_KIND_UNSIGNED},
};

const struct hone_dtype_row *hone_dtype_find(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
    }
    return NULL;
}

enum hone_status hone_tensor_fail(const char *path, const char *name, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *shown = hone_escape(name, strnlen(name, 200));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: tensor \"%s\": %s", path, shown, text);
    hone_free(shown);
    return status;
}

static enum hone_status parse_dtype(struct hone_tensor_entry *entry, struct hone_scan *scan) {
    char *word;
    HONE_TRY(hone_scan_string(&word, scan, "the dtype as a string"));
    const struct hone_dtype_row *row = hone_dtype_find(word);
    if (!row) {
        char *shown = hone_escape(word, strnlen(word, 40));
        enum hone_status status = hone_tensor_fail(
            scan->path, entry->name,
            "byte %zu: unknown dtype \"%s\", expected one of the format's, such as F32, F16, BF16 or I64",
            scan->origin + (size_t)(word - scan->bytes), shown);
        hone_free(shown);
        return status;
    }
    if (row->bits % 8 != 0) {
        return hone_tensor_fail(scan->path, entry->name,
                                "dtype %s has %d bits; only dtypes of whole bytes are read here: convert it to F32, "
                                "F16 or BF16",
                                row->name, row->bits);
    }
    entry->dtype = row->name;
    return HONE_OK;
}

static enum hone_status parse_shape(struct hone_tensor_entry *entry, struct hone_scan *scan) {
    HONE_TRY(hone_scan_expect(scan, '[', "'[' of the shape"));
    entry->n_dims = 0;
    if (hone_scan_take(scan, ']')) return HONE_OK;
    do {
        if (entry->n_dims == HONE_SAFETENSORS_MAX_DIMS) {
            return hone_tensor_fail(scan->path, entry->name, "byte %zu: more than %d dimensions, expected at most %d",
                                    scan->origin + scan->at, HONE_SAFETENSORS_MAX_DIMS, HONE_SAFETENSORS_MAX_DIMS);
        }
        HONE_TRY(hone_scan_count(&entry->shape[entry->n_dims++], scan, MAX_NUMBER, "a size without sign or fraction"));
    } while (hone_scan_take(scan, ','));
    return hone_scan_expect(scan, ']', "',' or ']' in the shape");
}

static enum hone_status parse_offsets(struct hone_tensor_entry *entry, struct hone_scan *scan) {
    HONE_TRY(hone_scan_expect(scan, '[', "'[' of the data_offsets"));
    HONE_TRY(hone_scan_count(&entry->begin, scan, MAX_NUMBER, "an offset without sign or fraction"));
    HONE_TRY(hone_scan_expect(scan, ',', "',' and the end offset"));
    HONE_TRY(hone_scan_count(&entry->end, scan, MAX_NUMBER, "an offset without sign or fraction"));
    return hone_scan_expect(scan, ']', "']' behind two offsets");
}

static enum hone_status parse_entry(struct hone_tensor_entry *entry, struct hone_scan *scan) {
    HONE_TRY(hone_scan_expect(scan, '{', "'{' of a tensor's entry"));
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {false, false, false};
    if (!hone_scan_take(scan, '}')) {
        do {
            char *key;
            HONE_TRY(hone_scan_string(&key, scan, "a key in quotes"));
            size_t at = (size_t)(key - scan->bytes), k = 0;
            while (k < 3 && strcmp(keys[k], key) != 0) k++;
            if (k == 3) {
                char *shown = hone_escape(key, strnlen(key, 60));
                enum hone_status status = hone_tensor_fail(
                    scan->path, entry->name, "byte %zu: key \"%s\", expected only dtype, shape and data_offsets",
                    scan->origin + at, shown);
                hone_free(shown);
                return status;
            }
            if (seen[k]) {
                return hone_tensor_fail(scan->path, entry->name, "byte %zu: key \"%s\" is given twice",
                                        scan->origin + at, keys[k]);
            }
            seen[k] = true;
            HONE_TRY(hone_scan_expect(scan, ':', "':' behind the key"));
            HONE_TRY(k == 0   ? parse_dtype(entry, scan)
                     : k == 1 ? parse_shape(entry, scan)
                              : parse_offsets(entry, scan));
        } while (hone_scan_take(scan, ','));
        HONE_TRY(hone_scan_expect(scan, '}', "',' or '}' in a tensor's entry"));
    }
    for (size_t k = 0; k < 3; k++) {
        if (!seen[k]) {
            return hone_tensor_fail(scan->path, entry->name, "byte %zu: its entry ends without %s",
                                    scan->origin + scan->at - 1, keys[k]);
        }
    }
    return HONE_OK;
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* "__metadata__": strings under distinct keys. Their values say nothing that is needed here. */
static enum hone_status parse_metadata(struct hone_scan *scan) {
    HONE_TRY(hone_scan_expect(scan, '{', "'{' of __metadata__"));
    if (hone_scan_take(scan, '}')) return HONE_OK;
    char **keys = NULL;
    size_t n = 0, capacity = 0;
    enum hone_status status = HONE_OK;
    do {
        char *value;
        hone_reserve(&keys, &capacity, n + 1, sizeof *keys, "safetensors metadata");
        HONE_TRY_GOTO(hone_scan_string(&keys[n], scan, "a key of __metadata__ in quotes"));
        n++;
        HONE_TRY_GOTO(hone_scan_expect(scan, ':', "':' behind the key"));
        HONE_TRY_GOTO(hone_scan_string(&value, scan, "a string as value in __metadata__"));
    } while (hone_scan_take(scan, ','));
    HONE_TRY_GOTO(hone_scan_expect(scan, '}', "',' or '}' in __metadata__"));
    qsort(keys, n, sizeof *keys, compare_texts);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0) {
            char *shown = hone_escape(keys[i], strnlen(keys[i], 60));
            status = hone_fail(HONE_BAD_INPUT, "%s: key \"%s\" of __metadata__ is given twice", scan->path, shown);
            hone_free(shown);
            break;
        }
    }
done:
    hone_free(keys);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct hone_tensor_entry *)a)->name, ((const struct hone_tensor_entry *)b)->name);
}

static int compare_offsets(const void *a, const void *b) {
    const struct hone_tensor_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Bytes of shape × dtype, false when they overflow. As in the reference the product is built from the left, so a zero
 * behind an overflow does not save the tensor. */
static bool entry_bytes(uint64_t *out, const struct hone_tensor_entry *entry) {
    uint64_t product = 1;
    for (int i = 0; i < entry->n_dims; i++) {
        if (__builtin_mul_overflow(product, (uint64_t)entry->shape[i], &product)) return false;
    }
    return !__builtin_mul_overflow(product, (uint64_t)hone_dtype_find(entry->dtype)->bits / 8, out);
}

/* The data area is covered once, from its first byte to its last. `entries` get sorted by offset. */
static enum hone_status check_layout(struct hone_tensor_entry *entries, size_t n, int64_t data_start,
                                     int64_t data_bytes, const char *path) {
    if (n > 0) qsort(entries, n, sizeof *entries, compare_offsets);
    int64_t next = 0;
    for (size_t i = 0; i < n; i++) {
        const struct hone_tensor_entry *entry = &entries[i];
        if (entry->begin > entry->end) {
            return hone_tensor_fail(path, entry->name, "data_offsets [%lld, %lld] end before they begin",
                                    (long long)entry->begin, (long long)entry->end);
        }
        if (entry->begin != next) {
            return hone_tensor_fail(
                path, entry->name, "its data begin at byte %lld of the data area, expected %lld (%s the tensor before)",
                (long long)entry->begin, (long long)next, entry->begin < next ? "overlaps" : "leaves a hole behind");
        }
        uint64_t bytes;
        if (!entry_bytes(&bytes, entry)) {
            return hone_tensor_fail(path, entry->name, "the product of its shape overflows 64 bits");
        }
        if (bytes != (uint64_t)(entry->end - entry->begin)) {
            return hone_tensor_fail(path, entry->name, "data_offsets hold %lld bytes, expected %llu for its %s shape",
                                    (long long)(entry->end - entry->begin), (unsigned long long)bytes, entry->dtype);
        }
        next = entry->end;
    }
    if (next != data_bytes) {
        return hone_fail(HONE_BAD_INPUT,
                         "%s: byte %lld: the data area has %lld bytes, expected %lld from the header (%s)", path,
                         (long long)data_start, (long long)data_bytes, (long long)next,
                         data_bytes < next ? "the file is cut off" : "bytes that belong to no tensor");
    }
    return HONE_OK;
}

enum hone_status hone_safetensors_parse(struct hone_tensor_entry **entries, size_t *n, size_t *capacity, char *header,
                                        size_t n_header, int64_t data_bytes, int32_t file, const char *path) {
    struct hone_scan scan = {.bytes = header, .n = n_header, .at = 0, .origin = 8, .path = path};
    size_t valid = hone_utf8_valid_prefix(header, n_header);
    if (valid < n_header) return hone_scan_fail(&scan, valid, "valid UTF-8");
    if (header[0] != '{') return hone_scan_fail(&scan, 0, "'{', the header's first byte");
    scan.at = 1;

    size_t first = *n;
    bool metadata = false;
    if (!hone_scan_take(&scan, '}')) {
        do {
            char *name;
            HONE_TRY(hone_scan_string(&name, &scan, "a tensor name in quotes"));
            HONE_TRY(hone_scan_expect(&scan, ':', "':' behind the name"));
            if (strcmp(name, "__metadata__") == 0) {
                if (metadata) return hone_scan_fail(&scan, scan.at - 1, "__metadata__ only once");
                metadata = true;
                HONE_TRY(parse_metadata(&scan));
                continue;
            }
            hone_reserve(entries, capacity, *n + 1, sizeof **entries, "safetensors entries");
            struct hone_tensor_entry *entry = &(*entries)[(*n)++];
            memset(entry, 0, sizeof *entry);
            entry->name = name;
            entry->file = file;
            HONE_TRY(parse_entry(entry, &scan));
        } while (hone_scan_take(&scan, ','));
        HONE_TRY(hone_scan_expect(&scan, '}', "',' or '}' behind a tensor's entry"));
    }
    hone_scan_space(&scan);
    if (scan.at < scan.n) return hone_scan_fail(&scan, scan.at, "only spaces behind the header's closing brace");

    size_t n_own = *n - first;
    if (n_own == 0) return check_layout(NULL, 0, 8 + (int64_t)n_header, data_bytes, path);
    struct hone_tensor_entry *own = *entries + first;
    qsort(own, n_own, sizeof *own, compare_names);
    for (size_t i = 1; i < n_own; i++) {
        if (strcmp(own[i - 1].name, own[i].name) == 0) {
            return hone_tensor_fail(path, own[i].name, "the header names it twice");
        }
    }
    return check_layout(own, n_own, 8 + (int64_t)n_header, data_bytes, path);
}

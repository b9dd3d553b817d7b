#include "tools/encoding_json.h"

#include <string.h>

#define LONGEST_NUMBER 11

static void append(struct hone_text *out, const char *text) { hone_text_append(out, text, strlen(text)); }

static char *write_number(char *to, int32_t value) {
    char digits[LONGEST_NUMBER];
    int n = 0;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    if (value < 0) *to++ = '-';
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    while (n) *to++ = digits[--n];
    return to;
}

/* Values below 0 are null. */
static void append_number(struct hone_text *out, int32_t value, const char *before) {
    char text[LONGEST_NUMBER + 2], *to = text;
    while (*before) *to++ = *before++;
    if (value < 0) {
        memcpy(to, "null", 4);
        to += 4;
    } else {
        to = write_number(to, value);
    }
    hone_text_append(out, text, (size_t)(to - text));
}

static void append_numbers(struct hone_text *out, const int32_t *values, size_t n) {
    for (size_t i = 0; i < n; i++) append_number(out, values[i], i ? "," : "");
}

void hone_json_quote(struct hone_text *out, const char *text, size_t n) {
    static const char hex[] = "0123456789ABCDEF";
    hone_text_append(out, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= ' ' && byte != '"' && byte != '\\') continue;
        hone_text_append(out, text + plain, i - plain);
        plain = i + 1;
        const char *short_form = byte == '"'    ? "\\\""
                                 : byte == '\\' ? "\\\\"
                                 : byte == '\n' ? "\\n"
                                 : byte == '\t' ? "\\t"
                                 : byte == '\r' ? "\\r"
                                 : byte == '\b' ? "\\b"
                                 : byte == '\f' ? "\\f"
                                                : NULL;
        char long_form[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15], 0};
        append(out, short_form ? short_form : long_form);
    }
    hone_text_append(out, text + plain, n - plain);
    hone_text_append(out, "\"", 1);
}

static void append_window(struct hone_text *out, const struct hone_tokenizer *tokenizer,
                          const struct hone_encoding *encoding, bool sequences) {
    append(out, "\"ids\":[");
    append_numbers(out, encoding->ids, encoding->n);
    append(out, "],\"type_ids\":[");
    append_numbers(out, encoding->type_ids, encoding->n);
    append(out, "],\"tokens\":[");
    for (size_t i = 0; i < encoding->n; i++) {
        if (i) append(out, ",");
        size_t n;
        const char *token = hone_encoding_token(encoding, tokenizer, i, &n);
        hone_json_quote(out, token, n);
    }
    append(out, "],\"offsets\":[");
    for (size_t i = 0; i < encoding->n; i++) {
        append_number(out, encoding->starts[i], i ? ",[" : "[");
        append_number(out, encoding->ends[i], ",");
        append(out, "]");
    }
    append(out, "],\"word_ids\":[");
    append_numbers(out, encoding->word_ids, encoding->n);
    append(out, "]");
    if (!sequences) return;
    append(out, ",\"sequence_ids\":[");
    for (size_t i = 0; i < encoding->n; i++) append_number(out, encoding->sequence_ids[i], i ? "," : "");
    append(out, "],\"special_tokens_mask\":[");
    for (size_t i = 0; i < encoding->n; i++) append_number(out, encoding->special[i], i ? "," : "");
    append(out, "]");
}

void hone_encoding_json(struct hone_text *out, const struct hone_tokenizer *tokenizer, struct hone_encoding *encoding,
                        bool sequences) {
    append(out, "{");
    append_window(out, tokenizer, encoding, sequences);
    size_t windows = hone_encoding_windows(encoding);
    for (size_t i = 1; i < windows; i++) {
        append(out, i == 1 ? ",\"overflowing\":[{" : "},{");
        hone_encoding_show(encoding, tokenizer, i);
        append_window(out, tokenizer, encoding, sequences);
    }
    append(out, windows > 1 ? "}]}" : "}");
}

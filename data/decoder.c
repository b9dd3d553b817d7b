#include "data/decoder.h"

#include <string.h>

#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/normalized.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Texts of tokens while they are worked on, one after the other. */
struct texts {
    struct hone_text bytes;
    size_t *ends, n, capacity;
};

static void end_text(struct texts *texts) {
    hone_reserve(&texts->ends, &texts->capacity, texts->n + 1, sizeof *texts->ends, "decoding");
    texts->ends[texts->n++] = texts->bytes.length;
}

void hone_decoder_free(struct hone_decoder *decoder) {
    for (size_t i = 0; i < decoder->n; i++) {
        hone_free(decoder->at[i].text);
        hone_free(decoder->at[i].delimiter);
        hone_pattern_free(&decoder->at[i].pattern);
    }
    hone_free(decoder->at);
    *decoder = (struct hone_decoder){0};
}

/* Appends `text` with every `from` replaced; an empty one stands at both ends and between all characters. */
static void append_replaced(struct hone_text *out, const char *text, size_t n, const char *from, const char *to) {
    size_t from_n = strlen(from);
    for (size_t i = 0; !from_n && *to && i <= n; i++) {
        if (i == n || (text[i] & 0xC0) != 0x80) hone_text_append(out, to, strlen(to));
        if (i < n) hone_text_append(out, text + i, 1);
    }
    if (!from_n && *to) return;
    const char *end = text + n;
    for (const char *found; from_n && (found = memmem(text, (size_t)(end - text), from, from_n));
         text = found + from_n) {
        hone_text_append(out, text, (size_t)(found - text));
        hone_text_append(out, to, strlen(to));
    }
    hone_text_append(out, text, (size_t)(end - text));
}

void hone_clean_up(struct hone_text *text, bool token) {
    static const char *const pairs[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    if (!text->length || !memchr(text->bytes, ' ', text->length)) return;
    struct hone_text spare = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (!token && strcmp(pairs[i][0], " do not") == 0) continue;
        spare.length = 0;
        append_replaced(&spare, text->bytes, text->length, pairs[i][0], pairs[i][1]);
        struct hone_text swapped = *text;
        *text = spare;
        spare = swapped;
    }
    hone_text_free(&spare);
}

static void put_cleaned(struct texts *out, struct hone_text *token, bool cleanup) {
    if (cleanup) hone_clean_up(token, true);
    hone_text_append(&out->bytes, token->bytes, token->length);
}

static void word_piece(struct texts *out, const struct hone_decoder_step *step, const char *text, size_t n, size_t i,
                       struct hone_text *token) {
    size_t prefix_n = strlen(step->text);
    bool inside = i > 0 && n >= prefix_n && memcmp(text, step->text, prefix_n) == 0;
    token->length = 0;
    if (i > 0 && !inside) hone_text_append(token, " ", 1);
    hone_text_append(token, text + (inside ? prefix_n : 0), n - (inside ? prefix_n : 0));
    put_cleaned(out, token, step->cleanup);
    end_text(out);
}

static void metaspace(struct texts *out, const struct hone_decoder_step *step, const char *text, size_t n, size_t i) {
    for (size_t at = 0; at < n;) {
        size_t begin = at;
        if (hone_utf8_next(text, &at) != step->code)
            hone_text_append(&out->bytes, text + begin, at - begin);
        else if (i > 0 || !step->drops_first)
            hone_text_append(&out->bytes, " ", 1);
    }
    end_text(out);
}

/* Bytes of a token's byte-level characters; of a token that holds others, its own. */
static void append_bytes(struct hone_text *out, const char *text, size_t n) {
    size_t before = out->length;
    for (size_t i = 0; i < n;) {
        int byte = hone_byte_level_byte(hone_utf8_next(text, &i));
        if (byte < 0) {
            out->length = before;
            hone_text_append(out, text, n);
            return;
        }
        char c = (char)byte;
        hone_text_append(out, &c, 1);
    }
}

/* Bytes of the longest beginning of a character at bytes[0], which is none of valid UTF-8: what one U+FFFD stands for
 * (Unicode Standard, section 3.9, "maximal subpart"). */
static size_t broken_bytes(const unsigned char *b, size_t n) {
    size_t length = b[0] >= 0xC2 && b[0] < 0xE0   ? 2
                    : b[0] >= 0xE0 && b[0] < 0xF0 ? 3
                    : b[0] >= 0xF0 && b[0] < 0xF5 ? 4
                                                  : 1;
    size_t i = 1;
    if (length > 2 && n > 1) {
        unsigned char low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
        unsigned char high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
        if (b[1] < low || b[1] > high) return 1;
    }
    while (i < length && i < n && (b[i] & 0xC0) == 0x80) i++;
    return i;
}

static void append_lossy(struct hone_text *out, const char *bytes, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t valid = hone_utf8_valid_prefix(bytes + i, n - i);
        hone_text_append(out, bytes + i, valid);
        i += valid;
        if (i == n) break;
        hone_text_append(out, REPLACEMENT, 3);
        i += broken_bytes((const unsigned char *)bytes + i, n - i);
    }
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte that a token like <0x0A> stands for, or -1. */
static int byte_of(const char *text, size_t n) {
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int high = text[3] == '+' ? 0 : hex(text[3]), low = hex(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void end_bytes(struct texts *out, struct hone_text *bytes) {
    if (bytes->length == 0) return;
    if (hone_utf8_valid_prefix(bytes->bytes, bytes->length) == bytes->length) {
        hone_text_append(&out->bytes, bytes->bytes, bytes->length);
        end_text(out);
    } else {
        for (size_t i = 0; i < bytes->length; i++) {
            hone_text_append(&out->bytes, REPLACEMENT, 3);
            end_text(out);
        }
    }
    bytes->length = 0;
}

static void strip(struct texts *out, const struct hone_decoder_step *step, const char *text, size_t n) {
    size_t begin = 0, end = n;
    char code[4];
    size_t code_n = (size_t)hone_utf8_encode(code, step->code);
    for (int64_t k = 0; k < step->start && end - begin >= code_n && memcmp(text + begin, code, code_n) == 0; k++)
        begin += code_n;
    for (int64_t k = 0; k < step->stop && end - begin >= code_n && memcmp(text + end - code_n, code, code_n) == 0; k++)
        end -= code_n;
    hone_text_append(&out->bytes, text + begin, end - begin);
    end_text(out);
}

static void replace(struct texts *out, const struct hone_decoder_step *step, const char *text, size_t n) {
    struct hone_matches matches = hone_matches_in(&step->pattern, text, n);
    size_t done = 0;
    while (n && hone_matches_next(&matches)) {
        hone_text_append(&out->bytes, text + done, matches.begin - done);
        hone_text_append(&out->bytes, step->text, strlen(step->text));
        done = matches.end;
    }
    hone_text_append(&out->bytes, text + done, n - done);
    end_text(out);
}

static void ctc(struct texts *out, const struct hone_decoder_step *step, const char *text, size_t n,
                struct hone_text *token) {
    token->length = 0;
    append_replaced(token, text, n, step->text, "");
    size_t before = out->bytes.length;
    if (step->cleanup) {
        hone_clean_up(token, true);
        append_replaced(&out->bytes, token->bytes, token->length, step->delimiter, " ");
    } else {
        hone_text_append(&out->bytes, token->bytes, token->length);
    }
    if (out->bytes.length > before) end_text(out);
}

static void run(struct texts *out, const struct texts *in, const struct hone_decoder_step *step,
                struct hone_text *scratch) {
    size_t begin = 0, previous = 0;
    scratch->length = 0;
    for (size_t i = 0; i < in->n; previous = begin, begin = in->ends[i++]) {
        const char *text = in->bytes.bytes + begin;
        size_t n = in->ends[i] - begin;
        switch (step->kind) {
        case HONE_DECODER_BPE:
            append_replaced(&out->bytes, text, n, step->text, i + 1 == in->n ? "" : " ");
            end_text(out);
            break;
        case HONE_DECODER_BYTE_FALLBACK: {
            int byte = byte_of(text, n);
            char c = (char)byte;
            if (byte >= 0) {
                hone_text_append(scratch, &c, 1);
                break;
            }
            end_bytes(out, scratch);
            hone_text_append(&out->bytes, text, n);
            end_text(out);
            break;
        }
        case HONE_DECODER_BYTE_LEVEL:
            append_bytes(scratch, text, n);
            break;
        case HONE_DECODER_CTC:
            if (i == 0 || n != begin - previous || memcmp(text, in->bytes.bytes + previous, n) != 0)
                ctc(out, step, text, n, scratch);
            break;
        case HONE_DECODER_FUSE:
            hone_text_append(&out->bytes, text, n);
            break;
        case HONE_DECODER_METASPACE:
            metaspace(out, step, text, n, i);
            break;
        case HONE_DECODER_REPLACE:
            replace(out, step, text, n);
            break;
        case HONE_DECODER_STRIP:
            strip(out, step, text, n);
            break;
        case HONE_DECODER_WORDPIECE:
            word_piece(out, step, text, n, i, scratch);
            break;
        }
    }
    if (step->kind == HONE_DECODER_BYTE_FALLBACK) end_bytes(out, scratch);
    if (step->kind == HONE_DECODER_BYTE_LEVEL) append_lossy(&out->bytes, scratch->bytes, scratch->length);
    if (step->kind == HONE_DECODER_BYTE_LEVEL || step->kind == HONE_DECODER_FUSE) end_text(out);
}

void hone_decode(struct hone_text *out, const struct hone_decoder *decoder, const char *const *texts, size_t n) {
    struct texts at = {0}, next = {0};
    struct hone_text scratch = {0};
    hone_text_append(&scratch, "", 0);
    hone_text_append(&at.bytes, "", 0);
    for (size_t i = 0; i < n; i++) {
        if (i && !decoder->given) hone_text_append(&at.bytes, " ", 1);
        hone_text_append(&at.bytes, texts[i], strlen(texts[i]));
        end_text(&at);
    }
    for (size_t i = 0; i < decoder->n; i++) {
        next.n = next.bytes.length = 0;
        hone_text_append(&next.bytes, "", 0);
        run(&next, &at, &decoder->at[i], &scratch);
        struct texts swapped = at;
        at = next;
        next = swapped;
    }
    *out = at.bytes;
    hone_free(at.ends);
    hone_free(next.ends);
    hone_text_free(&next.bytes);
    hone_text_free(&scratch);
}

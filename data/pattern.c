#include "data/pattern.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/normalized.h"
#include "data/pattern_parts.h"

static enum hone_status compile(struct hone_pattern *out, const char *where) {
    out->program = hone_calloc(1, sizeof *out->program, "an expression");
    const char *reason = hone_pattern_program_read(out->program, out->text);
    if (!reason) return HONE_OK;
    char *shown = hone_escape(out->text, out->n);
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: \"%s\": %s", where, shown, reason);
    hone_free(shown);
    return status;
}

enum hone_status hone_pattern_read(struct hone_pattern *out, const json_t *part, const char *where) {
    *out = (struct hone_pattern){0};
    const json_t *string = json_object_get(part, "String"), *regex = json_object_get(part, "Regex");
    const json_t *text = string ? string : regex;
    if (!json_is_string(text) || (string && regex))
        return hone_fail(HONE_BAD_INPUT, "%s isn't {\"String\": …} or {\"Regex\": …}", where);
    out->n = strlen(json_string_value(text));
    out->text = hone_strndup(json_string_value(text), out->n, "pattern");
    out->gpt2 = regex && strcmp(out->text, HONE_GPT2_PATTERN) == 0;
    /* An empty text is found where an empty expression is: between all characters. */
    return (regex && !out->gpt2) || !out->n ? compile(out, where) : HONE_OK;
}

void hone_pattern_free(struct hone_pattern *pattern) {
    if (pattern->program) hone_pattern_program_free(pattern->program);
    hone_free(pattern->program);
    hone_free(pattern->text);
    *pattern = (struct hone_pattern){0};
}

struct hone_matches hone_matches_in(const struct hone_pattern *pattern, const char *text, size_t n) {
    return (struct hone_matches){.pattern = pattern, .text = n ? text : "", .n = n, .last_end = SIZE_MAX};
}

static bool next_of_program(struct hone_matches *m) {
    while (m->at <= m->n && hone_pattern_search(m)) {
        /* An empty match right behind the one before counts for nothing. */
        bool counts = m->end > m->begin || m->last_end != m->end;
        m->at = m->end > m->begin ? m->end : m->end < m->n ? m->end + hone_character_bytes(m->text[m->end]) : m->n + 1;
        if (!counts) continue;
        m->last_end = m->end;
        return true;
    }
    hone_free(m->marks);
    hone_free(m->ways);
    m->marks = NULL;
    m->ways = NULL;
    m->ways_capacity = 0;
    m->at = m->n + 1;
    return false;
}

bool hone_matches_next(struct hone_matches *m) {
    if (m->pattern->program) return next_of_program(m);
    if (m->at >= m->n) return false;
    m->begin = m->at;
    if (m->pattern->gpt2) {
        m->end = hone_gpt2_match(m->text, m->n, m->at);
    } else {
        const char *place = memmem(m->text + m->at, m->n - m->at, m->pattern->text, m->pattern->n);
        if (!place) return false;
        m->begin = (size_t)(place - m->text);
        m->end = m->begin + m->pattern->n;
    }
    m->at = m->end;
    return true;
}

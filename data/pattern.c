#include "data/pattern.h"

#include <oniguruma.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/byte_level.h"
#include "data/normalized.h"

/* Steps back that a search may take at first, and how many all the longer ones of a text may take together. */
#define SHORT_SEARCH   200
#define STEPS_PER_BYTE 64
#define STEPS_ALWAYS   1000000

/* Oniguruma writes to a table of its own at first use. */
static void start_oniguruma(void) {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    HONE_CHECK(onig_initialize(encodings, 1) == ONIG_NORMAL, "Oniguruma doesn't start");
}

static enum hone_status fail(const char *where, const char *pattern, const char *reason) {
    char *shown = hone_escape(pattern, strlen(pattern));
    enum hone_status status = hone_fail(HONE_BAD_INPUT, "%s: \"%s\": %s", where, shown, reason);
    hone_free(shown);
    return status;
}

/* A group of an expression while it is scanned. */
struct group {
    bool bounded_only; /* look-around: repetition without end isn't allowed inside */
    bool repeats;      /* something inside repeats without end */
};
#define DEPTH 64

/* Length of a quantifier at p, 0 if there is none; *endless: it has no upper bound. */
static size_t quantifier(const char *p, bool *endless) {
    *endless = *p == '*' || *p == '+';
    if (*endless || *p == '?') return 1;
    if (*p != '{') return 0;
    size_t n = 1 + strspn(p + 1, "0123456789"), low = n;
    if (p[n] == ',') n += 1 + strspn(p + n + 1, "0123456789");
    if (p[n] != '}' || n == 1) return 0;
    *endless = n > low && p[n - 1] == ',' && low > 1;
    return n + 1;
}

/* Why the time of an expression can't be bounded, or NULL. */
static const char *unbounded(const char *p) {
    struct group groups[DEPTH] = {{0}};
    size_t depth = 0;
    bool atom_repeats = false; /* the latest atom is a group in which something repeats without end */
    while (*p) {
        if (*p == '\\') {
            if (p[1] >= '1' && p[1] <= '9') return "back references aren't supported";
            if ((p[1] == 'k' || p[1] == 'g') && p[2] == '<') return "references to groups aren't supported";
            if (p[1] && strchr("XRyY", p[1])) return "\\X, \\R, \\y and \\Y aren't supported";
            p += p[1] ? 2 : 1;
            if ((p[-1] == 'p' || p[-1] == 'P' || p[-1] == 'x') && *p == '{')
                p += strcspn(p, "}") + (strchr(p, '}') != 0);
            atom_repeats = false;
        } else if (*p == '[') {
            size_t nested = 0;
            do {
                if (*p == '\\' && p[1])
                    p++;
                else if (*p == '[')
                    nested++;
                else if (*p == ']')
                    nested--;
                p++;
            } while (*p && nested);
            atom_repeats = false;
        } else if (*p == '(') {
            if (++depth == DEPTH) return "its groups are nested too deeply";
            groups[depth] = (struct group){groups[depth - 1].bounded_only, false};
            p++;
            if (*p == '*') return "callouts aren't supported";
            if (*p != '?') continue;
            if (p[1] == '>' || p[1] == '~' || p[1] == '{' || p[1] == '(' || p[1] == '#')
                return "atomic, absent and conditional groups, callouts and comments aren't supported";
            bool around = p[1] == '=' || p[1] == '!' || (p[1] == '<' && (p[2] == '=' || p[2] == '!'));
            groups[depth].bounded_only |= around;
            p += 2;
        } else if (*p == ')') {
            if (depth == 0) return NULL; /* Oniguruma says what's wrong */
            atom_repeats = groups[depth].repeats;
            depth--;
            groups[depth].repeats |= atom_repeats;
            p++;
        } else {
            bool endless;
            size_t n = quantifier(p, &endless);
            if (n == 0) {
                atom_repeats = false;
                p++;
                continue;
            }
            p += n;
            if (endless && atom_repeats) return "repetition inside repetition can take forever";
            if (endless && groups[depth].bounded_only)
                return "repetition without end inside look-around isn't supported";
            if (endless && *p == '+') return "possessive repetition isn't supported";
            if (*p == '+' || *p == '?') p++;
            groups[depth].repeats |= endless;
            atom_repeats = endless;
        }
    }
    return NULL;
}

static enum hone_status compile(struct hone_pattern *out, const char *where) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_oniguruma);
    const char *reason = unbounded(out->text);
    if (reason) return fail(where, out->text, reason);
    regex_t *regex;
    OnigErrorInfo info;
    char *meant = hone_pattern_mend_classes(out->text);
    const UChar *text = (const UChar *)meant, *end = text + strlen(meant);
    int code = onig_new(&regex, text, end, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
    hone_free(meant);
    if (code != ONIG_NORMAL) {
        UChar message[ONIG_MAX_ERROR_MESSAGE_LEN];
        onig_error_code_to_str(message, code, &info);
        return fail(where, out->text, (const char *)message);
    }
    out->regex = regex;
    return HONE_OK;
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
    return regex && !out->gpt2 ? compile(out, where) : HONE_OK;
}

void hone_pattern_free(struct hone_pattern *pattern) {
    if (pattern->regex) onig_free(pattern->regex);
    hone_free(pattern->text);
    *pattern = (struct hone_pattern){0};
}

struct hone_matches hone_matches_in(const struct hone_pattern *pattern, const char *text, size_t n) {
    return (struct hone_matches){.pattern = pattern,
                                 .text = text,
                                 .n = n,
                                 .last_end = SIZE_MAX,
                                 .budget = STEPS_ALWAYS + (int64_t)n * STEPS_PER_BYTE};
}

static int search(struct hone_matches *m, OnigRegion *region, unsigned long steps) {
    OnigMatchParam *param = onig_new_match_param();
    HONE_CHECK(param, "no memory for a pattern's search");
    onig_initialize_match_param(param);
    onig_set_retry_limit_in_match_of_match_param(param, steps);
    onig_set_retry_limit_in_search_of_match_param(param, steps);
    const UChar *text = (const UChar *)m->text;
    int found = onig_search_with_param(m->pattern->regex, text, text + m->n, text + m->at, text + m->n, region,
                                       ONIG_OPTION_NONE, param);
    onig_free_match_param(param);
    return found;
}

static bool ran_out(int code) {
    return code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER ||
           code == ONIGERR_MATCH_STACK_LIMIT_OVER;
}

static enum hone_status next_regex(struct hone_matches *m, bool *found) {
    OnigRegion region = {0};
    enum hone_status status = HONE_OK;
    for (*found = false; m->at <= m->n;) {
        int64_t steps = SHORT_SEARCH;
        int code = search(m, &region, (unsigned long)steps);
        while (ran_out(code) && m->budget > 0) {
            steps *= 2;
            m->budget -= steps; /* twice what it takes, at most */
            code = search(m, &region, (unsigned long)steps);
        }
        if (ran_out(code)) status = fail("pattern", m->pattern->text, "takes too many steps on a text");
        if (code < 0) break;
        m->begin = (size_t)region.beg[0];
        m->end = (size_t)region.end[0];
        /* An empty match right behind the one before counts for nothing. */
        bool counts = m->end > m->begin || m->last_end != m->end;
        m->at = m->end > m->begin ? m->end : m->end < m->n ? m->end + hone_character_bytes(m->text[m->end]) : m->n + 1;
        if (!counts) continue;
        m->last_end = m->end;
        *found = true;
        break;
    }
    onig_region_free(&region, 0);
    return status;
}

enum hone_status hone_matches_next(struct hone_matches *m, bool *found) {
    if (m->pattern->regex) return next_regex(m, found);
    *found = false;
    if (m->at >= m->n || m->pattern->n == 0) return HONE_OK;
    m->begin = m->at;
    if (m->pattern->gpt2) {
        m->end = hone_gpt2_match(m->text, m->n, m->at);
    } else {
        const char *place = memmem(m->text + m->at, m->n - m->at, m->pattern->text, m->pattern->n);
        if (!place) return HONE_OK;
        m->begin = (size_t)(place - m->text);
        m->end = m->begin + m->pattern->n;
    }
    m->at = m->end;
    *found = true;
    return HONE_OK;
}

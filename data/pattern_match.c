/* Runs the program of an expression over a text. A way that fails is tried again from its latest choice; a mark for each
 * place and step that ways meet in says that what follows from there fails, so that no two ways go on from there. Marks stay
 * from one beginning to the next: whether a step leads to a match doesn't depend on where the way to it began. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalized.h"
#include "data/pattern_parts.h"

static void wait(struct hone_matches *m, int32_t step, size_t from, size_t at) {
    hone_reserve(&m->ways, &m->ways_capacity, m->ways_n + 1, sizeof *m->ways, "ways through an expression");
    m->ways[m->ways_n++] = (struct hone_way){step, from, at};
}

/* False where the step was tried from that place before. */
static bool mark(struct hone_matches *m, int32_t bit, size_t at) {
    size_t place = at * (size_t)m->pattern->program->marks + (size_t)bit;
    uint64_t one = UINT64_C(1) << place % 64;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a program that marks has marks. */
    if (m->marks[place / 64] & one) return false;
    m->marks[place / 64] |= one;
    return true;
}

/* Steps on the way to a match didn't fail. The next search begins where it ends, or behind. */
static void forget_marks(struct hone_matches *m, size_t at) {
    int32_t n = m->pattern->program->marks;
    for (size_t place = at * (size_t)n, end = place + (size_t)n; place < end; place++)
        m->marks[place / 64] &= ~(UINT64_C(1) << place % 64);
}

static size_t before(const char *text, size_t at) {
    do at--;
    while ((text[at] & 0xC0) == 0x80);
    return at;
}

static struct hone_pattern_piece *piece_of(const struct hone_matches *m, const struct hone_pattern_step *step) {
    return m->pattern->program->pieces[step->piece];
}

/* Whether the step's piece takes the character at *at, which is then passed. */
static bool take(const struct hone_matches *m, const struct hone_pattern_step *step, size_t *at) {
    size_t next = *at;
    if (next >= m->n || !hone_pattern_piece_has(piece_of(m, step), hone_utf8_next(m->text, &next))) return false;
    *at = next;
    return true;
}

/* Passes all characters that the piece takes; what follows is to be tried behind the last one first. Being here is the same
 * as having come here from further left, so each place passed is marked. */
static bool take_many(struct hone_matches *m, const struct hone_pattern_step *step, size_t *at) {
    size_t begin = *at, last = begin, next = begin;
    if (!mark(m, step->mark, begin)) return false;
    while (take(m, step, &next) && mark(m, step->mark, next)) {
        last = next;
        m->work++;
    }
    int32_t following = (int32_t)(step - m->pattern->program->steps) + 1;
    if (last > begin) wait(m, following, begin, before(m->text, last));
    *at = last;
    return true;
}

static bool take_all(struct hone_matches *m, const struct hone_pattern_step *step, size_t *at) {
    for (int32_t n = 0; step->most < 0 || n < step->most; n++, m->work++) {
        if (step->mark >= 0 && !mark(m, step->mark, *at)) return false;
        if (!take(m, step, at)) break;
    }
    return true;
}

/* Takes one step, after which *step and *at are where the way goes on; false where it fails. */
static bool advance(struct hone_matches *m, int32_t *step, size_t *at) {
    const struct hone_pattern_step *s = &m->pattern->program->steps[*step];
    int64_t length;
    size_t ahead = *at;
    switch (s->kind) {
    case HONE_PATTERN_CHARACTER:
        ++*step;
        return take(m, s, at);
    case HONE_PATTERN_TEXT:
        ++*step;
        length = hone_pattern_piece_match(piece_of(m, s), m->text, m->n, *at);
        *at += (size_t)(length > 0 ? length : 0);
        return length >= 0;
    case HONE_PATTERN_ASSERT:
        ++*step;
        return hone_pattern_piece_match(piece_of(m, s), m->text, m->n, *at) >= 0;
    case HONE_PATTERN_AHEAD:
    case HONE_PATTERN_NOT_AHEAD:
        ++*step;
        return take(m, s, &ahead) == (s->kind == HONE_PATTERN_AHEAD);
    case HONE_PATTERN_MANY:
        ++*step;
        return take_many(m, s, at);
    case HONE_PATTERN_ALL:
        ++*step;
        return take_all(m, s, at);
    case HONE_PATTERN_SPLIT:
        wait(m, s->lazy ? *step + 1 : s->to, *at, *at);
        *step = s->lazy ? s->to : *step + 1;
        return true;
    case HONE_PATTERN_JUMP:
        *step = s->to;
        return true;
    case HONE_PATTERN_FOUND:
        break;
    }
    return true;
}

/* A match that begins at m->begin: its end in m->end. */
static bool match(struct hone_matches *m) {
    const struct hone_pattern_step *steps = m->pattern->program->steps;
    m->ways_n = 0;
    wait(m, 0, m->begin, m->begin);
    while (m->ways_n) {
        struct hone_way *way = &m->ways[m->ways_n - 1];
        int32_t step = way->step;
        size_t at = way->at;
        if (at == way->from)
            m->ways_n--;
        else
            way->at = before(m->text, at);
        for (bool alive = true; alive; m->work++) {
            const struct hone_pattern_step *s = &steps[step];
            if (s->kind == HONE_PATTERN_FOUND) {
                m->end = at;
                forget_marks(m, at);
                return true;
            }
            bool marks = s->mark >= 0 && s->kind != HONE_PATTERN_MANY && s->kind != HONE_PATTERN_ALL;
            alive = (!marks || mark(m, s->mark, at)) && advance(m, &step, &at);
        }
    }
    return false;
}

bool hone_pattern_search(struct hone_matches *m) {
    int32_t marks = m->pattern->program->marks;
    if (!m->marks && marks)
        m->marks = hone_calloc(((m->n + 1) * (size_t)marks + 63) / 64, 8, "ways through an expression");
    for (m->begin = m->at; m->begin <= m->n; m->begin += m->begin < m->n ? hone_character_bytes(m->text[m->begin]) : 1)
        if (match(m)) return true;
    return false;
}

#include "recipes/tags.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

char hone_tag_prefix(char letter) { return letter == 'L' ? 'E' : letter == 'U' ? 'S' : letter; }

bool hone_tag_read(struct hone_tag *out, struct hone_labels *types, const char *text, size_t n) {
    if (n == 0 || memchr(text, 0, n) || !strchr("OBIESLU", text[0])) return false;
    *out = (struct hone_tag){.prefix = hone_tag_prefix(text[0]), .type = -1};
    if (text[0] == 'O') return n == 1;
    /* seqeval's two modes read dashes at the ends of a type differently. */
    if (n > 1 && (text[1] != '-' || n == 2 || text[2] == '-' || text[n - 1] == '-')) return false;
    const char *type = n > 1 ? text + 2 : "_";
    out->type = hone_labels_collect(types, type, n > 1 ? n - 2 : 1);
    return true;
}

static bool has_prefix(const struct hone_tags *tags, int64_t n, const char *prefixes) {
    for (int64_t i = 0; i < n; i++)
        if (strchr(prefixes, tags->of[i].prefix)) return true;
    return false;
}

void hone_tags_create(struct hone_tags *out, const struct hone_labels *labels) {
    *out = (struct hone_tags){.scheme = labels->scheme};
    if (labels->scheme == HONE_SCHEME_NONE) return;
    out->of = hone_alloc((size_t)labels->n, sizeof *out->of, "tags");
    bool all = true;
    for (int64_t i = 0; i < labels->n && all; i++)
        all = hone_tag_read(&out->of[i], &out->types, labels->names[i], strlen(labels->names[i]));
    if (!all || out->types.n == 0) {
        hone_tags_free(out);
        out->scheme = HONE_SCHEME_NONE;
        return;
    }
    hone_labels_sort(&out->types);
    for (int64_t i = 0; i < labels->n; i++)
        hone_tag_read(&out->of[i], &out->types, labels->names[i], strlen(labels->names[i]));
    if (out->scheme != HONE_SCHEME_AUTO) return;
    out->scheme = has_prefix(out, labels->n, "ES")  ? HONE_SCHEME_IOBES
                  : has_prefix(out, labels->n, "B") ? HONE_SCHEME_IOB2
                                                    : HONE_SCHEME_IO;
}

void hone_tags_free(struct hone_tags *tags) {
    hone_labels_free(&tags->types);
    hone_free(tags->of);
    *tags = (struct hone_tags){0};
}

static void add_entity(struct hone_entities *out, int64_t begin, int64_t end, int32_t type) {
    hone_reserve(&out->at, &out->capacity, out->n + 1, sizeof *out->at, "entities");
    out->at[out->n++] = (struct hone_entity){begin, end, type};
}

const struct hone_tag hone_tag_outside = {'O', -1};

/* Whether an entity begins with `tag` behind `before`. One that goes on ends at O, and where another begins. */
static bool begins(struct hone_tag before, struct hone_tag tag) {
    if (tag.prefix == 'O') return false;
    bool over = before.prefix == 'O' || before.prefix == 'E' || before.prefix == 'S';
    return over || tag.prefix == 'B' || tag.prefix == 'S' || tag.type != before.type;
}

void hone_entities_find(struct hone_entities *out, const struct hone_tag *tags, int64_t n) {
    int64_t begin = 0;
    out->n = 0;
    for (int64_t i = 0; i <= n; i++) {
        struct hone_tag before = i > 0 ? tags[i - 1] : hone_tag_outside, tag = i < n ? tags[i] : hone_tag_outside;
        bool starts = begins(before, tag);
        if (before.prefix != 'O' && (tag.prefix == 'O' || starts)) add_entity(out, begin, i, before.type);
        if (starts) begin = i;
    }
}

/* A pair of tags that stand one behind the other: their prefixes, and whether they are of one type. */
enum types { ANY, SAME, OTHER };
struct pattern {
    const char *before, *tag; /* any of these prefixes */
    enum types types;
};
struct patterns {
    struct pattern begins[6], goes_on[5], ends[7]; /* up to one without prefixes */
};

/* seqeval 1.2.2's, of which IOB1's don't end an entity before a B of another type. */
static const struct patterns iob1 = {
    .begins = {{"O", "I", ANY}, {"I", "I", OTHER}, {"B", "I", ANY}, {"I", "B", SAME}, {"B", "B", SAME}},
    .goes_on = {{"B", "I", SAME}, {"I", "I", SAME}},
    .ends = {{"I", "I", OTHER}, {"I", "OB", ANY}, {"B", "O", ANY}, {"B", "I", OTHER}, {"B", "B", SAME}},
};
static const struct patterns iob2 = {
    .begins = {{"OBI", "B", ANY}},
    .goes_on = {{"B", "I", SAME}, {"I", "I", SAME}},
    .ends = {{"I", "OB", ANY}, {"I", "I", OTHER}, {"B", "OB", ANY}, {"B", "I", OTHER}},
};
static const struct patterns iobes = {
    .begins = {{"OBIES", "BS", ANY}},
    .goes_on = {{"B", "IE", SAME}, {"I", "IE", SAME}},
    .ends = {{"ES", "OBIES", ANY}},
};

static bool matches(const struct pattern *patterns, struct hone_tag before, struct hone_tag tag) {
    for (; patterns->before; patterns++) {
        if (!strchr(patterns->before, before.prefix) || !strchr(patterns->tag, tag.prefix)) continue;
        if (patterns->types == ANY || (patterns->types == SAME) == (before.type == tag.type)) return true;
    }
    return false;
}

void hone_entities_find_strict(struct hone_entities *out, const struct hone_tag *tags, int64_t n,
                               enum hone_scheme scheme) {
    const struct patterns *p = scheme == HONE_SCHEME_IOBES ? &iobes : scheme == HONE_SCHEME_IOB2 ? &iob2 : &iob1;
    out->n = 0;
    for (int64_t i = 0; i < n;) {
        int64_t begin = i++;
        if (!matches(p->begins, begin > 0 ? tags[begin - 1] : hone_tag_outside, tags[begin])) continue;
        while (i < n && matches(p->goes_on, tags[i - 1], tags[i])) i++;
        if (matches(p->ends, tags[i - 1], i < n ? tags[i] : hone_tag_outside))
            add_entity(out, begin, i, tags[begin].type);
    }
}

void hone_entities_mark(struct hone_tag *tags, int64_t n, const struct hone_entities *entities,
                        enum hone_scheme scheme) {
    for (int64_t i = 0; i < n; i++) tags[i] = hone_tag_outside;
    for (size_t e = 0; e < entities->n; e++) {
        const struct hone_entity *entity = &entities->at[e], *before = e > 0 ? entity - 1 : NULL;
        bool last = false, first = true;
        bool touches = before && before->end == entity->begin && before->type == entity->type;
        for (int64_t i = entity->begin; i < entity->end; i++, first = false) {
            char prefix = 'I';
            last = i + 1 == entity->end;
            if (first && (scheme == HONE_SCHEME_IOB2 || scheme == HONE_SCHEME_IOBES)) prefix = 'B';
            if (first && scheme == HONE_SCHEME_IOB1 && touches) prefix = 'B';
            if (last && scheme == HONE_SCHEME_IOBES) prefix = first ? 'S' : 'E';
            tags[i] = (struct hone_tag){prefix, entity->type};
        }
    }
}

bool hone_tag_may_follow(enum hone_scheme scheme, struct hone_tag before, struct hone_tag tag) {
    bool behind_same = before.prefix != 'O' && before.type == tag.type;
    bool inside = before.prefix == 'B' || before.prefix == 'I', goes_on = tag.prefix == 'I' || tag.prefix == 'E';
    switch (scheme) {
    case HONE_SCHEME_IOB1:
        return tag.prefix != 'B' || behind_same;
    case HONE_SCHEME_IOB2:
        return tag.prefix != 'I' || behind_same;
    case HONE_SCHEME_IOBES:
        return inside == goes_on && (!inside || behind_same);
    default:
        return true;
    }
}

void hone_scheme_look(struct hone_scheme_finder *finder, const struct hone_tag *tags, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        struct hone_tag before = i > 0 ? tags[i - 1] : hone_tag_outside, tag = tags[i];
        if (tag.prefix == 'O') continue;
        finder->begins = finder->begins || tag.prefix == 'B';
        finder->ends = finder->ends || tag.prefix == 'E' || tag.prefix == 'S';
        finder->not_iob1 = finder->not_iob1 || !hone_tag_may_follow(HONE_SCHEME_IOB1, before, tag);
        finder->not_iob2 = finder->not_iob2 || !hone_tag_may_follow(HONE_SCHEME_IOB2, before, tag);
    }
}

enum hone_scheme hone_scheme_found(const struct hone_scheme_finder *finder) {
    if (finder->ends) return HONE_SCHEME_IOBES;
    if (!finder->begins) return HONE_SCHEME_IO;
    /* Of data that is neither, most was meant as IOB2. */
    return finder->not_iob2 && !finder->not_iob1 ? HONE_SCHEME_IOB1 : HONE_SCHEME_IOB2;
}

const char *hone_scheme_prefixes(enum hone_scheme scheme) {
    return scheme == HONE_SCHEME_IO ? "OI" : scheme == HONE_SCHEME_IOBES ? "OBIES" : "OBI";
}

void hone_scheme_labels(struct hone_labels *out, const struct hone_labels *types, enum hone_scheme scheme) {
    hone_labels_collect(out, "O", 1);
    for (int64_t t = 0; t < types->n; t++) {
        for (const char *prefix = hone_scheme_prefixes(scheme) + 1; *prefix; prefix++) {
            bool untyped = strcmp(types->names[t], "_") == 0;
            char *name = untyped ? hone_format("%c", *prefix) : hone_format("%c-%s", *prefix, types->names[t]);
            hone_labels_collect(out, name, strlen(name));
            hone_free(name);
        }
    }
    hone_labels_sort(out);
    out->scheme = scheme;
}

enum hone_scheme hone_tags_scheme(const struct hone_labels *labels) {
    struct hone_tags tags;
    hone_tags_create(&tags, labels);
    enum hone_scheme scheme = tags.scheme;
    hone_tags_free(&tags);
    return scheme;
}

/* Tags of words, as "B-PER": a prefix that says where in an entity the word stands, and the entity's type.
 *
 *   IO     I-T inside; neighbours of one type are one entity
 *   IOB1   I-T inside; B-T begins an entity right behind another of its type (Ramshaw and Marcus 1995)
 *   IOB2   B-T begins every entity, I-T goes on
 *   IOBES  B-T begins, I-T goes on, E-T ends, S-T is a whole entity; also with BILOU's letters, L for E and U for S
 *
 * O is outside. Without a type (B, I, E, S alone) the type is "_". */
#ifndef HONE_RECIPES_TAGS_H
#define HONE_RECIPES_TAGS_H

#include "recipes/labels.h"

struct hone_tag {
    char prefix;  /* 'O', 'B', 'I', 'E' or 'S' */
    int32_t type; /* index; of O -1 */
};

/* A tag from a file; its type is added to `types` where it is new. False: none of the above. */
bool hone_tag_read(struct hone_tag *out, struct hone_labels *types, const char *text, size_t n);

/* The tags that labels are. */
struct hone_tags {
    enum hone_scheme scheme;  /* HONE_SCHEME_NONE: labels are no such tags, and there are no types */
    struct hone_labels types; /* in byte order */
    struct hone_tag *of;      /* [labels] */
};
/* The scheme is that of the labels; AUTO: what their names say, B and I being IOB2. Free with hone_tags_free. */
void hone_tags_create(struct hone_tags *out, const struct hone_labels *labels);
void hone_tags_free(struct hone_tags *tags);
/* The scheme alone. */
enum hone_scheme hone_tags_scheme(const struct hone_labels *labels);

struct hone_entity {
    int64_t begin, end; /* words, `end` not among them */
    int32_t type;
};
struct hone_entities {
    struct hone_entity *at;
    size_t n, capacity;
};
/* Entities that n tags mark, in their order. As seqeval's default mode, which is conlleval's: what begins or ends one is
 * taken to, whether it may stand there or not. `out` is overwritten; free out->at. */
void hone_entities_find(struct hone_entities *out, const struct hone_tag *tags, int64_t n);
/* Only what the scheme marks as an entity, as seqeval's strict mode; IO like IOB1. */
void hone_entities_find_strict(struct hone_entities *out, const struct hone_tag *tags, int64_t n,
                               enum hone_scheme scheme);
/* The tags that mark these entities among n words. */
void hone_entities_mark(struct hone_tag *tags, int64_t n, const struct hone_entities *entities,
                        enum hone_scheme scheme);

/* Whether the scheme lets `tag` stand behind `before`; O stands before the first and behind the last. */
bool hone_tag_may_follow(enum hone_scheme scheme, struct hone_tag before, struct hone_tag tag);
extern const struct hone_tag hone_tag_outside;

/* What is found out about the scheme of data while it is read: start with {0}. */
struct hone_scheme_finder {
    bool begins, ends;       /* there are B; E or S */
    bool not_iob1, not_iob2; /* a tag stood where that scheme has another */
};
void hone_scheme_look(struct hone_scheme_finder *finder, const struct hone_tag *tags, int64_t n);
enum hone_scheme hone_scheme_found(const struct hone_scheme_finder *finder);
/* 'E' for 'L' and 'S' for 'U', other prefixes as they are. */
char hone_tag_prefix(char letter);
/* Adds all tags that the scheme has for the types, O among them. */
void hone_scheme_labels(struct hone_labels *out, const struct hone_labels *types, enum hone_scheme scheme);
/* The prefixes that the scheme has: "OBI". */
const char *hone_scheme_prefixes(enum hone_scheme scheme);

#endif

/* Folders from before tokenizer.json: a vocabulary with tokenizer_config.json, special_tokens_map.json and
 * added_tokens in them. What they say is collected into what tokenizer.json would have, as Transformers 5 does. */
#ifndef HONE_DATA_OLDER_H
#define HONE_DATA_OLDER_H

#include "data/tokenizer_parts.h"

struct hone_older {
    char *vocab_path, *config_path, *map_path, *listed_path; /* for messages */
    json_t *config, *map; /* NULL without such a file; map is NULL beside added_tokens_decoder */
    json_t *listed;       /* added_tokens.json: text -> id; NULL without it, and beside added_tokens_decoder */
    json_t *ids;          /* text -> id */
    int64_t next;         /* id of the next token that isn't among them */
    int64_t limit;        /* ids from here on are for no special token that is only named */
    json_t *added;        /* added_tokens */
};
/* Reads the configuration beside the vocabulary `name`. Free in every case. */
enum hone_status hone_older_open(struct hone_older *out, const char *folder, const char *name, int64_t limit);
void hone_older_free(struct hone_older *older);
/* Once ids are known: the configuration's added_tokens_decoder, or added_tokens.json. */
enum hone_status hone_older_add_decoder(struct hone_older *older);
/* Adds a token unless it is there. */
void hone_older_add(struct hone_older *older, const char *content, bool special);
/* The token that plays a part (key "cls_token"), from the map, else the configuration, else `usual`: added, its text
 * (borrowed) in *text and id in *id. One that isn't in the vocabulary is HONE_BAD_INPUT where it is `needed`, else it gets
 * the next id, or -1 where that is beyond the limit or ids have gaps. */
enum hone_status hone_older_special(const char **text, int64_t *id, struct hone_older *older, const char *key,
                                    const char *usual, bool needed);
/* Every part's token that map or configuration name, else the usual one (NULL: none), as hone_older_special adds what isn't
 * needed: bos, eos, unk, sep, pad, cls, mask. */
enum { HONE_OLDER_PARTS = 7 };
enum hone_status hone_older_add_named(struct hone_older *older, const char *const usual[HONE_OLDER_PARTS]);
/* Further special tokens: additional_special_tokens and extra_special_tokens. */
enum hone_status hone_older_add_extra(struct hone_older *older);
/* A TemplateProcessing from words like "$A:0" and "cls:1" (a special token by its place in `texts`, as a digit). */
json_t *hone_older_template(const char *single, const char *pair, const char *const *texts, const int64_t *ids,
                            size_t n);
/* Puts *root together; the parts are taken over. */
void hone_older_finish(json_t **root, struct hone_older *older, json_t *normalizer, json_t *pre_tokenizer,
                       json_t *model, json_t *post_processor, json_t *decoder);

#endif

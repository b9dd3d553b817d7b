/* An encoded text as JSON, written without a library's detour: it is what `hone tokenize` spends its time on. */
#ifndef HONE_TOOLS_ENCODING_JSON_H
#define HONE_TOOLS_ENCODING_JSON_H

#include "base/memory.h"
#include "data/tokenizer.h"

/* Appends {"ids","type_ids","tokens","offsets","word_ids"}, with `sequences` also "sequence_ids" and
 * "special_tokens_mask" as Transformers names them; further windows follow as objects in "overflowing", which isn't
 * there without any. No newline. */
void hone_encoding_json(struct hone_text *out, const struct hone_tokenizer *tokenizer, struct hone_encoding *encoding,
                        bool sequences);
/* Appends valid UTF-8 as a JSON string, with its quotes. */
void hone_json_quote(struct hone_text *out, const char *text, size_t n);

#endif

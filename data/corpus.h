/* The distinct words of text files and how often each occurs, in memory that grows with the words, not with the files. */
#ifndef HONE_DATA_CORPUS_H
#define HONE_DATA_CORPUS_H

#include "base/status.h"
#include "data/normalizer.h"
#include "data/pre_tokenizer.h"
#include "data/strings.h"

/* Start with the parts filled in and the rest {0}; the parts stay the caller's. */
struct hone_corpus {
    const struct hone_normalizer *normalizer;
    const struct hone_pre_tokenizer *pre_tokenizer;
    bool characters; /* each character is a word */
    struct hone_strings words;
    int64_t lines, bytes;
};
/* Adds a file of UTF-8 text, perhaps packed (data/source.h). A line with its LF is one text, as for the reference's training from files. Invalid UTF-8
 * is HONE_BAD_INPUT with file, line and byte. */
enum hone_status hone_corpus_add(struct hone_corpus *corpus, const char *path);
/* Numbers the words by their bytes, so that nothing depends on the order in which threads met them. */
void hone_corpus_finish(struct hone_corpus *corpus);
void hone_corpus_free(struct hone_corpus *corpus);

#endif

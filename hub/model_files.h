/* The files of a Hub model folder beside its tensors: config.json and the tokenizer's, in and out.
 *
 *     hone_config_read(&config, "runs/demo/model");
 *     hone_config_labels(&names, &n, config, path);
 *     json_t *out = hone_config_for_head(config, &head);
 *     hone_config_write(out, temporary);
 *     hone_tokenizer_files_copy(temporary, "runs/demo/model", 128, "BertTokenizer");
 */
#ifndef HONE_HUB_MODEL_FILES_H
#define HONE_HUB_MODEL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"

/* config.json of `folder`; the caller json_decref()s it. */
enum hone_status hone_config_read(json_t **out, const char *folder);
enum hone_status hone_config_write(const json_t *config, const char *folder);

/* id2label as an array of owned names (free with hone_config_labels_free), checked: keys "0" … "n-1", each once, values
 * distinct strings. No id2label: *n is 0 and *names NULL. `path` stands in messages. */
enum hone_status hone_config_labels(char ***names, size_t *n, const json_t *config, const char *path);
void hone_config_labels_free(char **names, size_t n);

/* What a trained head changes in config.json. */
struct hone_config_head {
    const char *architecture; /* "BertForSequenceClassification" */
    const char *model_type;   /* "bert" */
    const char *problem_type; /* "single_label_classification", …; NULL: as it was */
    const char *dtype;        /* of the saved tensors in PyTorch's words: "float32" */
    char *const *labels;      /* [n_labels]; NULL: id2label and label2id stay as they were */
    size_t n_labels;
};

/* The source's config with the head's facts set, every other key and the order kept; the caller json_decref()s it.
 * _name_or_path and num_labels (which follows from id2label) go, a "dtype" that contradicts goes, transformers_version
 * is added where there was none. */
json_t *hone_config_for_head(const json_t *source, const struct hone_config_head *head);

/* Copies the tokenizer's files that `from` has into the existing folder `to`, byte for byte, but for model_max_length
 * in tokenizer_config.json, which becomes max_length with every other byte kept; with prefix_space also add_prefix_space
 * there and in tokenizer.json's pre_tokenizer and post_processor, which becomes true. Without a tokenizer_config.json in
 * `from` a minimal one is made, with tokenizer_class (as in config.json's family: "BertTokenizer"). `to` and `from`
 * differ. No tokenizer file at all is HONE_BAD_INPUT. */
enum hone_status hone_tokenizer_files_copy(const char *to, const char *from, int64_t max_length,
                                           const char *tokenizer_class, bool prefix_space);

#endif

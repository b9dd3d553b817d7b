/* What is in the data files of a recipe, and what looks wrong in them, before anything is trained. */
#ifndef HONE_RECIPES_DATA_REPORT_H
#define HONE_RECIPES_DATA_REPORT_H

#include "base/json.h"
#include "recipes/recipe.h"

/* Findings of a kind that are listed at most; all are counted. */
#define HONE_REPORT_LISTED 1000

/* Reads all splits once, with the model's tokenizer, and sets in `out`:
 *   "splits":   [{"name", "samples", "labels": {name: count}, "tokens", "longest", "mean", "truncated", "empty",
 *                "windowed"?}]
 *   "findings": {kind: {"count", "examples": [{"split", "file", "line", "what"?, "like"?: "file:line"}]}}
 * Lengths are in tokens, special ones included. Kinds: duplicate (texts and label as in an earlier row of the split),
 * leak (texts that an earlier split has), contradiction (texts that an earlier row has with another label), empty,
 * unknown_label (not in task.labels), truncated (longer than data.max_length), mojibake (UTF-8 taken for Latin-1 once),
 * replacement (U+FFFD), byte_order_mark (inside a text), control (characters that texts don't have). Where words have tags
 * nothing is truncated, but windowed (longer than data.max_length); and there are invalid_transition (a tag that the
 * training data's scheme doesn't let stand behind the one before), rare_label (on fewer than ten of its words, or entities
 * of texts) and not_in_training (on none of them, but in another split). A row that cannot be read at all ends the report with HONE_BAD_INPUT. */
enum hone_status hone_data_report(json_t *out, const struct hone_recipe *recipe);

/* Appends the report as tables. */
void hone_data_report_print(struct hone_text *text, const json_t *report);

#endif

/* Rendering of the model card. The YAML block follows the Hub's model card metadata; every string from outside goes
 * through yaml_string, inline_text or code, and nothing else puts such a string into the text. */
#include "hub/model_card.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"

static void put(struct hone_text *text, const char *bytes) { hone_text_append(text, bytes, strlen(bytes)); }

/* A double-quoted YAML scalar (YAML 1.2, section 7.3.1), on one line. Bytes that are no UTF-8 become U+FFFD. */
static void yaml_string(struct hone_text *text, const char *string) {
    size_t n = strlen(string), i = 0;
    put(text, "\"");
    while (i < n) {
        size_t valid = hone_utf8_valid_prefix(string + i, n - i);
        for (size_t end = i + valid; i < end;) {
            size_t start = i;
            int32_t code = hone_utf8_next(string, &i);
            bool plain = (code >= 0x20 && code < 0x7F) || (code >= 0xA0 && code != 0x2028 && code != 0x2029 &&
                                                           code != 0xFEFF && code != 0xFFFE && code != 0xFFFF);
            if (code == '"' || code == '\\') {
                hone_text_format(text, "\\%c", (char)code);
            } else if (plain) {
                hone_text_append(text, string + start, i - start);
            } else {
                hone_text_format(text, "\\u%04x", (unsigned)code);
            }
        }
        if (i < n) {
            put(text, "\xEF\xBF\xBD");
            i++;
        }
    }
    put(text, "\"");
}

/* Markdown text in which nothing is markup (CommonMark 0.31, section 2.4): ASCII punctuation that could be gets a
 * backslash, also ':' and '@', which make links of bare addresses on the Hub. Control characters show as \xNN. */
static void inline_text(struct hone_text *text, const char *string) {
    char *shown = hone_escape(string, strlen(string));
    for (const char *c = shown; *c; c++) {
        if (strchr("\\`*_{}[]<>()#+!|&~:@$=^", *c)) put(text, "\\");
        hone_text_append(text, c, 1);
    }
    hone_free(shown);
}

/* A code span (CommonMark 0.31, section 6.1): fenced by more backticks than the text has in a row; in a table a '|'
 * has to be escaped all the same (GitHub's tables extension). */
static void code(struct hone_text *text, const char *string, bool in_table) {
    char *shown = hone_escape(string, strlen(string));
    if (*shown == 0) {
        put(text, "*(empty)*");
        hone_free(shown);
        return;
    }
    int longest = 0, run = 0;
    for (const char *c = shown; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    size_t last = strlen(shown) - 1;
    /* One space on each side is taken off again by the reader, and keeps backticks from the fence. */
    bool padded = shown[0] == '`' || shown[last] == '`' || shown[0] == ' ' || shown[last] == ' ';
    for (int i = 0; i <= longest; i++) put(text, "`");
    if (padded) put(text, " ");
    for (const char *c = shown; *c; c++) {
        if (*c == '|' && in_table) put(text, "\\");
        hone_text_append(text, c, 1);
    }
    if (padded) put(text, " ");
    for (int i = 0; i <= longest; i++) put(text, "`");
    hone_free(shown);
}

/* "org/name" or "name" as the Hub allows it; a folder of this machine is not for a public card's metadata. */
static bool is_hub_name(const char *name) {
    int slashes = 0;
    for (const char *c = name; *c; c++) {
        bool start = c == name || c[-1] == '/';
        bool alphanumeric = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (*c == '/') slashes++;
        if (start ? !alphanumeric : !(alphanumeric || strchr("-_./", *c))) return false;
    }
    return *name && slashes <= 1 && name[strlen(name) - 1] != '/';
}

/* The distinct metric names of all splits in the order they come, borrowed; owned array. */
static const char **metric_names(size_t *n, const struct hone_card *card) {
    const char **names = NULL;
    size_t capacity = 0;
    *n = 0;
    for (size_t d = 0; d < card->n_data; d++) {
        for (size_t m = 0; m < card->data[d].n_metrics; m++) {
            const char *name = card->data[d].metrics[m].name;
            size_t i = 0;
            while (i < *n && strcmp(names[i], name) != 0) i++;
            if (i < *n) continue;
            hone_reserve(&names, &capacity, *n + 1, sizeof *names, "model card");
            names[(*n)++] = name;
        }
    }
    return names;
}

static const struct hone_card_metric *find_metric(const struct hone_card_data *data, const char *name) {
    for (size_t m = 0; m < data->n_metrics; m++) {
        if (strcmp(data->metrics[m].name, name) == 0) return &data->metrics[m];
    }
    return NULL;
}

/* "accuracy" for the metadata; losses are results, not metrics that the Hub knows. */
static bool is_hub_metric(const char *name) { return !strstr(name, "loss"); }

static void render_index(struct hone_text *text, const struct hone_card *card) {
    bool begun = false;
    for (size_t d = 0; d < card->n_data; d++) {
        const struct hone_card_data *data = &card->data[d];
        bool entry = false;
        for (size_t m = 0; m < data->n_metrics; m++) {
            if (!isfinite(data->metrics[m].value)) continue; /* the Hub takes numbers only */
            if (!begun) {
                put(text, "model-index:\n- name: ");
                yaml_string(text, card->name);
                put(text, "\n  results:\n");
                begun = true;
            }
            if (!entry) {
                put(text, "  - task:\n      type: ");
                yaml_string(text, card->task);
                put(text, "\n    dataset:\n      name: ");
                yaml_string(text, data->file);
                put(text, "\n      type: ");
                yaml_string(text, data->file);
                put(text, "\n      split: ");
                yaml_string(text, data->split);
                put(text, "\n    metrics:\n");
                entry = true;
            }
            put(text, "    - type: ");
            yaml_string(text, data->metrics[m].name);
            hone_text_format(text, "\n      value: %.6g\n", data->metrics[m].value);
        }
    }
}

static void render_metadata(struct hone_text *text, const struct hone_card *card, const char *const *metrics,
                            size_t n_metrics) {
    put(text, "---\nlibrary_name: transformers\n");
    if (card->license) {
        put(text, "license: ");
        yaml_string(text, card->license);
        put(text, "\n");
    }
    if (card->base_model && is_hub_name(card->base_model)) {
        put(text, "base_model: ");
        yaml_string(text, card->base_model);
        put(text, "\n");
    }
    put(text, "tags:\n- generated-by-hone\n- ");
    yaml_string(text, card->task);
    put(text, "\npipeline_tag: ");
    yaml_string(text, card->task);
    put(text, "\n");
    bool begun = false;
    for (size_t i = 0; i < n_metrics; i++) {
        if (!is_hub_metric(metrics[i])) continue;
        if (!begun) put(text, "metrics:\n");
        begun = true;
        put(text, "- ");
        yaml_string(text, metrics[i]);
        put(text, "\n");
    }
    render_index(text, card);
    put(text, "---\n\n");
}

static void render_results(struct hone_text *text, const struct hone_card *card, const char *const *metrics,
                           size_t n_metrics) {
    put(text, "## Results\n\n");
    if (n_metrics == 0) {
        put(text, "Not evaluated.\n\n");
        return;
    }
    put(text, "| data | samples |");
    for (size_t i = 0; i < n_metrics; i++) {
        put(text, " ");
        inline_text(text, metrics[i]);
        put(text, " |");
    }
    put(text, "\n|---|---:|");
    for (size_t i = 0; i < n_metrics; i++) put(text, "---:|");
    put(text, "\n");
    for (size_t d = 0; d < card->n_data; d++) {
        if (card->data[d].n_metrics == 0) continue;
        put(text, "| ");
        inline_text(text, card->data[d].split);
        hone_text_format(text, " | %" PRId64 " |", card->data[d].samples);
        for (size_t i = 0; i < n_metrics; i++) {
            const struct hone_card_metric *metric = find_metric(&card->data[d], metrics[i]);
            if (metric) {
                hone_text_format(text, " %.4f |", metric->value);
            } else {
                put(text, " |");
            }
        }
        put(text, "\n");
    }
    if (card->metric) {
        put(text, "\nThe weights are those of the evaluation with the best ");
        inline_text(text, card->metric);
        put(text, " on the validation data.\n");
    }
    put(text, "\n");
}

static bool labels_words(const struct hone_card *card) { return strcmp(card->task, "token-classification") == 0; }

static void render_use(struct hone_text *text, const struct hone_card *card) {
    put(text, "## How to use\n\n```python\nfrom transformers import AutoTokenizer, ");
    put(text, card->auto_class);
    put(text, ", pipeline\n\nfolder = \".\"  # this folder, or the model's name on the Hub\nmodel = ");
    put(text, card->auto_class);
    put(text, ".from_pretrained(folder)\ntokenizer = AutoTokenizer.from_pretrained(folder)\npredict = pipeline(\"");
    put(text, card->task);
    put(text, "\", model=model, tokenizer=tokenizer)\nprint(predict(");
    if (strcmp(card->task, "fill-mask") == 0) {
        put(text, "f\"A {tokenizer.mask_token} of yours.\"))\n```\n\n");
        return;
    }
    put(text, "\"A sentence of yours.\"");
    if (labels_words(card))
        put(text, ", aggregation_strategy=\"simple\"");
    else if (card->max_length > 0)
        hone_text_format(text, ", truncation=True, max_length=%" PRId64, card->max_length);
    put(text,
        "))\n```\n\nor, without Python:\n\n```sh\nhone predict --model . --text \"A sentence of yours.\"\n```\n\n");
}

static void render_training(struct hone_text *text, const struct hone_card *card) {
    put(text, "## Training\n\n| setting | value |\n|---|---|\n");
    for (size_t i = 0; i < card->n_settings; i++) {
        put(text, "| ");
        inline_text(text, card->settings[i].name);
        put(text, " | ");
        inline_text(text, card->settings[i].value);
        put(text, " |\n");
    }
    if (card->max_length > 0) hone_text_format(text, "| longest input | %" PRId64 " tokens |\n", card->max_length);
    if (card->parameters > 0) hone_text_format(text, "| parameters | %" PRId64 " |\n", card->parameters);
    put(text, "\nThe whole recipe is in `recipe.yaml` where this model was trained.\n\n");
}

static void render_data(struct hone_text *text, const struct hone_card *card) {
    put(text, "## Data\n\n| split | file | size | samples |\n|---|---|---:|---:|\n");
    for (size_t d = 0; d < card->n_data; d++) {
        const struct hone_card_data *data = &card->data[d];
        put(text, "| ");
        inline_text(text, data->split);
        put(text, " | ");
        code(text, data->file, true);
        char size[16];
        hone_text_format(text, " | %s | %" PRId64 " |\n", data->bytes >= 0 ? hone_bytes(size, (double)data->bytes) : "",
                         data->samples);
    }
    if (card->n_labels > 0) {
        put(text, "\nLabels: ");
        for (size_t i = 0; i < card->n_labels; i++) {
            if (i > 0) put(text, ", ");
            code(text, card->labels[i], false);
        }
        put(text, ".\n");
    }
    put(text, "\n");
}

static void render_limitations(struct hone_text *text, const struct hone_card *card) {
    put(text, "## Limitations\n\n"
              "- The model knows what its training data and its base model showed it, their mistakes and biases "
              "included. On other kinds of text the results above say little.\n");
    if (card->scores) {
        put(text, "- Scores are ");
        put(text, card->scores);
        put(text, ". They rank well, but they are no calibrated probabilities.\n");
    }
    if (card->max_length > 0) {
        hone_text_format(text,
                         labels_words(card) ? "- hone reads inputs longer than %" PRId64
                                              " tokens in windows that overlap; "
                                              "Transformers cuts them unless its pipeline is given a `stride`.\n"
                                            : "- Inputs longer than %" PRId64 " tokens are cut.\n",
                         card->max_length);
    }
    put(text, "- Check it on data of your own before decisions about people depend on it.\n");
}

void hone_card_render(struct hone_text *text, const struct hone_card *card) {
    size_t n_metrics;
    const char **metrics = metric_names(&n_metrics, card);
    render_metadata(text, card, metrics, n_metrics);
    put(text, "# ");
    inline_text(text, card->name);
    put(text, "\n\nA model for ");
    inline_text(text, card->task);
    if (card->base_model) {
        put(text, ", fine-tuned from ");
        code(text, card->base_model, false);
    }
    put(text, ". Made with hone ");
    inline_text(text, card->version);
    put(text, ", which fine-tunes Transformers from a recipe file.\n\n");
    render_results(text, card, metrics, n_metrics);
    render_use(text, card);
    render_training(text, card);
    render_data(text, card);
    render_limitations(text, card);
    hone_free(metrics);
}

enum hone_status hone_card_write(const char *folder, const struct hone_card *card) {
    struct hone_text text = {0};
    hone_card_render(&text, card);
    char *path = hone_path_join(folder, "README.md");
    enum hone_status status = hone_write_file(path, text.bytes, text.length);
    hone_free(path);
    hone_text_free(&text);
    return status;
}

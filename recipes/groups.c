#include "recipes/groups.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static bool matches(const char *pattern, const struct hone_parameter *p) { return fnmatch(pattern, p->name, 0) == 0; }

static enum hone_status no_match(const struct hone_recipe *recipe, const char *option, const char *pattern,
                                 const char *what) {
    char *shown = hone_escape(pattern, strlen(pattern));
    enum hone_status status =
        hone_fail(HONE_USAGE, "%s: \"%s\" matches no parameter%s; hone inspect lists the names of a model folder",
                  option, shown, what);
    hone_free(shown);
    return hone_recipe_at(recipe, option, status);
}

static enum hone_status find_frozen(bool *frozen, const struct hone_model *model, const struct hone_recipe *recipe) {
    int32_t n = hone_parameters_count(model->parameters), left = n;
    if (recipe->freeze.layers > model->n_layers) {
        return hone_recipe_at(recipe, "freeze.layers",
                              hone_fail(HONE_USAGE, "freeze.layers is %lld, but the model has %lld layers",
                                        (long long)recipe->freeze.layers, (long long)model->n_layers));
    }
    for (int32_t i = 0; i < n; i++) {
        int layer = hone_parameters_get(model->parameters, i)->layer;
        frozen[i] = layer == 0 ? recipe->freeze.embeddings : layer <= recipe->freeze.layers;
    }
    for (size_t k = 0; k < recipe->freeze.patterns.n; k++) {
        const char *pattern = recipe->freeze.patterns.items[k];
        bool any = false;
        for (int32_t i = 0; i < n; i++) {
            if (!matches(pattern, hone_parameters_get(model->parameters, i))) continue;
            any = frozen[i] = true;
        }
        if (!any) return no_match(recipe, "freeze.patterns", pattern, "");
    }
    for (int32_t i = 0; i < n; i++) left -= frozen[i];
    return left ? HONE_OK : hone_fail(HONE_USAGE, "freeze: nothing is left to be trained");
}

static enum hone_status apply_groups(struct hone_parameter_group *groups, const struct hone_model *model,
                                     const struct hone_recipe *recipe) {
    const struct hone_group_options *options = &recipe->optimizer.groups;
    /* Backwards, so that the first group that matches has the last word. */
    for (size_t k = options->n; k-- > 0;) {
        const struct hone_group_option *option = &options->items[k];
        bool any = false;
        for (int32_t i = 0; i < hone_parameters_count(model->parameters); i++) {
            const struct hone_parameter *p = hone_parameters_get(model->parameters, i);
            if (p->frozen || !matches(option->pattern, p)) continue;
            any = true;
            if (option->lr >= 0) groups[i].learning_rate_scale = option->lr / recipe->optimizer.lr;
            if (option->weight_decay >= 0) groups[i].weight_decay = option->weight_decay;
        }
        if (!any) return no_match(recipe, "optimizer.groups", option->pattern, " that is trained");
    }
    return HONE_OK;
}

enum hone_status hone_groups_apply(struct hone_parameter_group **out, struct hone_model *model,
                                   const struct hone_recipe *recipe) {
    int32_t n = hone_parameters_count(model->parameters);
    bool *frozen = hone_calloc((size_t)n, sizeof *frozen, "frozen parameters");
    enum hone_status status = find_frozen(frozen, model, recipe);
    if (status == HONE_OK) hone_parameters_freeze(model->parameters, frozen);
    hone_free(frozen);
    HONE_TRY(status);
    struct hone_parameter_group *groups = hone_calloc((size_t)n, sizeof *groups, "parameter groups");
    for (int32_t i = 0; i < n; i++) {
        const struct hone_parameter *p = hone_parameters_get(model->parameters, i);
        groups[i].learning_rate_scale = pow(recipe->optimizer.layer_decay, (double)(model->n_layers + 1 - p->layer));
        groups[i].weight_decay = p->decay ? recipe->optimizer.weight_decay : 0;
    }
    status = apply_groups(groups, model, recipe);
    if (status == HONE_OK) {
        *out = groups;
    } else {
        hone_free(groups);
    }
    return status;
}

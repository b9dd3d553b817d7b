#include "recipes/certificate.h"

#include <string.h>

#include "base/io.h"
#include "base/memory.h"

#define PROGRAM "/proc/self/exe"

enum hone_status hone_certificate_make(json_t **out, const struct hone_run *run, const char *output) {
    char model[HONE_SHA256_TEXT], program[HONE_SHA256_TEXT];
    json_t *base;
    char *path = hone_path_join(output, "model.safetensors");
    enum hone_status status = hone_sha256_file(model, path);
    hone_free(path);
    HONE_TRY(status);
    HONE_TRY(hone_sha256_file(program, PROGRAM));
    HONE_TRY(hone_identity_of_folder(&base, run->folder.path, true));
    *out = json_pack("{s:s, s:s, s:o, s:s, s:I, s:s, s:s, s:s}", "recipe", run->identity.recipe, "data",
                     run->identity.data, "base", base, "model", model, "micro_batch_tokens",
                     (json_int_t)run->micro_batch_tokens, "program", program, "device", run->device->description,
                     "gemm", run->device->gemm);
    return HONE_OK;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Appends the name of every file that is in one of the two, or has another hash. */
static void add_base(struct hone_text *text, const json_t *there, const json_t *here) {
    const char *name;
    json_t *hash;
    json_object_foreach((json_t *)there, name, hash) {
        if (strcmp(text_of(there, name), text_of(here, name)) != 0)
            hone_text_format(text, "%sthe model's %s", text->length ? ", " : "", name);
    }
    json_object_foreach((json_t *)here, name, hash) {
        if (!json_object_get(there, name)) hone_text_format(text, "%sthe model's %s", text->length ? ", " : "", name);
    }
}

enum hone_status hone_certificate_check(const json_t *certificate, const struct hone_run *run) {
    struct hone_text others = {0};
    json_t *base;
    HONE_TRY(hone_identity_of_folder(&base, run->folder.path, true));
    if (strcmp(text_of(certificate, "recipe"), run->identity.recipe) != 0) hone_text_format(&others, "the recipe");
    if (strcmp(text_of(certificate, "data"), run->identity.data) != 0)
        hone_text_format(&others, "%sthe data", others.length ? ", " : "");
    add_base(&others, json_object_get(certificate, "base"), base);
    json_decref(base);
    enum hone_status status = HONE_OK;
    if (others.length)
        status = hone_fail(HONE_RESUME_MISMATCH,
                           "the run cannot be made again: not what its certificate in all_results.json says are %s",
                           others.bytes);
    hone_text_free(&others);
    return status;
}

/* "Intel(R) Xeon(R), AVX-512" without the number of threads, which no bit depends on. */
static size_t without_threads(const char *device) {
    const char *last = strrchr(device, ',');
    return last ? (size_t)(last - device) : strlen(device);
}

enum hone_status hone_certificate_differences(struct hone_text *text, const json_t *certificate,
                                              const struct hone_device *device) {
    char program[HONE_SHA256_TEXT];
    const char *there = text_of(certificate, "device"), *gemm = text_of(certificate, "gemm");
    size_t n = without_threads(there);
    HONE_TRY(hone_sha256_file(program, PROGRAM));
    if (strcmp(text_of(certificate, "program"), program) != 0) hone_text_format(text, "; it was made by another build");
    if (n != without_threads(device->description) || memcmp(there, device->description, n) != 0)
        hone_text_format(text, "; it was made on %s, this is %s", there, device->description);
    if (strcmp(gemm, device->gemm) != 0)
        hone_text_format(text, "; matrices were multiplied by %s, here by %s", gemm, device->gemm);
    return HONE_OK;
}

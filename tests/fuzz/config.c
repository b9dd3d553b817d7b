/* config.json: labels, and the model that it describes with each head, of which nothing is allocated.
 * Parser: hub/model_files.c models/registry.c models/bert.c */
#include "hub/model_files.h"
#include "kernels/device.h"
#include "models/model.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct hone_device *device;
    json_t *config;
    char **names;
    size_t n_names;
    HONE_CHECK(hone_device_open(&device, "cpu") == HONE_OK, "%s", hone_error_message());
    fuzz_write("config.json", bytes, n);
    if (hone_config_read(&config, fuzz_folder()) != HONE_OK) {
        HONE_CHECK(*hone_error_message(), "refused without a word");
        return 0;
    }
    if (hone_config_labels(&names, &n_names, config, "config.json") == HONE_OK) hone_config_labels_free(names, n_names);
    for (int head = 0; head < HONE_HEADS; head++) {
        struct hone_model *model;
        if (hone_model_create(&model, config, "config.json", (enum hone_head)head, 0, device) != HONE_OK) continue;
        HONE_CHECK(model->hidden > 0 && model->vocabulary > 0 && model->max_positions > 0, "a model of no size");
        hone_model_free(model);
    }
    json_decref(config);
    return 0;
}

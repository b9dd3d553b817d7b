/* A recipe, or its mistakes; a good one written out resolved is read back to the same.
 * Parser: base/yaml.c recipes/recipe.c recipes/option_value.c recipes/rules.c recipes/mistakes.c */
#include <string.h>

#include "recipes/recipe.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct hone_recipe recipe, again;
    struct hone_text mistakes = {0}, text = {0}, second = {0};
    if (hone_recipe_read(&recipe, fuzz_write("recipe.yaml", bytes, n), NULL, 0, &mistakes) == HONE_OK) {
        hone_recipe_text(&text, &recipe);
        enum hone_status status =
            hone_recipe_read(&again, fuzz_write("resolved.yaml", text.bytes, text.length), NULL, 0, &mistakes);
        HONE_CHECK(status == HONE_OK, "the resolved recipe isn't one: %s\n%s", hone_error_message(), mistakes.bytes);
        hone_recipe_text(&second, &again);
        HONE_CHECK(strcmp(text.bytes, second.bytes) == 0, "the resolved recipe is another");
        hone_recipe_free(&again);
        hone_recipe_free(&recipe);
    } else {
        HONE_CHECK(*hone_error_message(), "refused without a word");
    }
    hone_text_free(&mistakes);
    hone_text_free(&text);
    hone_text_free(&second);
    return 0;
}

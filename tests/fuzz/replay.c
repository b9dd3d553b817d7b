/* Runs a fuzz target over the files of a folder, in place of libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/memory.h"
#include "tests/fuzz/fuzz.h"

int main(int argc, char **argv) {
    HONE_CHECK(argc == 2, "a folder is needed");
    struct dirent **entries;
    int n = scandir(argv[1], &entries, NULL, alphasort), files = 0;
    HONE_CHECK(n >= 0, "%s isn't there", argv[1]);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 0; i < n; i++) {
        char *path = hone_path_join(argv[1], entries[i]->d_name), *bytes;
        size_t size;
        if (entries[i]->d_name[0] != '.') {
            printf("%s\n", path);
            fflush(stdout); /* the last one named is what failed */
            HONE_CHECK(hone_read_file(&bytes, &size, path, 1 << 24) == HONE_OK, "%s", hone_error_message());
            LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
            hone_free(bytes);
            files++;
        }
        hone_free(path);
        free(entries[i]);
    }
    free(entries);
    HONE_CHECK(files > 0, "%s has no files", argv[1]);
    return 0;
}

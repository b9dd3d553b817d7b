/* model.safetensors.index.json of a folder that holds the shards a.safetensors, with the tensors "a" and "twice", and
 * b.safetensors, with "b" and "twice"; c.safetensors, with "c" alone, goes with a good index; further ones are damaged.
 * Parser: hub/safetensors_open.c */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "hub/safetensors.h"
#include "tests/fuzz/fuzz.h"

/* A shard of tensors of one byte each, all of it zero. */
static void write_shard(const char *file, const char *const *names, size_t n) {
    struct hone_text header = {0}, bytes = {0};
    for (size_t i = 0; i < n; i++)
        hone_text_format(&header, "%c\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}", i ? ',' : '{',
                         names[i], i, i + 1);
    hone_text_append(&header, "}", 1);
    char length[8] = {(char)header.length};
    hone_text_append(&bytes, length, sizeof length);
    hone_text_append(&bytes, header.bytes, header.length);
    hone_text_append(&bytes, "\0\0", n);
    fuzz_write(file, bytes.bytes, bytes.length);
    hone_text_free(&header);
    hone_text_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const a[] = {"a", "twice"}, *const b[] = {"b", "twice"}, *const c[] = {"c"};
    static bool written;
    if (!written) {
        write_shard("a.safetensors", a, 2);
        write_shard("b.safetensors", b, 2);
        write_shard("c.safetensors", c, 1);
        fuzz_write("short", "\2\0\0", 3);
        fuzz_write("long", "\377\377\0\0\0\0\0\0{}", 10);
        fuzz_write("pickle", "\200\2}q\0(X\5\0", 9);
        fuzz_write("other", "\2\0\0\0\0\0\0\0[]", 10);
        written = true;
    }
    struct hone_safetensors file;
    fuzz_write("model.safetensors.index.json", bytes, n);
    if (hone_safetensors_open(&file, fuzz_folder()) != HONE_OK) {
        HONE_CHECK(*hone_error_message(), "refused without a word");
        return 0;
    }
    HONE_CHECK(file.n > 0 && file.n <= 5 && file.n_files <= 3, "%zu tensors of %d files", file.n, (int)file.n_files);
    for (size_t i = 0; i < file.n; i++) {
        unsigned char value = 1;
        HONE_CHECK(hone_safetensors_read(&file, &file.tensors[i], &value) == HONE_OK && value == 0, "%s",
                   hone_error_message());
    }
    hone_safetensors_close(&file);
    return 0;
}

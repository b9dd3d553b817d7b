/* The case table on the device of a plug-in, HONE_DEVICE_LIBRARY: the emulated GPU in ctest, a real one in
 * tools/gpu_check. A family of kernels that it has not is left out. With an argument: that family only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/plugin.h"
#include "tests/kernel_cases.h"
#include "tests/support.h"

static struct hone_device *device;
static const char *only;

static void test_cases(void **state) {
    (void)state;
    static struct kernel_buffers k;
    kernel_buffers_open(&k, device);
    const char *ci = getenv("CI");
    k.light = strstr(device->description, "emulated") && !(ci && strcmp(ci, "full") == 0);
    int ran = kernel_cases_run(&k, only);
    print_message("%d families of kernels ran on %s; %d entries of the table are empty\n", ran, device->description,
                  hone_plugin_missing(device));
    assert_true(ran > 0);
    kernel_buffers_close(&k);
}

/* A failed launch is told by the next synchronization, and by no later one. */
static void test_errors(void **state) {
    (void)state;
    void *memory;
    assert_int_equal(device->allocate(device, &memory, SIZE_MAX / 2, "a test"), HONE_OUT_OF_MEMORY);
    assert_non_null(strstr(hone_error_message(), "a test"));
    struct hone_stream *stream;
    TEST_OK(device->stream_create(device, &stream));
    TEST_OK(device->stream_synchronize(stream));
    device->stream_destroy(stream);
}

int main(int argc, char **argv) {
    if (argc > 1) only = argv[1];
    if (hone_plugin_device(&device) != HONE_OK) {
        printf("skipped: %s\n", hone_error_message());
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors), cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

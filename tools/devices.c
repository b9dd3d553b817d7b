/* hone devices: what can be used here, and why not. */
#include <stdio.h>

#include "base/memory.h"
#include "kernels/device.h"
#include "tools/tools.h"

static const char help[] =
    "usage: hone devices\n\n"
    "Lists every device that hone knows: whether it can be used on this machine, and if not, why.\n";

static enum hone_status list(void) {
    struct hone_device_report report;
    struct hone_text text = {0};
    for (int i = 0; hone_device_report(&report, i); i++) {
        hone_text_format(&text, "%-6s %s", report.name, report.why_not ? "no: " : "yes: ");
        hone_text_format(&text, "%s\n", report.why_not ? report.why_not : report.description);
        if (!report.why_not) {
            hone_text_format(&text, "       bf16: %s\n", report.bf16_why_not ? report.bf16_why_not : "yes");
        }
    }
    enum hone_status status = hone_tool_print(text.bytes, text.length);
    hone_text_free(&text);
    return status == HONE_OK ? hone_tool_flush() : status;
}

int hone_tool_devices(int argc, char **argv) {
    int n_positional;
    bool helped;
    struct hone_tool_option options[] = {{0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK && !helped && n_positional) {
        status = hone_fail(HONE_USAGE, "devices: takes no arguments, found \"%s\"", argv[1]);
    }
    if (status == HONE_OK) status = helped ? hone_tool_flush() : list();
    return hone_tool_end(status);
}

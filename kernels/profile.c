/* Seconds by name, in a small table searched by name: a step has some thousand entries of some ten names. */
#include "kernels/profile.h"

#include <string.h>

#include "base/log.h"
#include "base/status.h"

enum { ROWS = 64 };

static struct {
    bool on;
    int n;
    struct row {
        const char *name;
        double seconds;
        long calls;
    } rows[ROWS];
} profile;

void hone_profile_enable(bool on) {
    profile.n = 0;
    profile.on = on;
}

double hone_profile_start(void) { return profile.on ? hone_seconds() : 0; }

void hone_profile_add(const char *name, double start) {
    if (!profile.on) return;
    double seconds = hone_seconds() - start;
    int i = 0;
    while (i < profile.n && strcmp(profile.rows[i].name, name) != 0) i++;
    if (i == profile.n) {
        HONE_CHECK(profile.n < ROWS, "more than %d names in the profile, the next is %s", ROWS, name);
        profile.rows[profile.n++] = (struct row){.name = name};
    }
    profile.rows[i].seconds += seconds;
    profile.rows[i].calls++;
}

bool hone_profile_row(int i, const char **name, double *seconds, long *calls) {
    if (i < 0 || i >= profile.n) return false;
    *name = profile.rows[i].name;
    *seconds = profile.rows[i].seconds;
    *calls = profile.rows[i].calls;
    return true;
}

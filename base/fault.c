/* The plan is parsed once and then only read; the counters are atomic, so any thread may pass a site. Nothing here
 * allocates: the allocator itself passes a site. */
#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static const char *const site_names[HONE_FAULT_COUNT] = {"alloc", "open",   "read",  "write", "fsync",
                                                         "close", "rename", "mkdir", "map"};

static struct {
    atomic_long calls;
    long first; /* the call that fails, from 1; 0: none */
    bool onwards, kills;
} sites[HONE_FAULT_COUNT];

static atomic_bool fired;
static pthread_once_t from_environment = PTHREAD_ONCE_INIT;

static void plan_set(const char *plan) {
    for (int s = 0; s < HONE_FAULT_COUNT; s++) {
        atomic_store(&sites[s].calls, 0);
        sites[s].first = 0;
        sites[s].onwards = sites[s].kills = false;
    }
    atomic_store(&fired, false);
    const char *p = plan ? plan : "";
    while (*p) {
        size_t length = strcspn(p, ":");
        int site = 0;
        while (site < HONE_FAULT_COUNT &&
               (strlen(site_names[site]) != length || memcmp(site_names[site], p, length) != 0))
            site++;
        HONE_CHECK(site < HONE_FAULT_COUNT && p[length] == ':', "HONE_FAULT: no site at \"%s\"", p);
        p += length + 1;
        char *end;
        long first = *p >= '1' && *p <= '9' ? strtol(p, &end, 10) : 0;
        HONE_CHECK(first > 0, "HONE_FAULT: no call number at \"%s\"", p);
        sites[site].first = first;
        p = end;
        sites[site].onwards = *p == '+';
        sites[site].kills = *p == '!';
        if (*p == '+' || *p == '!') p++;
        HONE_CHECK(*p == 0 || (*p == ',' && p[1]), "HONE_FAULT: expected a comma at \"%s\"", p);
        if (*p == ',') p++;
    }
}

static void plan_from_environment(void) { plan_set(getenv("HONE_FAULT")); }

bool hone_fault(enum hone_fault_site site) {
    pthread_once(&from_environment, plan_from_environment);
    long call = 1 + atomic_fetch_add_explicit(&sites[site].calls, 1, memory_order_relaxed);
    long first = sites[site].first;
    if (first == 0 || call < first || (call > first && !sites[site].onwards)) return false;
    if (sites[site].kills) raise(SIGKILL);
    atomic_store(&fired, true);
    return true;
}

void hone_fault_plan(const char *plan) {
    pthread_once(&from_environment, plan_from_environment);
    plan_set(plan);
}

long hone_fault_calls(enum hone_fault_site site) { return atomic_load(&sites[site].calls); }

bool hone_fault_fired(void) { return atomic_load(&fired); }

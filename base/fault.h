/* Fault injection by site. HONE_FAULT="write:3" makes the third call that passes the site "write" fail, "write:3+" that
 * one and all later ones, "write:3!" kills the program there, as kill -9 would. Sites: alloc, open, read, write, fsync,
 * close, rename, mkdir, map. Several are joined by commas.
 * Tests walk N = 1, 2, … until a run passes without the fault having fired. */
#ifndef HONE_BASE_FAULT_H
#define HONE_BASE_FAULT_H

#include <stdbool.h>

enum hone_fault_site {
    HONE_FAULT_ALLOC,
    HONE_FAULT_OPEN,
    HONE_FAULT_READ,
    HONE_FAULT_WRITE,
    HONE_FAULT_FSYNC,
    HONE_FAULT_CLOSE,
    HONE_FAULT_RENAME,
    HONE_FAULT_MKDIR,
    HONE_FAULT_MAP,
    HONE_FAULT_COUNT
};

/* Counts a call at `site`; true when this one has to fail (the caller then behaves as if the system had refused). */
bool hone_fault(enum hone_fault_site site);

/* Replaces the plan taken from the environment; NULL or "" turns injection off. Aborts on a malformed plan. */
void hone_fault_plan(const char *plan);

/* Calls seen at `site` since the last plan, and whether any planned fault fired. */
long hone_fault_calls(enum hone_fault_site site);
bool hone_fault_fired(void);

#endif

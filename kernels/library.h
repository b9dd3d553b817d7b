/* Shared libraries that are opened when they are asked for, and stay. */
#ifndef HONE_KERNELS_LIBRARY_H
#define HONE_KERNELS_LIBRARY_H

#include "base/status.h"

/* The path, owned, that the environment's `variable` names; else that of `name` beside the executable. */
char *hone_library_path(const char *variable, const char *name);
/* Its function `symbol` to *function, a pointer to one. HONE_USAGE: it can't be loaded; `remedy` says how it comes to
 * be there, where it is not. */
enum hone_status hone_library_function(void *function, const char *path, const char *symbol, const char *remedy);

#endif

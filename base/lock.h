/* One process to a folder. The lock is a file ".lock-<n>" in it that says who holds it; it needs no lock support of the
 * file system, only link() that fails when the name exists. The lock of a process that is dead on this host and boot is
 * stale at once, one of another host when its file has not been touched for ten minutes.
 *
 *     struct hone_lock *lock;
 *     HONE_TRY(hone_lock_take(&lock, "runs/demo"));     // HONE_BUSY names host, process and start
 *     …
 *     hone_lock_release(lock); */
#ifndef HONE_BASE_LOCK_H
#define HONE_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct hone_lock;

/* The folder exists. A thread keeps the file fresh until it is released. */
enum hone_status hone_lock_take(struct hone_lock **out, const char *folder);
/* NULL is allowed. */
void hone_lock_release(struct hone_lock *lock);
/* False for a process of this machine that has ended, also while its parent has not asked how. */
bool hone_process_lives(int64_t process);
/* True for the names that this writes into a folder. */
bool hone_lock_is_name(const char *name);

#endif

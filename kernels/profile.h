/* Where the time of a step goes: seconds by name, kept only while switched on. The CPU's streams run at once, so a
 * pair of clock readings around a kernel is its time. */
#ifndef HONE_KERNELS_PROFILE_H
#define HONE_KERNELS_PROFILE_H

#include <stdbool.h>

void hone_profile_enable(bool on); /* also clears */
/* Clock for hone_profile_add, 0 while off. */
double hone_profile_start(void);
/* Adds the time since `start` under a literal name; nothing while off. "gemm" is used by the CPU's GEMM itself and so
 * is contained in the ops that call it; "gemm with activation" where it computes one besides, as on AMX. */
void hone_profile_add(const char *name, double start);
/* Row i in order of first use; false past the end. */
bool hone_profile_row(int i, const char **name, double *seconds, long *calls);

#endif

#include "base/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t asked = HONE_OK;

static void mark(int signal) {
    enum hone_status status = signal == SIGINT ? HONE_INTERRUPTED : HONE_PREEMPTED;
    /* Temporary folders stay, as after a kill; the next run removes them. */
    if (asked != HONE_OK) _exit(status);
    asked = (sig_atomic_t)status;
}

void hone_stop_watch(void) {
    struct sigaction action = {.sa_handler = mark, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

enum hone_status hone_stop_asked(void) { return (enum hone_status)asked; }

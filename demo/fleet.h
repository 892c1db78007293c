/** The worker processes of the demo: start, stop, kill, and notice what became of them. */
#ifndef WI_DEMO_FLEET_H
#define WI_DEMO_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/types.h>

#include "demo/files.h"
#include "demo/journal.h"

/** What a process does. */
enum demo_member_state {
    DEMO_MEMBER_RUNNING = 0,
    DEMO_MEMBER_STOPPED = 1, /**< by SIGSTOP */
    DEMO_MEMBER_KILLED = 2,  /**< by a signal */
    DEMO_MEMBER_LEFT = 3     /**< it has exited */
};

/** One worker process. */
struct demo_member {
    char id[WEIR_NAME_SIZE]; /**< worker id: "worker-1" has number 0 */
    pid_t pid;
    enum demo_member_state state;
    int status;   /**< exit status of one that has left, signal number of one that was killed */
    bool may_end; /**< the demo has asked for its end */
};

/** All of them, in the order of their start. Start with all members zero. */
struct demo_fleet {
    struct demo_member members[DEMO_WORKERS_MAX];
    uint32_t count;
};

/**
 * Start one more worker; what it writes goes to a file of its own in the demo's folder.
 * @return 0, or an errno value
 */
int demo_fleet_start(
    struct demo_fleet *fleet, const struct demo_files *files, int64_t lease_duration_ms);

/** Send a signal to a member that has not ended. SIGKILL and SIGTERM: it may end now. */
void demo_fleet_signal(struct demo_member *member, int signal_number);

/** Look, without waiting, what the processes do. */
void demo_fleet_look(struct demo_fleet *fleet);

/** Members that run or are stopped. */
uint32_t demo_fleet_alive(const struct demo_fleet *fleet);

/** The member of that worker id, or NULL. */
struct demo_member *demo_fleet_find(struct demo_fleet *fleet, const char *worker_id);

/** Kill what is left, and wait for it. */
void demo_fleet_end(struct demo_fleet *fleet);

#endif

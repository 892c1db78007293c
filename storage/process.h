/* Identity of processes on this host, as the kernel tells it (reference: pidfd_open(2), proc(5)).
 */
#ifndef WI_STORAGE_PROCESS_H
#define WI_STORAGE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

/* One process start. pid alone is reused; with boot id and start time it is not. */
struct wi_process {
    char boot_id[9]; /* first 8 hex digits of /proc/sys/kernel/random/boot_id */
    int32_t pid;
    int64_t start_ticks; /* field 22 of /proc/pid/stat */
};

/* The calling process. WEIR_EPLATFORM without /proc. */
enum weir_error wi_process_self(struct wi_process *ret);

/* What the kernel says. A zombie (state Z or X) counts as gone: it runs no code. */
enum wi_process_state {
    WI_PROCESS_GONE,
    WI_PROCESS_RUNNING,
    WI_PROCESS_STOPPED, /* job-control stop (state T) */
    WI_PROCESS_UNKNOWN  /* /proc not readable: assume nothing */
};
enum wi_process_state wi_process_look(const struct wi_process *process);

/*
 * An owner is one process start of a worker: "NAME@BOOT-PID-START-RANDOM", for instance
 * "w1@1f0c2a77-4711-8812345-9e3779b97f4a7c15". NAME is only a label (DESIGN R8).
 */
size_t wi_owner_format(
    struct weir_str name,
    const struct wi_process *process,
    uint64_t random,
    char text[WEIR_OWNER_SIZE]);

/* The label part: everything before the last '@', or the whole text of a foreign owner. */
struct weir_str wi_owner_name(struct weir_str owner);

/* WEIR_EINVAL if the text is not of this form (a worker of another kind). */
enum weir_error wi_owner_process(struct weir_str owner, struct wi_process *ret);

/* pidfd_open(2) for exactly this process start; WEIR_ENOTFOUND if it is gone already. */
enum weir_error wi_process_open_fd(const struct wi_process *process, int *ret_fd);

#endif

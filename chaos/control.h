/**
 * What the run tells its processes while they run: a file in memory, a place for each seat of the
 * fleet. The built-in processor and the preloaded library (preload.c) read it.
 */
#ifndef WI_CHAOS_CONTROL_H
#define WI_CHAOS_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

/** Seats: 0 is the producer's, the others are workers'. */
#define CHAOS_SEATS_MAX      40
#define CHAOS_PRODUCER_SEAT  0
#define CHAOS_CONTROL_FILE   "WEIR_CHAOS_CONTROL"
#define CHAOS_CONTROL_SEAT   "WEIR_CHAOS_SEAT"
#define CHAOS_SYNC_DELAY_MAX 1000000 /**< microseconds */

/** Orders to one process. */
struct chaos_seat {
    _Atomic int64_t clock_offset_ms; /**< added to CLOCK_REALTIME */
    _Atomic uint32_t sync_delay_us;  /**< before every fsync, fdatasync, msync */
    _Atomic uint32_t hang_ms;        /**< taken by the next batch, which waits so long */
    _Atomic uint32_t crash;          /**< taken by the next record */
    _Atomic uint32_t preloaded;      /**< set by the library: it is there */
    _Atomic uint32_t clock_reads;    /**< of a clock that was changed */
    _Atomic uint32_t syncs_delayed;
};

struct chaos_control {
    struct chaos_seat seats[CHAOS_SEATS_MAX];
};

/** Create the file, zeroed, and map it; NULL with errno. */
struct chaos_control *chaos_control_create(const char *path);

/** Map an existing one; NULL with errno. */
struct chaos_control *chaos_control_open(const char *path);

/** Unmap; NULL is a no-op. */
void chaos_control_close(struct chaos_control *control);

#endif

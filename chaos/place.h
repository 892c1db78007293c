/** Where a run works: names of its files, the same in all its processes. */
#ifndef WI_CHAOS_PLACE_H
#define WI_CHAOS_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos/base.h"

/** Application and stream of a run. */
#define CHAOS_APPLICATION "chaos"
#define CHAOS_STREAM      "chaos"

/** How the disk is made full. */
enum chaos_disk {
    CHAOS_DISK_NONE,  /**< it is not */
    CHAOS_DISK_TMPFS, /**< the data lies in a small file system of its own, which is filled */
    CHAOS_DISK_LIMIT  /**< no mount is permitted: RLIMIT_FSIZE of the producer */
};

/** A folder of the run. */
struct chaos_place {
    char work[CHAOS_PATH_SIZE - 64]; /**< journals, control file, logs */
    enum chaos_disk disk;
    bool made;
    bool mounted;
};

/**
 * Make a folder below `directory` (NULL: $TMPDIR, else the system's).
 * @param tmpfs_mib above 0: mount a file system of that size for the data, if that is permitted;
 *        it belongs to this process and its children alone, and goes with them
 * @return false with errno
 */
bool chaos_place_open(struct chaos_place *place, const char *directory, uint32_t tmpfs_mib);

/** Remove everything, or leave it (data of a mounted file system are copied out of it first). */
void chaos_place_close(struct chaos_place *place, bool keep);

/** Names: WORK/data, WORK/control, WORK/preload.so, WORK/KIND-NUMBER. */
void chaos_place_data(const char *work, char path[CHAOS_PATH_SIZE]);
void chaos_place_file(const char *work, const char *name, char path[CHAOS_PATH_SIZE]);
void chaos_place_numbered(
    const char *work, const char *kind, uint32_t number, char path[CHAOS_PATH_SIZE]);

/** Fill the disk until nothing more fits; undo it. Only of CHAOS_DISK_TMPFS. */
bool chaos_place_fill(const struct chaos_place *place);
void chaos_place_unfill(const struct chaos_place *place);

#endif

/**
 * The directories of a demo: made new, and removed with all that is in them. weir's data are in the
 * data directory, on a disk as a rule. The demo's own files (sink, journals, logs) are in memory if
 * the machine has a file system for that: they measure weir, and a disk with much to do would keep
 * the measuring worker waiting, not weir.
 */
#ifndef WI_DEMO_FILES_H
#define WI_DEMO_FILES_H

#include <stdbool.h>
#include <stdint.h>

/** Room for a path. */
#define DEMO_PATH_SIZE 4096

struct demo_files {
    char data[DEMO_PATH_SIZE];   /**< the data directory; "" if there is none */
    char folder[DEMO_PATH_SIZE]; /**< the demo's own folder; "" if there is none */
    bool made;                   /**< the directory itself is the demo's, not only what is in it */
    bool in_memory;              /**< the folder is not in the data directory */
};

/**
 * Make the directories. `directory` has to be missing or empty; NULL: a new one where the system
 * keeps temporary files.
 * @param bytes what the folder may grow to: memory is used if there is so much
 * @return an exit status; unless it is CLI_OK a line about it has been written
 */
int demo_files_make(struct demo_files *files, const char *directory, uint64_t bytes);

/** Remove all that is in the directories, and the directories if the demo made them. */
void demo_files_remove(struct demo_files *files);

/** Move the demo's own files into the data directory, as far as they are not there: to be kept. */
void demo_files_keep(struct demo_files *files);

#endif

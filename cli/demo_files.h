/** The data directory of a demo: made new, and removed with all that is in it. */
#ifndef WI_CLI_DEMO_FILES_H
#define WI_CLI_DEMO_FILES_H

#include <stdbool.h>

/** Room for a path. */
#define DEMO_PATH_SIZE 4096

struct demo_files {
    char data[DEMO_PATH_SIZE];   /**< the data directory; "" if there is none */
    char folder[DEMO_PATH_SIZE]; /**< the demo's own folder in it */
    bool made;                   /**< the directory itself is the demo's, not only what is in it */
};

/**
 * Make the directories. `directory` has to be missing or empty; NULL: a new one where the system
 * keeps temporary files.
 * @return an exit status; unless it is CLI_OK a line about it has been written
 */
int demo_files_make(struct demo_files *files, const char *directory);

/** Remove all that is in the data directory, and the directory if the demo made it. */
void demo_files_remove(struct demo_files *files);

#endif

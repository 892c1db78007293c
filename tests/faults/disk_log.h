/* What programs did to the files below a folder, in order: written by disk_log.c inside them, read
 * by disk_model.c. */
#ifndef WI_TESTS_FAULTS_DISK_LOG_H
#define WI_TESTS_FAULTS_DISK_LOG_H

#include <stdint.h>

#define DISK_LOG_FILE "WEIR_DISK_LOG"  /* environment: the log, which exists */
#define DISK_LOG_ROOT "WEIR_DISK_ROOT" /* environment: the folder, without links in its path */

enum disk_event {
    DISK_CREATE = 1,     /* file: open(O_CREAT) of names[0], new or not */
    DISK_MAKE_DIRECTORY, /* names[0] */
    DISK_RENAME,         /* names[0] to names[1] */
    DISK_UNLINK,         /* names[0] */
    DISK_WRITE,          /* file, at, size, and as many bytes */
    DISK_WRITE_SYNCED,   /* the same, durable when the call returned */
    DISK_RESIZE,         /* file; size is the new one */
    DISK_SYNC,           /* file */
    DISK_SYNC_DIRECTORY, /* names[0] */
    DISK_NOTE            /* of the test: at and size are its own */
};

/* One event; after it the names, each with its zero, then the bytes. */
struct disk_entry {
    uint32_t event;
    uint32_t names_size;
    uint64_t file; /* inode */
    uint64_t at;
    uint64_t size;
};

#endif

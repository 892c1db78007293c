/* Directories and files as storage needs them: made durable, checked, and locked while opening. */
#ifndef WI_STORAGE_FILESYSTEM_H
#define WI_STORAGE_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#define WI_DIRECTORY_MODE 0700
#define WI_FILE_MODE      0600

/* What errno of a file operation means: ENOSPC is WEIR_EFULL, EACCES is WEIR_EACCES, and so on. */
enum weir_error wi_error_from_errno(int code);

/* The system's words for an errno; static, never NULL. */
const char *wi_errno_text(int code);

/* Name of a file system (statfs f_type) whose mmap and locks do not hold between processes or
 * hosts, or NULL if LMDB may live on it. */
const char *wi_filesystem_refused(uint64_t type);

/* Open a directory; with `create` it and its parents are made (mode 0700) and made durable.
 * WEIR_ENOTFOUND if it is missing; WEIR_EPLATFORM on a network file system. */
enum weir_error wi_directory_open(
    const char *path, bool create, int *ret_fd, struct weir_detail *detail);

/* Make the way to a directory durable, a few folders up: one that another process made and did not
 * live to sync would take with it all that is in it. */
enum weir_error wi_directory_sync_above(int directory_fd);

/* Take the file lock (flock) on `fd`, asking again until `patience_ms` has passed. WEIR_EBUSY if
 * somebody else keeps it. The lock goes with the descriptor, also when the process dies. */
enum weir_error wi_file_lock(int fd, bool exclusive, int64_t patience_ms);

/* Read a whole file of at most `size` bytes. WEIR_ENOTFOUND if it is missing, WEIR_ECORRUPT if it
 * is longer. */
enum weir_error wi_file_read(
    int directory_fd, const char *name, void *memory, size_t size, size_t *ret_length);

/* Write a file so that after a power loss either all of it is there or nothing. */
enum weir_error wi_file_write_durably(
    int directory_fd, const char *name, const void *memory, size_t size);

#endif

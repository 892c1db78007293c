/*
 * A look at data.mdb before LMDB maps it: LMDB trusts the two meta pages, and a page number beyond
 * the end of the file would be a SIGBUS in the middle of a read.
 */
#ifndef WI_STORAGE_DATA_FILE_H
#define WI_STORAGE_DATA_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#define WI_DATA_FILE "data.mdb"
#define WI_LOCK_FILE "lock.mdb"

/* What the newest meta page says. */
struct wi_data_file {
    uint64_t map_bytes;      /* of the map that wrote it */
    uint64_t transaction_id; /* 0: nothing was ever committed */
};

/*
 * Read and check the meta pages. `is_quiet`: no other process writes, so the check may be strict.
 * WEIR_ENOTFOUND if the file is missing or empty; WEIR_ECORRUPT (detail says why); WEIR_EIO.
 */
enum weir_error wi_data_file_check(
    int directory_fd, bool is_quiet, struct wi_data_file *ret, struct weir_detail *detail);

/*
 * Whether the file is what an interrupted start leaves: cut short, zeros where a power loss took
 * the bytes, or meta pages without a commit. Only a directory without a stamp can hold such a file.
 */
bool wi_data_file_is_unfinished(int directory_fd);

/*
 * Give LMDB's lock file its disk space before LMDB maps it: a store into a hole of a full disk is a
 * SIGBUS. Never while this process has the environment open: closing any descriptor of the file
 * would drop LMDB's locks on it. And only while no other process has: LMDB counts the slots by the
 * length that it finds, so one that is open would not see those that are added. A file of an
 * earlier version, with at least `readers_min`, stays as it is where the disk is full.
 */
enum weir_error wi_lock_file_allocate(int directory_fd, unsigned readers_min, unsigned readers_max);

/*
 * Make the file as long as the map, without using disk space for it. LMDB leaves trailing pages
 * unwritten that were freed in the transaction that took them; a longer file lets
 * wi_data_file_check() tell a truncated file from a whole one. Only under the writer lock: two
 * processes would shrink each other's file.
 */
enum weir_error wi_data_file_extend(int fd, uint64_t bytes);

#endif

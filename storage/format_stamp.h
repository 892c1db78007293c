/*
 * The file `format`: what kind of data a directory holds, in which version, with a checksum. It is
 * written last when a directory is made, so a directory without it was never finished, and a
 * directory with it but without data has lost something.
 */
#ifndef WI_STORAGE_FORMAT_STAMP_H
#define WI_STORAGE_FORMAT_STAMP_H

#include <stdint.h>

#include <weir/error.h>

#define WI_FORMAT_STAMP_FILE "format"

/* Longest `kind`. */
#define WI_KIND_MAX 32

/* Compare the file with what the caller can read. WEIR_ENOTFOUND if there is none; WEIR_EVERSION
 * for another kind or version (the detail names both); WEIR_ECORRUPT for damaged bytes. */
enum weir_error wi_format_stamp_check(
    int directory_fd, const char *kind, uint32_t format_version, struct weir_detail *detail);

/* Write it, durably and all at once. */
enum weir_error wi_format_stamp_write(
    int directory_fd, const char *kind, uint32_t format_version, struct weir_detail *detail);

#endif

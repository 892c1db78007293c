#include "storage/format_stamp.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "storage/filesystem.h"

#define STAMP_SIZE_MAX 256
#define CHECKSUM_LABEL "checksum "
#define CHECKSUM_SIZE  (sizeof CHECKSUM_LABEL - 1 + 16 + 1) /* label, 16 hex digits, newline */

/* FNV-1a: a few dozen bytes do not need more. */
static uint64_t
hash_bytes(const char *data, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3U;
    }
    return hash;
}

static void
format_checksum(const char *data, size_t length, char ret[CHECKSUM_SIZE + 1])
{
    (void)snprintf(
        ret,
        CHECKSUM_SIZE + 1,
        CHECKSUM_LABEL "%016llx\n",
        (unsigned long long)hash_bytes(data, length));
}

static size_t
format_stamp(const char *kind, uint32_t format_version, char ret[STAMP_SIZE_MAX])
{
    int length = snprintf(
        ret,
        STAMP_SIZE_MAX,
        "weir storage 1\nkind %s\nversion %lu\n",
        kind,
        (unsigned long)format_version);

    WEIR_ASSERT(length > 0 && (size_t)length + CHECKSUM_SIZE < STAMP_SIZE_MAX);
    format_checksum(ret, (size_t)length, ret + length);
    return (size_t)length + CHECKSUM_SIZE;
}

static bool
has_right_checksum(const char *text, size_t length)
{
    char checksum[CHECKSUM_SIZE + 1];

    if (length < CHECKSUM_SIZE) {
        return false;
    }
    format_checksum(text, length - CHECKSUM_SIZE, checksum);
    return memcmp(text + length - CHECKSUM_SIZE, checksum, CHECKSUM_SIZE) == 0;
}

/* The stamp is genuine but not ours: show its lines, joined with commas. */
static enum weir_error
report_other_stamp(
    char *text,
    size_t length,
    const char *kind,
    uint32_t format_version,
    struct weir_detail *detail)
{
    size_t end = length - CHECKSUM_SIZE;

    for (size_t i = 0; i < end; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            text[i] = ',';
        }
    }
    text[end > 0 ? end - 1 : 0] = '\0';
    return wi_detail(
        detail,
        WEIR_EVERSION,
        "the directory holds '%s', this program needs 'weir storage 1,kind %s,version %lu'",
        text,
        kind,
        (unsigned long)format_version);
}

enum weir_error
wi_format_stamp_check(
    int directory_fd, const char *kind, uint32_t format_version, struct weir_detail *detail)
{
    char expected[STAMP_SIZE_MAX];
    char found[STAMP_SIZE_MAX];
    size_t expected_length = format_stamp(kind, format_version, expected);
    size_t length = 0;
    enum weir_error error =
        wi_file_read(directory_fd, WI_FORMAT_STAMP_FILE, found, sizeof found, &length);

    if (error == WEIR_ENOTFOUND) {
        return error;
    }
    if (error == WEIR_OK && length == expected_length && memcmp(found, expected, length) == 0) {
        return WEIR_OK;
    }
    if (error == WEIR_OK && has_right_checksum(found, length)) {
        return report_other_stamp(found, length, kind, format_version, detail);
    }
    error = error == WEIR_OK ? WEIR_ECORRUPT : error;
    return wi_detail(
        detail,
        error,
        "the file '%s' cannot be trusted: %s",
        WI_FORMAT_STAMP_FILE,
        weir_error_text(error));
}

enum weir_error
wi_format_stamp_write(
    int directory_fd, const char *kind, uint32_t format_version, struct weir_detail *detail)
{
    char text[STAMP_SIZE_MAX];
    size_t length = format_stamp(kind, format_version, text);
    enum weir_error error = wi_file_write_durably(directory_fd, WI_FORMAT_STAMP_FILE, text, length);

    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error,
            "cannot write the file '%s': %s",
            WI_FORMAT_STAMP_FILE,
            weir_error_text(error));
    }
    return WEIR_OK;
}

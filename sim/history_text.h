/* The text form of histories, docs/history.md: one event, one line. Pure; no allocation. */
#ifndef WI_SIM_HISTORY_TEXT_H
#define WI_SIM_HISTORY_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "sim/checker.h"
#include "sim/history.h"

#define WI_HISTORY_LINE_SIZE 1024U /* the longest line, with its final zero */

enum wi_history_line_type {
    WI_HISTORY_LINE_REMARK, /* or an empty line */
    WI_HISTORY_LINE_EVENT,
    WI_HISTORY_LINE_SETTINGS
};

struct wi_history_line {
    enum wi_history_line_type type;
    struct wi_history_event event;       /* of an EVENT */
    struct wi_checker_settings settings; /* of SETTINGS */
};

/* One line without newline, zero-terminated; returns its length. Times are not negative, and
 * members that an enum names are in its range. */
size_t wi_history_format(
    const struct wi_history_event *event, char ret[static WI_HISTORY_LINE_SIZE]);
size_t wi_history_format_settings(
    const struct wi_checker_settings *settings, char ret[static WI_HISTORY_LINE_SIZE]);

/*
 * Read a line of any bytes, given without its newline. `number` counts lines from 1, for the
 * detail. WEIR_ECORRUPT: it is none of a history.
 */
WEIR_MUST_CHECK enum weir_error wi_history_parse(
    const char *text,
    size_t length,
    uint64_t number,
    struct wi_history_line *ret,
    struct weir_detail *detail);

/* "put", "row_deleted", ...; static. */
const char *wi_history_kind_name(enum wi_history_kind kind);

#endif

/* Configuration properties: one table per struct of options gives parsing, checks, --help and
 * docs/configuration.md. The table's content belongs to the module that owns the struct. */
#ifndef WI_CORE_CONFIG_H
#define WI_CORE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

#include "core/str.h"

/* What a property is, and so which member stands at its offset. */
enum wi_config_type {
    WI_CONFIG_I64,      /* int64_t, digits */
    WI_CONFIG_BOOL,     /* bool: true, false, yes, no, on, off, 1, 0 */
    WI_CONFIG_STRING,   /* const char *, borrowed from who sets it */
    WI_CONFIG_POSITION, /* struct weir_position, see weir_position_parse() */
    WI_CONFIG_DURATION, /* int64_t in milliseconds, see wi_duration_parse() */
    WI_CONFIG_SIZE      /* int64_t in bytes, see wi_size_parse() */
};

struct wi_config_property {
    const char *name; /* lower_snake_case, unit last: "lease_duration_ms" */
    enum wi_config_type type;
    size_t offset;            /* of the member in the struct of options */
    int64_t minimum;          /* numbers: least value; strings: least length in bytes */
    int64_t maximum;          /* numbers: greatest value; strings: greatest length */
    const char *default_text; /* as a user would write it; NULL for strings: not set */
    const char *unit;         /* of an I64, for instance "records"; NULL if there is none */
    const char *description;  /* one sentence without line break */
};

struct wi_config_table {
    const struct wi_config_property *properties;
    size_t count;
};

/* The property of that name, or NULL. '-' may stand for '_', and the unit of a duration or size
 * ("_ms", "_bytes") may be left out: "lease-duration" finds "lease_duration_ms". */
const struct wi_config_property *wi_config_find(
    const struct wi_config_table *table, struct weir_str name);

/* Set one property of the struct `options`. WEIR_ENOTFOUND for an unknown name; WEIR_EINVAL for a
 * value that does not parse or is out of range: the detail names property, value and what is
 * allowed. A string property keeps pointing at `value`. On failure nothing changes. */
WEIR_MUST_CHECK enum weir_error wi_config_set(
    const struct wi_config_table *table,
    void *options,
    struct weir_str name,
    const char *value,
    struct weir_detail *detail);

/* wi_config_set() from "name=value"; WEIR_EINVAL if there is no '='. */
WEIR_MUST_CHECK enum weir_error wi_config_parse(
    const struct wi_config_table *table,
    void *options,
    const char *assignment,
    struct weir_detail *detail);

/* Write every default. The defaults must parse: a table where one does not is a bug. */
void wi_config_defaults(const struct wi_config_table *table, void *options);

/* Check a struct that was filled by hand against the ranges; WEIR_EINVAL with the first breach.
 * A string whose minimum is above 0 must be set. */
WEIR_MUST_CHECK enum weir_error wi_config_check(
    const struct wi_config_table *table, const void *options, struct weir_detail *detail);

/* Append a Markdown table, one line for each property. */
void wi_config_markdown(const struct wi_config_table *table, struct wi_buffer *out);

/* Append the lines of --help, one paragraph for each property. */
void wi_config_help(const struct wi_config_table *table, struct wi_buffer *out);

#endif

/*
 * The shared files of AWS, config and credentials: sections of "name = value", nested values as
 * "name.inner". Written by strangers' tools: anything may stand in them. No I/O.
 */
#ifndef WI_AWS_AWS_PROFILE_H
#define WI_AWS_AWS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#define WI_AWS_FILE_MAX      ((size_t)1 << 20) /* bytes of a shared file */
#define WI_AWS_ENTRIES_MAX   16384U
#define WI_AWS_NAME_SIZE_MAX 512U /* of a section, of a name */

enum wi_aws_file {
    WI_AWS_CONFIG_FILE,     /* "[profile x]"; other sections keep their whole title */
    WI_AWS_CREDENTIALS_FILE /* "[x]"; goes before the config file */
};

struct wi_aws_entry {
    char *section; /* "default", "x" of "[profile x]", "services y" */
    char *name;    /* lower case */
    char *value;
    enum wi_aws_file file;
};

/* The entries of both files. Init, parse, free. */
struct wi_aws_profiles {
    const struct weir_env *env;
    struct wi_aws_entry *entries;
    size_t count;
    size_t capacity;
};

void wi_aws_profiles_init(struct wi_aws_profiles *profiles, const struct weir_env *env);
void wi_aws_profiles_free(struct wi_aws_profiles *profiles); /* wipes the values */

/* Add what a file says. A line that is none of the format is skipped, as the SDKs do. WEIR_ELIMIT,
 * WEIR_ENOMEM; the lines before it stay. */
WEIR_MUST_CHECK enum weir_error wi_aws_profiles_parse(
    struct wi_aws_profiles *profiles, enum wi_aws_file file, struct weir_str text);

/* The value; NULL if there is none or it is empty. Of two, the credentials file's, then the later
 * one. */
const char *wi_aws_profiles_get(
    const struct wi_aws_profiles *profiles, const char *section, const char *name);

/* Whether anything stands in that section. */
bool wi_aws_profiles_has(const struct wi_aws_profiles *profiles, const char *section);

#endif

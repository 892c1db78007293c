/* Histories of files, and the checker's word on them. */
#ifndef WI_TESTS_UNIT_SIM_HISTORY_FIXTURE_H
#define WI_TESTS_UNIT_SIM_HISTORY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/checker.h"
#include "sim/history.h"
#include "tests/support/test_env.h"

#define HISTORY_EVENTS_MAX 512
#define HISTORY_PATH_SIZE  1024

struct history {
    char remark[256]; /* the first line, without "# " */
    struct wi_checker_settings settings;
    struct wi_history_event events[HISTORY_EVENTS_MAX];
    size_t count;
};

/* Fails the running test if the file is not a history. */
void history_read(const char *path, struct history *ret);

/* The names of the files of tests/golden/histories that begin with `prefix`, in order. Free each
 * and the list; returns how many. */
size_t history_list(const char *prefix, char ***ret_paths);

/* Is everything well? If not, *ret_violation says what. */
bool history_holds(
    const struct wi_checker_settings *settings,
    const struct wi_history_event *events,
    size_t count,
    struct wi_violation *ret_violation);

#endif

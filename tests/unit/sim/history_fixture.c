#include "tests/unit/sim/history_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "sim/history_text.h"
#include "tests/support/weir_test.h"

#define NAME_SIZE 257 /* a slash and the name of a file */

void
history_read(const char *path, struct history *ret)
{
    char text[WI_HISTORY_LINE_SIZE + 1];
    struct weir_detail detail;
    uint64_t number = 0;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    memset(ret, 0, sizeof *ret);
    while (fgets(text, sizeof text, file) != NULL) {
        struct wi_history_line line;
        size_t length = strcspn(text, "\n");

        text[length] = '\0';
        if (number == 0) {
            (void)snprintf(ret->remark, sizeof ret->remark, "%s", text + strspn(text, "# "));
        }
        if (wi_history_parse(text, length, ++number, &line, &detail) != WEIR_OK) {
            fail_msg("%s: %s", path, detail.text);
        }
        if (line.type == WI_HISTORY_LINE_SETTINGS) {
            ret->settings = line.settings;
        } else if (line.type == WI_HISTORY_LINE_EVENT) {
            assert_true(ret->count < HISTORY_EVENTS_MAX);
            ret->events[ret->count++] = line.event;
        }
    }
    (void)fclose(file);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t
history_list(const char *prefix, char ***ret_paths)
{
    const char *root = getenv("WEIR_SOURCE_DIR");
    char folder[HISTORY_PATH_SIZE - NAME_SIZE];
    char **paths = NULL;
    size_t count = 0;
    DIR *directory;

    (void)snprintf(folder, sizeof folder, "%s/tests/golden/histories", root != NULL ? root : ".");
    directory = opendir(folder);
    assert_non_null(directory);
    for (const struct dirent *e = readdir(directory); e != NULL; e = readdir(directory)) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
            char **longer = realloc(paths, (count + 1) * sizeof *paths);

            assert_non_null(longer);
            paths = longer;
            paths[count] = malloc(HISTORY_PATH_SIZE);
            assert_non_null(paths[count]);
            (void)snprintf(paths[count], HISTORY_PATH_SIZE, "%s/%s", folder, e->d_name);
            count++;
        }
    }
    (void)closedir(directory);
    if (count > 0) {
        qsort(paths, count, sizeof *paths, by_name);
    }
    *ret_paths = paths;
    return count;
}

bool
history_holds(
    const struct wi_checker_settings *settings,
    const struct wi_history_event *events,
    size_t count,
    struct wi_violation *ret_violation)
{
    struct wi_checker *checker = NULL;
    bool holds = true;

    assert_int_equal(wi_checker_new(weir_env_default(), settings, &checker), WEIR_OK);
    for (size_t i = 0; i < count && holds; i++) {
        holds = wi_checker_feed(checker, &events[i], ret_violation);
    }
    wi_checker_free(checker);
    return holds;
}

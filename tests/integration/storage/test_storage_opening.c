/* Processes that open one directory at the same time, some of them in vain. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>

#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define ROUNDS 300U

static enum weir_error
open_once(const char *directory, bool must_exist)
{
    const struct wi_storage_options options = {
        .directory = directory,
        .kind = "stream",
        .format_version = 1,
        .sync = WI_SYNC_NONE,
        .map_bytes_initial = 1U << 20,
        .map_bytes_max = 1U << 20,
        .databases_max = 2,
        .must_exist = must_exist,
        .lock_patience_ms = 1000};
    struct wi_storage *storage = NULL;
    enum weir_error error = wi_storage_open(weir_env_default(), &options, &storage, NULL);

    wi_storage_close(storage);
    return error;
}

/* Opens what is not there yet, again and again, until it is killed. */
static pid_t
start_vain_opener(const char *const *directory)
{
    pid_t pid = fork();

    if (pid == 0) {
        enum weir_error error = WEIR_ENOTFOUND;

        while (error != WEIR_EINTERNAL) {
            error = open_once(*directory, true);
        }
        _exit(1);
    }
    return pid;
}

/* An open that fails must not leave the lock page to whoever opens next as if somebody held it. */
static void
creating_succeeds_beside_an_open_that_fails(void **state)
{
    struct test_dir dir;
    char path[4096];
    const char *directory = path;

    (void)state;
    test_dir_make(&dir);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pid_t opener;
        enum weir_error error;

        (void)snprintf(path, sizeof path, "%s/%u", dir.path, i);
        assert_int_equal(mkdir(path, 0700), 0);
        opener = start_vain_opener(&directory);
        error = open_once(path, false);
        (void)kill(opener, SIGKILL);
        (void)waitpid(opener, NULL, 0);
        assert_int_equal(error, WEIR_OK);
    }
    test_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_succeeds_beside_an_open_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

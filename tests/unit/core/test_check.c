/* A broken assertion ends the process and says where. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"
#include "tests/support/weir_test.h"

/* Break an assertion in a child; its stderr goes to text. Returns the child's wait status. */
static int
break_an_assertion(char *text, size_t size)
{
    int fds[2];
    int status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        int lease_count = 0;
        WEIR_ASSERT(lease_count == 1);
        _exit(0);
    }
    assert_true(child > 0);
    (void)close(fds[1]);
    ssize_t length = read(fds[0], text, size - 1);
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    text[length < 0 ? 0 : length] = '\0';
    return status;
}

static void
names_file_and_expression_and_aborts(void **state)
{
    char text[1024];
    (void)state;
    int status = break_an_assertion(text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "weir: bug: "));
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, ": lease_count == 1 does not hold\n"));
}

static void
does_nothing_while_the_condition_holds(void **state)
{
    int evaluated = 0;
    (void)state;
    WEIR_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

static void
counts_the_elements_of_an_array(void **state)
{
    int64_t array[17];
    (void)state;
    assert_int_equal(WI_ARRAY_LENGTH(array), 17);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_file_and_expression_and_aborts),
        cmocka_unit_test(does_nothing_while_the_condition_holds),
        cmocka_unit_test(counts_the_elements_of_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

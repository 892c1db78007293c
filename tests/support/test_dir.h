/* A folder of its own for one test, below $TMPDIR, else below the build folder, else where the
 * system keeps temporary files. */
#ifndef WI_TESTS_SUPPORT_TEST_DIR_H
#define WI_TESTS_SUPPORT_TEST_DIR_H

#include <stddef.h>

#define TEST_DIR_PATH_SIZE 1024

struct test_dir {
    char path[TEST_DIR_PATH_SIZE]; /* absolute unless $TMPDIR is not; no final slash */
};

/* Make the folder; fails the running test if that is impossible. */
void test_dir_make(struct test_dir *dir);

/* Write the path of `name` inside the folder to ret. */
void test_dir_join(const struct test_dir *dir, const char *name, char *ret, size_t ret_size);

/* Remove the folder and all that is in it; does nothing when it is gone already. */
void test_dir_remove(struct test_dir *dir);

#endif

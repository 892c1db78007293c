#include "tests/support/test_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/support/weir_test.h"

#define OPEN_FOLDERS 16 /* file descriptors that removing a tree may use */

static const char *
parent_folder(void)
{
    const char *parent = getenv("TMPDIR");

    if (parent == NULL || parent[0] == '\0') {
        parent = getenv("WEIR_BUILD_DIR");
    }
    return parent == NULL || parent[0] == '\0' ? P_tmpdir : parent;
}

void
test_dir_make(struct test_dir *dir)
{
    int length = snprintf(dir->path, sizeof dir->path, "%s/weir-test-XXXXXX", parent_folder());

    assert_in_range(length, 1, sizeof dir->path - 1);
    assert_non_null(mkdtemp(dir->path));
}

void
test_dir_join(const struct test_dir *dir, const char *name, char *ret, size_t ret_size)
{
    int length = snprintf(ret, ret_size, "%s/%s", dir->path, name);

    assert_in_range(length, 1, ret_size - 1);
}

static int
remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void
test_dir_remove(struct test_dir *dir)
{
    if (dir->path[0] != '\0') {
        (void)nftw(dir->path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
        dir->path[0] = '\0';
    }
}

/* Which applications a data directory holds. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/memory.h"
#include "core/str.h"
#include "lease/lease_store.h"

#define PATH_SIZE 4096
#define NAMES_MIN 16U

struct names {
    char (*items)[WEIR_NAME_SIZE];
    size_t count;
    size_t capacity;
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum weir_error
add_name(const struct weir_env *env, struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? NAMES_MIN : names->capacity * 2;
        void *items = wi_resize_array(env, names->items, capacity, sizeof *names->items);
        if (items == NULL) {
            return WEIR_ENOMEM;
        }
        names->items = items;
        names->capacity = capacity;
    }
    (void)wi_str_copy(names->items[names->count], WEIR_NAME_SIZE, wi_str(name));
    names->count++;
    return WEIR_OK;
}

/* An application is a folder with a lease table in it; anything else there is not ours. */
static bool
is_application(const char *data_directory, const char *name)
{
    char path[PATH_SIZE];
    struct stat status;
    int length;

    if (weir_name_check(wi_str(name)) != WEIR_OK) {
        return false;
    }
    length = snprintf(path, sizeof path, "%s/apps/%s/leases", data_directory, name);
    return length > 0 && (size_t)length < sizeof path && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

static enum weir_error
read_names(const struct weir_env *env, DIR *folder, const char *data_directory, struct names *names)
{
    enum weir_error error = WEIR_OK;
    const struct dirent *entry;

    errno = 0;
    /* The stream is ours alone, which is all that readdir() needs to be safe. */
    entry = readdir(folder); /* NOLINT(concurrency-mt-unsafe) */
    while (entry != NULL && error == WEIR_OK) {
        if (is_application(data_directory, entry->d_name)) {
            error = add_name(env, names, entry->d_name);
        }
        errno = 0;
        entry = readdir(folder); /* NOLINT(concurrency-mt-unsafe) */
    }
    return error == WEIR_OK && errno != 0 ? WEIR_EIO : error;
}

enum weir_error
wi_lease_store_each_application(
    const struct weir_env *env, const char *data_directory, wi_application_fn each, void *context)
{
    struct names names = {.items = NULL};
    char path[PATH_SIZE];
    enum weir_error error;
    DIR *folder;
    int length = snprintf(path, sizeof path, "%s/apps", data_directory);

    if (length < 0 || (size_t)length >= sizeof path) {
        return WEIR_EINVAL;
    }
    folder = opendir(path);
    if (folder == NULL) {
        /* No application was ever here. */
        return errno == ENOENT ? WEIR_OK : errno == EACCES ? WEIR_EACCESS : WEIR_EIO;
    }
    error = read_names(env, folder, data_directory, &names);
    (void)closedir(folder);
    if (error == WEIR_OK && names.count > 0) {
        qsort(names.items, names.count, sizeof *names.items, compare_names);
    }
    for (size_t i = 0; error == WEIR_OK && i < names.count; i++) {
        each(context, names.items[i]);
    }
    wi_free(env, names.items);
    return error;
}

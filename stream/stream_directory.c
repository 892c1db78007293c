#include "stream/stream_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/str.h"
#include "storage/filesystem.h"
#include "storage/process.h"
#include "stream/stream_lmdb.h"

/* A folder of a dead process is removed when it has not changed for so long: a process of another
 * container would look dead, but is not at work for this long. */
#define LEFTOVER_AGE_MS ((int64_t)10 * 60 * 1000)

/* Renames take microseconds; longer than this, something is wrong. */
#define LOCK_PATIENCE_MS 5000

#define MS_PER_S 1000

#define REMOVE_ATTEMPTS 8U

/* The folder of all streams, and names in it. */
struct folder {
    int fd; /* of DATA/streams; -1: not open */
    char path[WI_PATH_SIZE];
};

enum weir_error
wi_stream_path(
    const char *data_directory,
    const char *name,
    char ret[WI_PATH_SIZE],
    struct weir_detail *detail)
{
    const int length = snprintf(
        ret, WI_PATH_SIZE, "%s/streams%s%s", data_directory, name[0] == '\0' ? "" : "/", name);

    return length > 0 && length < WI_PATH_SIZE
               ? WEIR_OK
               : wi_detail(detail, WEIR_EINVAL, "the path of the data directory is too long");
}

static enum weir_error
folder_open(const char *data_directory, bool create, struct folder *ret, struct weir_detail *detail)
{
    enum weir_error error = wi_stream_path(data_directory, "", ret->path, detail);

    ret->fd = -1;
    if (error == WEIR_OK) {
        error = wi_directory_open(ret->path, create, &ret->fd, detail);
        WEIR_ASSERT(error != WEIR_OK || ret->fd >= 0);
    }
    return error;
}

static void
folder_close(struct folder *folder)
{
    if (folder->fd >= 0) {
        close(folder->fd);
    }
}

static enum weir_error
from_errno(struct weir_detail *detail, const char *what)
{
    const int code = errno;

    return wi_detail(detail, wi_error_from_errno(code), "%s: %s", what, wi_errno_text(code));
}

/* Unlink the files of a folder and the folder itself; what is not there any more is fine. */
static enum weir_error
remove_files_once(const struct folder *folder, const char *name)
{
    const int fd = openat(folder->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum weir_error error = WEIR_OK;

    if (entries == NULL) {
        const int code = errno;

        if (fd >= 0) {
            close(fd);
        }
        return code == ENOENT ? WEIR_OK : wi_error_from_errno(code);
    }
    /* One stream of directory entries belongs to one thread. */
    while ((entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(fd, entry->d_name, 0) != 0 && errno != ENOENT) {
            error = wi_error_from_errno(errno);
        }
    }
    closedir(entries);
    if (unlinkat(folder->fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT && error == WEIR_OK) {
        error = wi_error_from_errno(errno);
    }
    return error;
}

/* Somebody who has just opened the folder may still be making files in it; then once more. */
static enum weir_error
remove_stream_files(const struct folder *folder, const char *name)
{
    enum weir_error error = remove_files_once(folder, name);

    for (unsigned i = 1; i < REMOVE_ATTEMPTS && error != WEIR_OK; i++) {
        error = remove_files_once(folder, name);
    }
    return error;
}

/* Where a failure only leaves something for the next one to tidy up. */
static void
remove_if_possible(const struct weir_env *env, const struct folder *folder, const char *name)
{
    const enum weir_error error = remove_stream_files(folder, name);

    if (error != WEIR_OK) {
        wi_log(
            env,
            WEIR_LOG_WARN,
            "stream",
            "%s/%s cannot be removed: %s",
            folder->path,
            name,
            weir_error_text(error));
    }
}

/* "NAME@BOOT-PID-START-RANDOM": no stream can be called so. */
static enum weir_error
make_working_name(
    const struct weir_env *env,
    const char *name,
    char ret[WEIR_OWNER_SIZE],
    struct weir_detail *detail)
{
    struct wi_process self;
    const enum weir_error error = wi_process_self(&self);

    if (error != WEIR_OK) {
        return wi_detail(detail, error, "%s: cannot tell which process this is", name);
    }
    (void)wi_owner_format(wi_str(name), &self, wi_random(env), ret);
    return WEIR_OK;
}

/* --- leftovers --- */

/* Whether the folder belongs to a process that was killed while it created or deleted a stream. */
static bool
is_leftover(const struct weir_env *env, const struct folder *folder, const char *name)
{
    struct wi_process process;
    struct stat status;

    if (wi_owner_process(wi_str(name), &process) != WEIR_OK ||
        wi_process_look(&process) != WI_PROCESS_GONE ||
        fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    return wi_wall_now(env).ms - (int64_t)status.st_mtim.tv_sec * MS_PER_S > LEFTOVER_AGE_MS;
}

/* Tidying up is a courtesy: failures are left to the next one. */
static void
remove_leftovers(const struct weir_env *env, const struct folder *folder)
{
    DIR *entries = opendir(folder->path);
    const struct dirent *entry = NULL;

    if (entries == NULL) {
        return;
    }
    while ((entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strchr(entry->d_name, '@') != NULL && is_leftover(env, folder, entry->d_name)) {
            remove_if_possible(env, folder, entry->d_name);
        }
    }
    closedir(entries);
}

/* --- delete --- */

/* Rename the folder to `working_name` if its stream has the deleted flag, or, with `damaged`, if it
 * is damaged; else WEIR_ENOTFOUND. Creates take the same lock, so the folder looked at is the one
 * that is renamed. */
static enum weir_error
rename_away(
    const struct weir_env *env,
    const struct folder *folder,
    const char *name,
    const char *working_name,
    bool damaged)
{
    char directory[WI_PATH_SIZE];
    bool is_deleted = false;
    const int length = snprintf(directory, sizeof directory, "%s/%s", folder->path, name);
    enum weir_error error = wi_file_lock(folder->fd, true, LOCK_PATIENCE_MS);

    if (error != WEIR_OK) {
        return error;
    }
    WEIR_ASSERT(length > 0 && (size_t)length < sizeof directory);
    error = wi_stream_lmdb_is_deleted(env, directory, &is_deleted);
    if (error == WEIR_OK || error == WEIR_ECORRUPT) {
        const bool is_wanted = damaged ? error == WEIR_ECORRUPT : error == WEIR_OK && is_deleted;

        error = is_wanted ? WEIR_OK : WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK &&
        (renameat(folder->fd, name, folder->fd, working_name) != 0 || fsync(folder->fd) != 0)) {
        error = wi_error_from_errno(errno);
    }
    (void)flock(folder->fd, LOCK_UN);
    return error;
}

/* The rest of a delete. After the flag nothing to do is fine: somebody else has done it. A damaged
 * stream is deleted by the rename, which happens once. */
static enum weir_error
finish_delete(
    const struct weir_env *env,
    const struct folder *folder,
    const char *name,
    bool damaged,
    struct weir_detail *detail)
{
    char working_name[WEIR_OWNER_SIZE];
    enum weir_error error = make_working_name(env, name, working_name, detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = rename_away(env, folder, name, working_name, damaged);
    if (error == WEIR_OK) {
        remove_if_possible(env, folder, working_name);
    }
    return error == WEIR_OK || (error == WEIR_ENOTFOUND && !damaged)
               ? WEIR_OK
               : wi_detail(detail, error, "%s: %s", name, weir_error_text(error));
}

/* Whoever sets the flag has deleted the stream; the rest is tidying. A stream that is damaged can
 * be deleted too. */
static enum weir_error
delete_in(
    const struct weir_env *env,
    const struct folder *folder,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail)
{
    char directory[WI_PATH_SIZE];
    struct stat status;
    enum weir_error error = wi_stream_path(data_directory, name, directory, detail);
    enum weir_error finished = WEIR_OK;

    if (error != WEIR_OK) {
        return error;
    }
    if (fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode)) {
        return wi_detail(detail, WEIR_ENOTFOUND, "there is no stream %s", name);
    }
    error = wi_stream_lmdb_mark_deleted(env, directory, detail);
    if (error == WEIR_OK || error == WEIR_ENOTFOUND || error == WEIR_ECORRUPT) {
        finished = finish_delete(env, folder, name, error == WEIR_ECORRUPT, detail);
    }
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(detail, error, "there is no stream %s", name);
    }
    return error == WEIR_ECORRUPT ? finished : error;
}

enum weir_error
wi_stream_directory_delete(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail)
{
    struct folder folder;
    enum weir_error error = folder_open(data_directory, false, &folder, detail);

    if (error == WEIR_OK) {
        remove_leftovers(env, &folder);
        error = delete_in(env, &folder, data_directory, name, detail);
    } else if (error == WEIR_ENOTFOUND) {
        error = wi_detail(detail, error, "there is no stream %s", name);
    }
    folder_close(&folder);
    return error;
}

/* --- create --- */

/* A name whose stream was being deleted when its deleter died is free after finishing that. */
static enum weir_error
check_name_is_free(
    const struct weir_env *env,
    const struct folder *folder,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail)
{
    char directory[WI_PATH_SIZE];
    struct stat status;
    bool is_deleted = false;
    enum weir_error error = wi_stream_path(data_directory, name, directory, detail);

    if (error != WEIR_OK || fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return error;
    }
    if (wi_stream_lmdb_is_deleted(env, directory, &is_deleted) == WEIR_OK && !is_deleted) {
        return wi_detail(detail, WEIR_EEXISTS, "a stream %s exists already", name);
    }
    return is_deleted ? finish_delete(env, folder, name, false, detail) : WEIR_OK;
}

/* A folder of that name is never empty, so that rename(2) fails if there is one. */
static enum weir_error
publish(
    const struct folder *folder,
    const char *working_name,
    const char *name,
    struct weir_detail *detail)
{
    enum weir_error error = wi_file_lock(folder->fd, true, LOCK_PATIENCE_MS);

    if (error != WEIR_OK) {
        return wi_detail(detail, error, "%s: another process keeps the folder locked", name);
    }
    if (renameat(folder->fd, working_name, folder->fd, name) != 0) {
        error = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
                    ? wi_detail(detail, WEIR_EEXISTS, "a stream %s exists already", name)
                    : from_errno(detail, name);
    } else if (fsync(folder->fd) != 0) {
        error = from_errno(detail, name);
    }
    (void)flock(folder->fd, LOCK_UN);
    return error;
}

static enum weir_error
create_in(
    const struct weir_env *env,
    const struct folder *folder,
    const char *name,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail)
{
    char working_name[WEIR_OWNER_SIZE];
    char directory[WI_PATH_SIZE];
    enum weir_error error = make_working_name(env, name, working_name, detail);

    if (error != WEIR_OK) {
        return error;
    }
    const int length = snprintf(directory, sizeof directory, "%s/%s", folder->path, working_name);
    if (length < 0 || (size_t)length >= sizeof directory) {
        return wi_detail(detail, WEIR_EINVAL, "the path of the data directory is too long");
    }
    error = wi_stream_lmdb_format(env, directory, options, detail);
    if (error == WEIR_OK) {
        error = publish(folder, working_name, name, detail);
    }
    if (error != WEIR_OK) {
        remove_if_possible(env, folder, working_name);
    }
    return error;
}

enum weir_error
wi_stream_directory_create(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail)
{
    struct folder folder;
    enum weir_error error = folder_open(data_directory, true, &folder, detail);

    if (error == WEIR_OK) {
        remove_leftovers(env, &folder);
        error = check_name_is_free(env, &folder, data_directory, name, detail);
    }
    if (error == WEIR_OK) {
        error = create_in(env, &folder, name, options, detail);
    }
    folder_close(&folder);
    return error;
}

/* --- list --- */

struct name_list {
    const struct weir_env *env;
    char (*names)[WEIR_NAME_SIZE];
    size_t count;
    size_t capacity;
};

static enum weir_error
add_name(struct name_list *list, const char *name)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        void *names = wi_resize_array(list->env, list->names, capacity, sizeof *list->names);

        if (names == NULL) {
            return WEIR_ENOMEM;
        }
        list->names = names;
        list->capacity = capacity;
    }
    (void)wi_str_copy(list->names[list->count++], WEIR_NAME_SIZE, wi_str(name));
    return WEIR_OK;
}

static int
compare_names(const void *a, const void *b)
{
    const char *left = a;
    const char *right = b;

    return strcmp(left, right);
}

/* A folder with a stream's name that is not empty of data. */
static bool
is_stream(const struct folder *folder, const char *name)
{
    char data_file[WEIR_NAME_SIZE + sizeof "/data.mdb"];
    struct stat status;

    if (weir_name_check(wi_str(name)) != WEIR_OK) {
        return false;
    }
    (void)snprintf(data_file, sizeof data_file, "%.*s/data.mdb", WEIR_NAME_MAX, name);
    return fstatat(folder->fd, data_file, &status, 0) == 0 && S_ISREG(status.st_mode);
}

static enum weir_error
collect_names(const struct folder *folder, struct name_list *list, struct weir_detail *detail)
{
    DIR *entries = opendir(folder->path);
    const struct dirent *entry = NULL;
    enum weir_error error = WEIR_OK;

    if (entries == NULL) {
        return from_errno(detail, folder->path);
    }
    while (error == WEIR_OK &&
           (entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (is_stream(folder, entry->d_name)) {
            error = add_name(list, entry->d_name);
        }
    }
    closedir(entries);
    return error;
}

enum weir_error
wi_stream_directory_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_stream_list_fn each,
    void *context,
    struct weir_detail *detail)
{
    struct name_list list = {.env = env};
    struct folder folder;
    enum weir_error error = folder_open(data_directory, false, &folder, detail);

    if (error == WEIR_OK) {
        error = collect_names(&folder, &list, detail);
    }
    if (error == WEIR_OK && list.count > 0) {
        qsort(list.names, list.count, sizeof *list.names, compare_names);
        for (size_t i = 0; i < list.count; i++) {
            each(context, list.names[i]);
        }
    }
    wi_free(env, list.names);
    folder_close(&folder);
    return error == WEIR_ENOTFOUND ? WEIR_OK : error;
}

#include "demo/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "demo/worker.h"

/* Room for the system's words about an errno. */
#define ERRNO_TEXT 128
/* Where temporary files are if TMPDIR does not say. */
#define TEMPORARY "/tmp"
/* Files in memory. */
#define MEMORY "/dev/shm"
/* Longest name of a data directory: names of files in it still fit. */
#define DATA_MAX (DEMO_PATH_SIZE - 256)

/* 0, ENOTEMPTY, or another errno value. */
static int
check_empty(const char *directory)
{
    DIR *handle = opendir(directory);
    int error = 0;

    if (handle == NULL) {
        return errno;
    }
    for (;;) {
        const struct dirent *entry;
        errno = 0;
        entry = readdir(handle); /* NOLINT(concurrency-mt-unsafe): one thread */
        if (entry == NULL) {
            error = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            error = ENOTEMPTY;
            break;
        }
    }
    (void)closedir(handle);
    return error;
}

/* The directory that was asked for. 0 or an errno value. */
static int
make_given(struct demo_files *files, const char *directory)
{
    if (strlen(directory) > DATA_MAX) {
        return ENAMETOOLONG;
    }
    if (mkdir(directory, 0700) == 0) {
        files->made = true;
    } else if (errno != EEXIST) {
        return errno;
    } else {
        const int error = check_empty(directory);
        if (error != 0) {
            return error;
        }
    }
    (void)snprintf(files->data, sizeof files->data, "%s", directory);
    return 0;
}

/* TMPDIR, or NULL. */
static const char *
wished_folder(void)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */

    return folder == NULL || *folder == '\0' ? NULL : folder;
}

static const char *
temporary_folder(void)
{
    const char *wished = wished_folder();

    return wished == NULL ? TEMPORARY : wished;
}

static int
make_temporary(struct demo_files *files)
{
    char path[DEMO_PATH_SIZE];

    if (strlen(temporary_folder()) > DATA_MAX - sizeof "/weir-demo-XXXXXX") {
        return ENAMETOOLONG;
    }
    (void)snprintf(path, sizeof path, "%s/weir-demo-XXXXXX", temporary_folder());
    if (mkdtemp(path) == NULL) {
        return errno;
    }
    (void)snprintf(files->data, sizeof files->data, "%s", path);
    files->made = true;
    return 0;
}

static int
fail(const char *directory, int error)
{
    char text[ERRNO_TEXT];

    if (error == ENOTEMPTY) {
        return cli_fail(
            "demo: data directory '%s' is not empty: the demo wants one of its own, name another",
            directory);
    }
    return cli_fail(
        "demo: cannot make a data directory %s '%s': %s: name another one with --data",
        directory == NULL ? "in" : "at",
        directory == NULL ? temporary_folder() : directory,
        cli_errno_text(error, text, sizeof text));
}

/* A folder in memory, if there is a place for it with enough room and TMPDIR names no other. */
static bool
make_folder_in_memory(struct demo_files *files, uint64_t bytes)
{
    char path[] = MEMORY "/weir-demo-XXXXXX";
    struct statvfs space;

    if (wished_folder() != NULL || statvfs(MEMORY, &space) != 0 ||
        (uint64_t)space.f_bavail * space.f_frsize < bytes || mkdtemp(path) == NULL) {
        return false;
    }
    memcpy(files->folder, path, sizeof path);
    files->in_memory = true;
    return true;
}

/* The demo's folder in the data directory. 0 or an errno value. */
static int
make_folder(struct demo_files *files)
{
    const int length =
        snprintf(files->folder, sizeof files->folder, "%s/%s", files->data, DEMO_FOLDER);

    if (length < 0 || (size_t)length >= sizeof files->folder) {
        return ENAMETOOLONG;
    }
    files->in_memory = false;
    return mkdir(files->folder, 0700) == 0 ? 0 : errno;
}

int
demo_files_make(struct demo_files *files, const char *directory, uint64_t bytes)
{
    int error = directory == NULL ? make_temporary(files) : make_given(files, directory);

    if (error == 0 && !make_folder_in_memory(files, bytes)) {
        error = make_folder(files);
    }
    if (error != 0) {
        demo_files_remove(files);
        return fail(directory, error);
    }
    return CLI_OK;
}

/* One entry of the tree, when everything below it is gone. */
static void
remove_entry(const FTSENT *entry, bool with_root)
{
    switch (entry->fts_info) {
    case FTS_DP:
        if (entry->fts_level > FTS_ROOTLEVEL || with_root) {
            (void)rmdir(entry->fts_accpath);
        }
        break;
    case FTS_D:
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        break;
    default:
        (void)unlink(entry->fts_accpath);
        break;
    }
}

static void
remove_tree(char *path, bool with_root)
{
    char *roots[] = {path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    const FTSENT *entry;

    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        remove_entry(entry, with_root);
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
}

static void
remove_memory(struct demo_files *files)
{
    if (files->in_memory) {
        remove_tree(files->folder, true);
    }
    files->in_memory = false;
}

void
demo_files_remove(struct demo_files *files)
{
    remove_memory(files);
    if (*files->data != '\0') {
        remove_tree(files->data, files->made);
    }
    *files = (struct demo_files){.made = false};
}

static void
copy_bytes(int from, int to)
{
    static const size_t buffer_bytes = (size_t)1 << 16;
    char *buffer = malloc(buffer_bytes);
    ssize_t length = 0;

    while (buffer != NULL && (length = read(from, buffer, buffer_bytes)) > 0) {
        if (cli_write_all(to, buffer, (size_t)length) != 0) {
            break;
        }
    }
    free(buffer);
}

/* As far as it goes: what is missing will be missed by nobody but a reader. */
static void
copy_file(const char *from_path, const char *to_folder, const char *name)
{
    char path[DEMO_PATH_SIZE];
    const int length = snprintf(path, sizeof path, "%s/%s", to_folder, name);
    const int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = -1;

    if (length > 0 && (size_t)length < sizeof path) {
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (from >= 0 && to >= 0) {
        copy_bytes(from, to);
    }
    if (from >= 0) {
        (void)close(from);
    }
    if (to >= 0) {
        (void)close(to);
    }
}

void
demo_files_keep(struct demo_files *files)
{
    struct demo_files kept = *files;
    char *roots[] = {files->folder, NULL};
    const FTSENT *entry;
    FTS *tree;

    if (!files->in_memory || make_folder(&kept) != 0) {
        return;
    }
    tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        if (entry->fts_info == FTS_F) {
            copy_file(entry->fts_accpath, kept.folder, entry->fts_name);
        }
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
    remove_memory(files);
    *files = kept;
}

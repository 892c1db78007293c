#include "cli/demo_files.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/demo_worker.h"

/* Room for the system's words about an errno. */
#define ERRNO_TEXT 128
/* Where temporary files are if TMPDIR does not say. */
#define TEMPORARY "/tmp"
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

static const char *
temporary_folder(void)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */

    return folder == NULL || *folder == '\0' ? TEMPORARY : folder;
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

int
demo_files_make(struct demo_files *files, const char *directory)
{
    int error = directory == NULL ? make_temporary(files) : make_given(files, directory);
    int length;

    if (error != 0) {
        return fail(directory, error);
    }
    length = snprintf(files->folder, sizeof files->folder, "%s/%s", files->data, DEMO_FOLDER);
    if (length < 0 || (size_t)length >= sizeof files->folder) {
        error = ENAMETOOLONG;
    } else if (mkdir(files->folder, 0700) != 0) {
        error = errno;
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

void
demo_files_remove(struct demo_files *files)
{
    char *roots[] = {files->data, NULL};
    FTS *tree;
    const FTSENT *entry;

    if (*files->data == '\0') {
        return;
    }
    tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        remove_entry(entry, files->made);
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
    *files = (struct demo_files){.made = false};
}

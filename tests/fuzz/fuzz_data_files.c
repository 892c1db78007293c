/* Any bytes as the files `format` and data.mdb of an environment. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "storage/data_file.h"
#include "storage/format_stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/weir-fuzz-XXXXXX"; /* memory: there are many runs */
static int folder_fd = -1;

static void
clean_up(void)
{
    (void)unlinkat(folder_fd, WI_FORMAT_STAMP_FILE, 0);
    (void)unlinkat(folder_fd, WI_DATA_FILE, 0);
    (void)rmdir(folder);
}

static void
begin(void)
{
    if (mkdtemp(folder) == NULL) {
        abort();
    }
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0 || atexit(clean_up) != 0) {
        abort();
    }
}

static void
write_file(const char *name, const uint8_t *data, size_t size)
{
    const int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_data_file found;
    struct weir_detail detail;

    if (folder_fd < 0) {
        begin();
    }
    write_file(WI_FORMAT_STAMP_FILE, data, size);
    write_file(WI_DATA_FILE, data, size);
    (void)!wi_format_stamp_check(folder_fd, "stream", 1, &detail);
    (void)!wi_data_file_check(folder_fd, true, &found, &detail);
    (void)wi_data_file_is_unfinished(folder_fd);
    return 0;
}

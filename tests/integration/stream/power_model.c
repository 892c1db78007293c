#include "tests/integration/stream/power_model.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/version.h>

#include "core/pcg.h"
#include "tests/support/weir_test.h"

#define SECTOR      512U
#define FILE_MAX    ((size_t)64 * 1024 * 1024)
#define PENDING_MAX 65536U

struct pending_write {
    size_t at;
    size_t size;
    unsigned char *bytes;
};

/* One file; calls come from one thread at a time, inside LMDB's writer lock. */
static struct {
    bool is_on;
    dev_t device;
    ino_t inode;
    unsigned char *synced; /* FILE_MAX bytes */
    size_t size;
    struct pending_write pending[PENDING_MAX];
    size_t pending_count;
    unsigned countdown; /* events until a state is taken; 0: none is wanted */
    unsigned char *state;
    size_t state_size;
    struct wi_pcg pcg;
} model;

static bool
is_followed(int fd)
{
    struct stat status;

    return model.is_on && fstat(fd, &status) == 0 && status.st_dev == model.device &&
           status.st_ino == model.inode;
}

static void
apply(unsigned char *image, const struct pending_write *write, unsigned keep_percent)
{
    size_t done = 0;

    while (done < write->size) {
        const size_t at = write->at + done;
        const size_t rest = SECTOR - at % SECTOR;
        const size_t size = rest < write->size - done ? rest : write->size - done;

        if (wi_pcg_below(&model.pcg, 100) < keep_percent) {
            memcpy(image + at, write->bytes + done, size);
        }
        done += size;
    }
}

static unsigned char *
make_state(size_t *ret_size)
{
    static const unsigned keep[] = {0, 10, 50, 90, 100};
    const unsigned keep_percent = keep[wi_pcg_below(&model.pcg, 5)];
    unsigned char *image = malloc(model.size);

    assert_non_null(image);
    memcpy(image, model.synced, model.size);
    for (size_t i = 0; i < model.pending_count; i++) {
        apply(image, &model.pending[i], keep_percent);
    }
    *ret_size = model.size;
    return image;
}

static void
note_event(void)
{
    if (model.countdown == 0) {
        return;
    }
    model.countdown--;
    if (model.countdown == 0) {
        free(model.state);
        model.state = make_state(&model.state_size);
    }
}

static void
note_write(int fd, const void *bytes, size_t size, size_t at)
{
    const int flags = fcntl(fd, F_GETFL);
    struct pending_write *write = &model.pending[model.pending_count];

    assert_true(at + size <= FILE_MAX && model.pending_count < PENDING_MAX);
    model.size = at + size > model.size ? at + size : model.size;
    *write = (struct pending_write){at, size, malloc(size)};
    assert_non_null(write->bytes);
    memcpy(write->bytes, bytes, size);
    if ((flags & O_DSYNC) != 0) {
        apply(model.synced, write, 100); /* durable when the call returns */
        free(write->bytes);
    } else {
        model.pending_count++;
    }
    note_event();
}

static void
note_sync(void)
{
    for (size_t i = 0; i < model.pending_count; i++) {
        apply(model.synced, &model.pending[i], 100);
        free(model.pending[i].bytes);
    }
    model.pending_count = 0;
    note_event();
}

/* --- instead of the C library's --- */

WEIR_API ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at);
WEIR_API ssize_t writev(int fd, const struct iovec *parts, int count);
WEIR_API int fdatasync(int fd);
WEIR_API int fsync(int fd);

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    const ssize_t written = syscall(SYS_pwrite64, fd, bytes, size, at);

    if (written > 0 && is_followed(fd)) {
        note_write(fd, bytes, (size_t)written, (size_t)at);
    }
    return written;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    const off_t at = lseek(fd, 0, SEEK_CUR);
    const ssize_t written = syscall(SYS_writev, fd, parts, count);
    size_t done = 0;

    for (int i = 0; written > 0 && i < count && is_followed(fd); i++) {
        assert_true(done + parts[i].iov_len <= (size_t)written);
        note_write(fd, parts[i].iov_base, parts[i].iov_len, (size_t)at + done);
        done += parts[i].iov_len;
    }
    return written;
}

int
fdatasync(int fd)
{
    if (is_followed(fd)) {
        note_sync();
        return 0;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
    if (is_followed(fd)) {
        note_sync();
        return 0;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* --- for tests --- */

void
power_model_start(const char *path, uint64_t seed)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    power_model_stop();
    model.synced = calloc(1, FILE_MAX);
    assert_non_null(model.synced);
    model.size = (size_t)status.st_size;
    assert_int_equal(pread(fd, model.synced, model.size, 0), status.st_size);
    close(fd);
    wi_pcg_seed(&model.pcg, seed, 1);
    model.device = status.st_dev;
    model.inode = status.st_ino;
    model.is_on = true;
}

void
power_model_stop(void)
{
    for (size_t i = 0; i < model.pending_count; i++) {
        free(model.pending[i].bytes);
    }
    free(model.synced);
    free(model.state);
    model.synced = NULL;
    model.state = NULL;
    model.pending_count = 0;
    model.is_on = false;
}

void
power_model_arm(unsigned event)
{
    free(model.state);
    model.state = NULL;
    model.countdown = event;
}

unsigned char *
power_model_state(size_t *ret_size)
{
    unsigned char *state = model.state;

    model.countdown = 0;
    if (state == NULL) {
        return make_state(ret_size);
    }
    model.state = NULL;
    *ret_size = model.state_size;
    return state;
}

unsigned char *
power_model_synced(size_t *ret_size)
{
    unsigned char *image = malloc(model.size);

    assert_non_null(image);
    memcpy(image, model.synced, model.size);
    *ret_size = model.size;
    return image;
}

size_t
power_model_unsynced(void)
{
    size_t size = 0;

    for (size_t i = 0; i < model.pending_count; i++) {
        size += model.pending[i].size;
    }
    return size;
}

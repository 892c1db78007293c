#include "bench/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "bench/bench.h"
#include "bench/clock.h"
#include "bench/shared.h"

/* Most folders deep, and most descriptors, of a removal. */
#define REMOVE_DESCRIPTORS 16

/* Set by the signal handler: the one variable of the program that a handler may touch. */
static volatile sig_atomic_t interrupted;

static void
interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

bool
bench_interrupted(void)
{
    return interrupted != 0;
}

bool
bench_fail(struct bench *bench, const char *format, ...)
{
    va_list arguments;

    if (*bench->failure == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(bench->failure, sizeof bench->failure, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool
bench_check(
    struct bench *bench, enum weir_error error, const struct weir_detail *detail, const char *what)
{
    if (error == WEIR_OK) {
        return true;
    }
    if (detail != NULL && *detail->text != '\0') {
        return bench_fail(bench, "%s: %s", what, detail->text);
    }
    return bench_fail(bench, "%s: %s", what, weir_error_text(error));
}

size_t
bench_count(const struct bench *bench, size_t full, size_t quick)
{
    return bench->options->quick ? quick : full;
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void
bench_remove(const char *path)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    (void)nftw(path, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

bool
bench_folder(struct bench *bench, const char *name, char path[BENCH_PATH_SIZE])
{
    const int length = snprintf(path, BENCH_PATH_SIZE, "%s/%s", bench->directory, name);

    if (length < 0 || length >= BENCH_PATH_SIZE) {
        return bench_fail(bench, "the path of the data directory is too long");
    }
    bench_remove(path);
    if (mkdir(path, S_IRWXU) != 0) {
        return bench_fail(bench, "cannot make a folder in the data directory");
    }
    return true;
}

/* DATA/bench-XXXXXX; DATA as well, if it is missing. */
static bool
make_directory(struct bench *bench)
{
    const char *data = bench->options->directory;
    char template[BENCH_PATH_SIZE];
    const int length = snprintf(template, sizeof template, "%s/bench-XXXXXX", data);

    if (length < 0 || (size_t)length >= sizeof template) {
        errno = ENAMETOOLONG;
        return false;
    }
    bench->made_data = mkdir(data, S_IRWXU) == 0;
    if (!bench->made_data && errno != EEXIST) {
        return false;
    }
    /* Processes get the name from another working directory one day: make it absolute now. */
    if (mkdtemp(template) == NULL || realpath(template, bench->directory) == NULL) {
        return false;
    }
    return true;
}

bool
bench_open(struct bench *bench, const struct bench_options *options)
{
    struct sigaction action = {.sa_handler = interrupt};

    *bench = (struct bench){.options = options, .env = options->env, .shared_fd = -1};
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0 ||
        !make_directory(bench)) {
        return false;
    }
    bench->shared_fd = memfd_create("weir-bench", MFD_CLOEXEC);
    if (bench->shared_fd < 0 || ftruncate(bench->shared_fd, sizeof *bench->shared) != 0) {
        return false;
    }
    bench->shared =
        mmap(NULL, sizeof *bench->shared, PROT_READ | PROT_WRITE, MAP_SHARED, bench->shared_fd, 0);
    if (bench->shared == MAP_FAILED) {
        bench->shared = NULL;
        return false;
    }
    return true;
}

void
bench_close(struct bench *bench)
{
    if (bench->shared != NULL) {
        bench_kill_all(bench);
        (void)munmap(bench->shared, sizeof *bench->shared);
    }
    if (bench->shared_fd >= 0) {
        (void)close(bench->shared_fd);
    }
    if (*bench->directory != '\0') {
        bench_remove(bench->directory);
    }
    if (bench->made_data) {
        (void)rmdir(bench->options->directory);
    }
}

void
bench_forget(struct bench *bench)
{
    memset(bench->shared->shard, 0, sizeof bench->shared->shard);
    bench->shared->sample_count = 0;
}

bool
bench_until(
    struct bench *bench,
    bench_condition_fn condition,
    void *context,
    int64_t every_ns,
    int64_t limit_ms)
{
    const int64_t end_ns = bench_now_ns() + limit_ms * BENCH_MS;

    while (!condition(bench, context)) {
        if (bench_interrupted() || *bench->failure != '\0') {
            return false;
        }
        for (size_t i = 0; i < BENCH_SLOTS_MAX; i++) {
            if (bench->pid[i] != 0 && *bench->shared->slot[i].failure != '\0') {
                return bench_fail(bench, "%s", bench->shared->slot[i].failure);
            }
        }
        if (bench_now_ns() > end_ns) {
            return false;
        }
        bench_sleep_ns(every_ns);
    }
    return true;
}

bool
bench_pause(const struct bench *bench, int64_t ms)
{
    const int64_t end_ns = bench_now_ns() + ms * BENCH_MS;
    int64_t left_ns = ms * BENCH_MS;

    (void)bench;
    while (left_ns > 0 && !bench_interrupted()) {
        bench_sleep_ns(left_ns);
        left_ns = end_ns - bench_now_ns();
    }
    return !bench_interrupted();
}

/* Loaded into a program with LD_PRELOAD: its call number $WEIR_FAIL_AT to the system fails, with
 * $WEIR_FAIL_STICKY every one from there on; with $WEIR_FAIL_MEMORY the same of allocations. What
 * failed, and at the end how many calls there were, goes to the file $WEIR_FAIL_REPORT. Calls of
 * the C library itself are not seen, and writes to stderr never fail. */
#include "tests/faults/fail_plan.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 128

static struct {
    pthread_once_t begun;
    long at; /* 0: nothing fails */
    bool sticky;
    bool memory;
    atomic_long count;
} plan = {.begun = PTHREAD_ONCE_INIT};

/* The C library's own; without a look-up, because look-ups allocate. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

/* --- the plan --- */

static void
report(long number, const char *name, int error)
{
    const char *path = getenv("WEIR_FAIL_REPORT");
    char line[LINE_SIZE];
    const int length = error == 0 ? snprintf(line, sizeof line, "%ld %s\n", number, name)
                                  : snprintf(line, sizeof line, "%ld %s %d\n", number, name, error);
    const int fd = path == NULL || length < 0 || length >= LINE_SIZE
                       ? -1
                       : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0) {
        (void)!write(fd, line, (size_t)length);
        close(fd);
    }
}

static void
begin(void)
{
    const char *at = getenv("WEIR_FAIL_AT");

    plan.sticky = getenv("WEIR_FAIL_STICKY") != NULL;
    plan.memory = getenv("WEIR_FAIL_MEMORY") != NULL;
    plan.at = at == NULL ? 0 : strtol(at, NULL, 10);
}

__attribute__((destructor)) static void
end(void)
{
    const long count = atomic_load(&plan.count);

    plan.at = 0;
    report(count, "calls", 0);
}

static bool
fails(const struct call *call)
{
    size_t errors = 0;
    long number;

    (void)pthread_once(&plan.begun, begin);
    if (plan.at == 0 && getenv("WEIR_FAIL_REPORT") == NULL) {
        return false;
    }
    number = atomic_fetch_add(&plan.count, 1) + 1;
    if (plan.at == 0 || number < plan.at || (number > plan.at && (!plan.sticky || call->once))) {
        return false;
    }
    while (errors < ERRORS_MAX && call->errors[errors] != 0) {
        errors++;
    }
    errno = call->errors[(size_t)plan.at % errors];
    if (number == plan.at) {
        const int error = errno;
        const long at = plan.at;

        plan.at = 0; /* the report itself is not to fail */
        report(number, call->name, error);
        plan.at = at;
        errno = error;
    }
    return true;
}

bool
call_fails(const struct call *call)
{
    (void)pthread_once(&plan.begun, begin);
    return !plan.memory && fails(call);
}

static bool
memory_fails(void)
{
    static const struct call call = {"malloc", {ENOMEM}, false};

    (void)pthread_once(&plan.begun, begin);
    return plan.memory && fails(&call);
}

void
find(const char *name, void *ret_function, size_t size)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (function == NULL) {
        abort();
    }
    memcpy(ret_function, &function, size);
}

/* --- memory --- */

EXPORT void *
malloc(size_t size)
{
    return memory_fails() ? NULL : __libc_malloc(size);
}

EXPORT void *
calloc(size_t count, size_t size)
{
    return memory_fails() ? NULL : __libc_calloc(count, size);
}

EXPORT void *
realloc(void *memory, size_t size)
{
    return memory_fails() ? NULL : __libc_realloc(memory, size);
}

EXPORT int
posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *memory = memory_fails() ? NULL : __libc_memalign(alignment, size);

    if (memory == NULL) {
        return ENOMEM;
    }
    *ret = memory;
    return 0;
}

#include "storage/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"

#define STAT_TEXT_SIZE     1024 /* /proc/PID/stat is about 350 bytes; the fields used come early */
#define FIELD_STATE        3    /* numbers of proc(5) */
#define FIELD_THREAD_COUNT 20
#define FIELD_START_TIME   22
#define BOOT_ID_DIGITS     8
#define DECIMAL            10

/* What /proc/PID/stat says about a process. */
struct process_status {
    int64_t pid;
    char state;
    int64_t thread_count;
    int64_t start_ticks;
};

/* Read a small file of /proc in one go; false leaves errno of the call that failed. */
static bool
read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;
    int code;

    if (fd < 0) {
        return false;
    }
    length = read(fd, text, size - 1);
    code = errno;
    close(fd);
    errno = code;
    if (length < 0) {
        return false;
    }
    text[length] = '\0';
    return true;
}

/* The start of field `wanted`, counted as proc(5) does; NULL if the text is too short. The second
 * field is the program's name in brackets and may hold anything, brackets and spaces too. */
static const char *
find_field(const char *text, int wanted)
{
    const char *place = strrchr(text, ')');
    int field = 2;

    while (place != NULL && field < wanted) {
        place = strchr(place, ' ');
        place = place == NULL ? NULL : place + 1;
        field++;
    }
    return place;
}

static bool
parse_status(const char *text, struct process_status *ret)
{
    const char *state = find_field(text, FIELD_STATE);
    const char *thread_count = find_field(text, FIELD_THREAD_COUNT);
    const char *start_time = find_field(text, FIELD_START_TIME);

    if (start_time == NULL) {
        return false;
    }
    ret->pid = strtoll(text, NULL, DECIMAL);
    ret->state = *state;
    ret->thread_count = strtoll(thread_count, NULL, DECIMAL);
    ret->start_ticks = strtoll(start_time, NULL, DECIMAL);
    return true;
}

static bool
read_status(int32_t pid, struct process_status *ret)
{
    char path[64];
    char text[STAT_TEXT_SIZE];

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return read_text(path, text, sizeof text) && parse_status(text, ret);
}

/* The calling process. False also where /proc belongs to another pid namespace: its numbers would
 * mean other processes. */
static bool
read_own_status(int32_t pid, struct process_status *ret)
{
    char text[STAT_TEXT_SIZE];

    return read_text("/proc/self/stat", text, sizeof text) && parse_status(text, ret) &&
           ret->pid == pid;
}

static bool
read_boot_id(char ret[BOOT_ID_DIGITS + 1])
{
    char text[64];

    if (!read_text("/proc/sys/kernel/random/boot_id", text, sizeof text) ||
        strspn(text, "0123456789abcdef") < BOOT_ID_DIGITS) {
        return false;
    }
    memcpy(ret, text, BOOT_ID_DIGITS);
    ret[BOOT_ID_DIGITS] = '\0';
    return true;
}

enum weir_error
wi_process_self(struct wi_process *ret)
{
    struct wi_process self = {.pid = (int32_t)getpid()};
    struct process_status status;

    if (!read_boot_id(self.boot_id) || !read_own_status(self.pid, &status)) {
        return WEIR_EPLATFORM;
    }
    self.start_ticks = status.start_ticks;
    *ret = self;
    return WEIR_OK;
}

/* A process whose first thread has ended shows as a zombie although other threads still run; only
 * when none is left may its leases move. */
static bool
runs_no_code(const struct process_status *status)
{
    return status->state == 'X' || (status->state == 'Z' && status->thread_count <= 1);
}

enum wi_process_state
wi_process_look(const struct wi_process *process)
{
    char boot_id[BOOT_ID_DIGITS + 1];
    struct process_status status;

    if (process->pid <= 0) {
        return WI_PROCESS_GONE;
    }
    if (!read_boot_id(boot_id)) {
        return WI_PROCESS_UNKNOWN;
    }
    if (strcmp(boot_id, process->boot_id) != 0) {
        return WI_PROCESS_GONE;
    }
    if (!read_status(process->pid, &status)) {
        /* A /proc mounted with hidepid hides live processes too: kill() has the last word. */
        return kill(process->pid, 0) != 0 && errno == ESRCH ? WI_PROCESS_GONE : WI_PROCESS_UNKNOWN;
    }
    if (status.start_ticks != process->start_ticks || runs_no_code(&status)) {
        return WI_PROCESS_GONE;
    }
    return status.state == 'T' ? WI_PROCESS_STOPPED : WI_PROCESS_RUNNING;
}

size_t
wi_owner_format(
    struct weir_str name,
    const struct wi_process *process,
    uint64_t random,
    char text[WEIR_OWNER_SIZE])
{
    int length;

    WEIR_ASSERT(name.length <= WEIR_NAME_MAX);
    WEIR_ASSERT(process->pid > 0 && process->start_ticks >= 0);
    length = snprintf(
        text,
        WEIR_OWNER_SIZE,
        "%.*s@%s-%d-%lld-%016llx",
        (int)name.length,
        name.data == NULL ? "" : name.data,
        process->boot_id,
        (int)process->pid,
        (long long)process->start_ticks,
        (unsigned long long)random);
    WEIR_ASSERT(length > 0 && length < WEIR_OWNER_SIZE);
    return (size_t)length;
}

/* Index of the last '@', or the length of the text. */
static size_t
find_last_at(struct weir_str owner)
{
    for (size_t i = owner.length; i > 0; i--) {
        if (owner.data[i - 1] == '@') {
            return i - 1;
        }
    }
    return owner.length;
}

/* Read a decimal number of [0, max] and the '-' behind it; moves *place on. */
static bool
take_number(const char **place, int64_t max, int64_t *ret)
{
    const char *digit = *place;
    int64_t value = 0;

    for (; *digit >= '0' && *digit <= '9'; digit++) {
        int64_t next = *digit - '0';

        if (value > (max - next) / DECIMAL) {
            return false;
        }
        value = value * DECIMAL + next;
    }
    if (digit == *place || *digit != '-') {
        return false;
    }
    *ret = value;
    *place = digit + 1;
    return true;
}

/* Read "BOOT-PID-START-RANDOM". */
static bool
parse_identity(const char *text, struct wi_process *ret)
{
    static const char hex[] = "0123456789abcdef";
    const char *place = text + BOOT_ID_DIGITS + 1;
    int64_t pid = 0;
    int64_t start_ticks = 0;

    if (strspn(text, hex) != BOOT_ID_DIGITS || text[BOOT_ID_DIGITS] != '-' ||
        !take_number(&place, INT32_MAX, &pid) || pid == 0 ||
        !take_number(&place, INT64_MAX, &start_ticks)) {
        return false;
    }
    if (strspn(place, hex) != 2 * sizeof(uint64_t) || place[2 * sizeof(uint64_t)] != '\0') {
        return false;
    }
    memcpy(ret->boot_id, text, BOOT_ID_DIGITS);
    ret->boot_id[BOOT_ID_DIGITS] = '\0';
    ret->pid = (int32_t)pid;
    ret->start_ticks = start_ticks;
    return true;
}

enum weir_error
wi_owner_process(struct weir_str owner, struct wi_process *ret)
{
    size_t at = find_last_at(owner);
    char text[WEIR_OWNER_SIZE];
    size_t length;

    if (at == owner.length || owner.length >= WEIR_OWNER_SIZE) {
        return WEIR_EINVAL;
    }
    length = owner.length - at - 1;
    memcpy(text, owner.data + at + 1, length);
    text[length] = '\0';
    return parse_identity(text, ret) ? WEIR_OK : WEIR_EINVAL;
}

struct weir_str
wi_owner_name(struct weir_str owner)
{
    struct wi_process process;

    if (wi_owner_process(owner, &process) == WEIR_OK) {
        owner.length = find_last_at(owner);
    }
    return owner;
}

enum weir_error
wi_process_open_fd(const struct wi_process *process, int *ret_fd)
{
    int fd;

    if (process->pid <= 0) {
        return WEIR_ENOTFOUND;
    }
    fd = (int)syscall(SYS_pidfd_open, (pid_t)process->pid, 0U);
    if (fd < 0) {
        switch (errno) {
        case ESRCH:
            return WEIR_ENOTFOUND;
        case EMFILE:
        case ENFILE:
            return WEIR_ELIMIT;
        case ENOMEM:
            return WEIR_ENOMEM;
        default:
            return WEIR_EPLATFORM; /* ENOSYS, or a filter that forbids the call */
        }
    }
    /* Looked at after the open: the number may have gone to another process before it. */
    if (wi_process_look(process) == WI_PROCESS_GONE) {
        close(fd);
        return WEIR_ENOTFOUND;
    }
    *ret_fd = fd;
    return WEIR_OK;
}

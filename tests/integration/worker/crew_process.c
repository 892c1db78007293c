#include "tests/integration/worker/crew_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/weir_test.h"

#define ARGUMENTS_MAX 32U
#define TEXT_SIZE     1200U
#define KIND_END      0U
#define KIND_MARK     UINT32_MAX

/* --- journals of children --- */

static void *
read_journals(void *argument)
{
    struct crew *crew = argument;
    struct crew_entry entry;

    while (read(crew->pipe[0], &entry, sizeof entry) == (ssize_t)sizeof entry) {
        if (entry.kind == KIND_END) {
            break;
        }
        if (entry.kind == KIND_MARK) {
            pthread_mutex_lock(&crew->lock);
            crew->marks++;
            pthread_cond_broadcast(&crew->changed);
            pthread_mutex_unlock(&crew->lock);
        } else {
            crew_add_entry(crew, &entry);
        }
    }
    return NULL;
}

static bool
marks_are_read(struct crew *crew, void *context)
{
    const size_t *wanted = context;
    bool are_read = false;

    pthread_mutex_lock(&crew->lock);
    are_read = crew->marks >= *wanted;
    pthread_mutex_unlock(&crew->lock);
    return are_read;
}

/* What children that have ended wrote stands before a mark that is written now. */
static void
read_to_the_end(struct crew *crew)
{
    const struct crew_entry mark = {.kind = KIND_MARK};
    size_t wanted = ++crew->marks_written;

    assert_int_equal(write(crew->pipe[1], &mark, sizeof mark), sizeof mark);
    crew_wait(crew, marks_are_read, &wanted);
}

void
crew_processes_open(struct crew *crew)
{
    assert_int_equal(pipe2(crew->pipe, O_CLOEXEC), 0);
    assert_int_equal(pipe2(crew->gate, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&crew->reader, NULL, read_journals, crew), 0);
}

void
crew_processes_close(struct crew *crew)
{
    const struct crew_entry end = {.kind = KIND_END};

    assert_int_equal(write(crew->pipe[1], &end, sizeof end), sizeof end);
    assert_int_equal(pthread_join(crew->reader, NULL), 0);
    close(crew->pipe[0]);
    close(crew->pipe[1]);
    close(crew->gate[0]);
}

/* --- processes --- */

/* The program beside the test program. */
static void
child_path(char path[TEXT_SIZE])
{
    ssize_t length = readlink("/proc/self/exe", path, TEXT_SIZE - 32);
    char *slash;

    assert_true(length > 0);
    path[length] = '\0';
    slash = strrchr(path, '/');
    assert_non_null(slash);
    (void)snprintf(slash, 32, "/crew_child");
}

static void
exec_child(struct crew *crew, char *const *arguments)
{
    /* Descriptors 3 and 4 of the child: its journal, its gate. */
    if (dup2(crew->pipe[1], 3) != 3 || dup2(crew->gate[0], 4) != 4) {
        _exit(126);
    }
    (void)fcntl(3, F_SETFD, 0);
    (void)fcntl(4, F_SETFD, 0);
    (void)execv(arguments[0], arguments);
    _exit(127);
}

pid_t
crew_spawn(struct crew *crew, uint32_t number, const char *const *arguments)
{
    char texts[4][TEXT_SIZE];
    char *list[ARGUMENTS_MAX + 1] = {texts[0], texts[1], texts[2], texts[3]};
    size_t count = 4;
    pid_t pid;

    child_path(texts[0]);
    (void)snprintf(texts[1], TEXT_SIZE, "%u", number);
    (void)snprintf(texts[2], TEXT_SIZE, "data_directory=%s", crew->dir.path);
    (void)snprintf(texts[3], TEXT_SIZE, "worker_id=w%u", number);
    for (; *arguments != NULL; arguments++) {
        assert_true(count < ARGUMENTS_MAX);
        list[count] = strdup(*arguments);
        assert_non_null(list[count++]);
    }
    /* The child may only call what signal handlers may: threads of ours hold locks. */
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        exec_child(crew, list);
    }
    for (size_t i = 4; i < count; i++) {
        free(list[i]);
    }
    return pid;
}

struct ending {
    pid_t pid;
    int status;
};

static bool
has_ended(struct crew *crew, void *context)
{
    struct ending *ending = context;
    pid_t pid = waitpid(ending->pid, &ending->status, WNOHANG);

    (void)crew;
    assert_true(pid >= 0);
    return pid == ending->pid;
}

int
crew_reap(struct crew *crew, pid_t pid)
{
    struct ending ending = {pid, 0};

    crew_wait(crew, has_ended, &ending);
    read_to_the_end(crew);
    return ending.status;
}

void
crew_kill(struct crew *crew, pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)crew_reap(crew, pid);
}

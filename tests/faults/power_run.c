#include "tests/faults/power_run.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/app.h>

#include "tests/faults/disk_log.h"
#include "tests/support/weir_test.h"

#define SEEN_MAX   4096U
#define SEEN_EVERY 5U /* puts between two looks at the application */
#define WORDS_MAX  16U
#define NOT_A_PIPE (-1)
#define TRIES      3000 /* to see the application for the first time */
#define TRY_US     10000

extern char **environ;

/* A program that is running, with the ends of its pipes. */
struct program {
    pid_t pid;
    int in;
    int out;
};

static const char *
weir(void)
{
    const char *path = getenv("WEIR_BINARY");

    assert_non_null(path);
    return path;
}

static void
start(const struct power_run *run, const char *const *words, bool with_pipes, struct program *ret)
{
    const char *all[WORDS_MAX] = {weir()};
    char *arguments[WORDS_MAX];
    posix_spawn_file_actions_t actions;
    int in[2] = {NOT_A_PIPE, NOT_A_PIPE};
    int out[2] = {NOT_A_PIPE, NOT_A_PIPE};
    size_t count = 1;

    while (words[count - 1] != NULL) {
        all[count] = words[count - 1];
        count++;
    }
    all[count++] = "--data";
    all[count++] = run->data;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (with_pipes) {
        assert_int_equal(pipe(in), 0);
        assert_int_equal(pipe(out), 0);
        assert_int_equal(fcntl(in[1], F_SETFD, FD_CLOEXEC), 0);
        assert_int_equal(fcntl(out[0], F_SETFD, FD_CLOEXEC), 0);
        (void)posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
        (void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    } else {
        (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    memcpy(arguments, all, sizeof all); /* posix_spawn(3) does not change them */
    assert_int_equal(posix_spawn(&ret->pid, all[0], &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    if (with_pipes) {
        close(in[0]);
        close(out[1]);
    }
    ret->in = in[1];
    ret->out = out[0];
}

static void
expect_success(struct program *program)
{
    int status = -1;

    if (program->in != NOT_A_PIPE) {
        close(program->in);
        close(program->out);
    }
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
run_weir(const struct power_run *run, const char *const *words)
{
    struct program program;

    start(run, words, false, &program);
    expect_success(&program);
}

static void
note(const struct power_run *run, enum power_note what, uint64_t number)
{
    const struct disk_entry entry = {.event = DISK_NOTE, .at = what, .size = number};
    const int fd = open(run->log, O_WRONLY | O_APPEND | O_CLOEXEC);

    assert_int_equal(write(fd, &entry, sizeof entry), sizeof entry);
    close(fd);
}

/* What the table says of the application now; false if there is none yet. */
static bool
look(struct power_run *run)
{
    struct weir_app_description found = {.shards = NULL};
    struct power_seen *seen = &run->seen[run->seen_count];

    if (weir_app_describe(weir_env_default(), run->data, "a", &found, NULL) != WEIR_OK) {
        return false;
    }
    assert_true(run->seen_count < SEEN_MAX && found.shard_count <= POWER_SHARDS_MAX);
    seen->count = found.shard_count;
    for (size_t i = 0; i < found.shard_count; i++) {
        memcpy(seen->shard_id[i], found.shards[i].shard_id, WEIR_NAME_SIZE);
        seen->checkpoint[i] = found.shards[i].checkpoint;
    }
    weir_app_description_free(weir_env_default(), &found);
    run->seen_count++;
    return true;
}

size_t
power_fill(char data[POWER_DATA_MAX], unsigned put)
{
    const int length = snprintf(data, POWER_DATA_MAX, "%u:", put);
    const size_t size = (size_t)length + put * 997 % (POWER_DATA_MAX - 20);

    memset(data + length, 'a' + (int)(put % 26), size - (size_t)length);
    return size;
}

static void
put_one(const struct power_run *run, struct program *put, unsigned number)
{
    char line[POWER_DATA_MAX + 1];
    const size_t size = power_fill(line, number);
    char answer = '\0';

    line[size] = '\n';
    note(run, POWER_ISSUED, number + 1);
    assert_int_equal(write(put->in, line, size + 1), size + 1);
    while (answer != '\n') {
        assert_int_equal(read(put->out, &answer, 1), 1);
    }
    note(run, POWER_PUT, number + 1);
}

static void
work(struct power_run *run, unsigned puts)
{
    struct program put;

    start(
        run,
        (const char *const[]){"put", "s", "--json", "--key-field", "1", "--delimiter", ":", NULL},
        true,
        &put);
    for (unsigned i = 0; i < puts; i++) {
        put_one(run, &put, i);
        if (i % SEEN_EVERY == 0 && look(run)) {
            note(run, POWER_SEEN, run->seen_count - 1);
        }
        if (i == puts / 2) {
            run_weir(
                run, (const char *const[]){"stream", "split", "s", "shardId-000000000000", NULL});
            note(run, POWER_SPLIT, 0);
        }
    }
    expect_success(&put);
}

static void
prepare(struct power_run *run)
{
    const char *shim = getenv("WEIR_DISK_SHIM");
    char *path = NULL;
    int fd;

    *run = (struct power_run){.seen = calloc(SEEN_MAX, sizeof *run->seen)};
    assert_true(run->seen != NULL && shim != NULL);
    test_dir_make(&run->dir);
    path = realpath(run->dir.path, NULL);
    assert_non_null(path);
    assert_true(strlen(path) + 8 < sizeof run->data);
    (void)snprintf(run->data, sizeof run->data, "%.1000s/data", path);
    (void)snprintf(run->log, sizeof run->log, "%.1000s/log", path);
    free(path);
    assert_int_equal(mkdir(run->data, 0700), 0);
    fd = open(run->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(setenv(DISK_LOG_FILE, run->log, 1), 0);
    assert_int_equal(setenv(DISK_LOG_ROOT, run->data, 1), 0);
    assert_int_equal(setenv("LD_PRELOAD", shim, 1), 0);
}

void
power_run(struct power_run *run, unsigned puts)
{
    struct program worker;
    int tries = 0;

    prepare(run);
    run_weir(run, (const char *const[]){"stream", "create", "s", "--shards", "2", NULL});
    note(run, POWER_CREATED, 0);
    start(
        run,
        (const char *const[]){"worker",
                              "--app",
                              "a",
                              "--stream",
                              "s",
                              "--print",
                              "--id",
                              "w",
                              "--lease-duration",
                              "4s",
                              NULL},
        false,
        &worker);
    while (!look(run) && tries++ < TRIES) {
        usleep(TRY_US);
    }
    work(run, puts);
    assert_int_equal(kill(worker.pid, SIGTERM), 0);
    expect_success(&worker);
    assert_true(look(run));
    note(run, POWER_DRAINED, run->seen_count - 1);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
}

void
power_run_free(struct power_run *run)
{
    free(run->seen);
    test_dir_remove(&run->dir);
}

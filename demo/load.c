/* Where the package index comes from: a file, apt or dpkg. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/types.h>

#include "cli/cli.h"
#include "cli/line_reader.h"
#include "cli/output.h"
#include "demo/packages.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
/* Room for the system's words about an errno. */
#define ERRNO_TEXT 128

/* Use up the lines that are in memory. */
static enum line_found
take_lines(
    struct line_reader *reader,
    struct demo_index *index,
    struct demo_stanza *stanza,
    bool *ret_no_memory)
{
    for (;;) {
        struct weir_bytes line;
        const enum line_found found = cli_lines_next(reader, &line);
        if (found == LINE_MORE || found == LINE_END) {
            return found;
        }
        if (found == LINE_TOO_LONG) {
            stanza->has_lines = true;
        } else if (!demo_packages_line(index, stanza, line)) {
            *ret_no_memory = true;
            return LINE_END;
        }
    }
}

/* Read stanzas until the input ends; 0 or an errno value. */
static int
read_stanzas(struct demo_index *index, int fd)
{
    struct line_reader reader;
    struct demo_stanza stanza = {.has_lines = false};
    bool no_memory = false;
    int error = 0;

    if (!cli_lines_open(&reader, fd, DEMO_LINE_MAX)) {
        return ENOMEM;
    }
    while (error == 0 && take_lines(&reader, index, &stanza, &no_memory) == LINE_MORE) {
        error = cli_stopped() ? EINTR : cli_lines_fill(&reader);
    }
    if (error == 0 && (no_memory || !demo_packages_end(index, &stanza))) {
        error = ENOMEM;
    }
    cli_lines_close(&reader);
    return error;
}

/* In the child: become apt-cache, its complaints unheard. */
static void
become_apt(int output)
{
    char name[] = "apt-cache";
    char action[] = "dumpavail";
    char *argv[] = {name, action, NULL};
    const int null = open("/dev/null", O_RDWR);

    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(null, STDERR_FILENO) >= 0) {
        (void)execvp(name, argv);
    }
    _exit(127);
}

static bool
has_succeeded(pid_t pid)
{
    int status = 0;
    pid_t waited;

    do {
        waited = waitpid(pid, &status, 0);
    } while (waited == -1 && errno == EINTR);
    return waited == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What apt knows. Anything but a whole answer with packages in it counts as none. */
static bool
read_apt(struct demo_index *index)
{
    int ends[2];
    pid_t pid;
    int error;
    bool whole;

    if (pipe(ends) != 0) {
        return false;
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid = fork();
    if (pid == 0) {
        become_apt(ends[1]);
    }
    (void)close(ends[1]);
    error = pid < 0 ? errno : read_stanzas(index, ends[0]);
    (void)close(ends[0]);
    if (pid > 0 && error != 0) {
        (void)kill(pid, SIGKILL);
    }
    whole = pid > 0 && has_succeeded(pid);
    return whole && error == 0 && index->count > 0;
}

static int
read_file(struct demo_index *index, const char *file)
{
    char text[ERRNO_TEXT];
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : read_stanzas(index, fd);

    if (fd >= 0) {
        (void)close(fd);
    }
    if (error != 0) {
        return cli_fail(
            "demo: package index '%s': %s: name another one with --packages",
            file,
            cli_errno_text(error, text, sizeof text));
    }
    if (index->count == 0) {
        return cli_fail(
            "demo: package index '%s': no stanza with a usable 'Package:' line: use the format of "
            "`apt-cache dumpavail`",
            file);
    }
    return CLI_OK;
}

static int
fill(struct demo_index *index, const char *file)
{
    if (file != NULL) {
        index->source = file;
        return read_file(index, file);
    }
    if (read_apt(index)) {
        index->source = "apt-cache dumpavail";
        return CLI_OK;
    }
    demo_packages_free(index);
    if (cli_stopped()) {
        return CLI_OK;
    }
    index->source = DPKG_STATUS;
    return read_file(index, DPKG_STATUS);
}

int
demo_packages_load(struct demo_index *index, const char *file)
{
    const int status = fill(index, file);

    if (status == CLI_OK && !demo_packages_seal(index)) {
        return cli_fail("demo: no memory for the package index");
    }
    return status;
}

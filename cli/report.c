/* Lines about failures: one each, whatever the names in them contain. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/version.h>

#include "cli/cli.h"

#define LINE_SIZE  2048
#define ERRNO_SIZE 128

static void write_line(const char *prefix, const char *format, va_list arguments) WEIR_PRINTF(2, 0);

/* A name with a line end or an escape sequence in it must not forge a second line. */
static void
write_line(const char *prefix, const char *format, va_list arguments)
{
    char line[LINE_SIZE];

    (void)vsnprintf(line, sizeof line, format, arguments);
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    (void)fprintf(stderr, "weir: %s%s\n", prefix, line);
}

int
cli_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("", format, arguments);
    va_end(arguments);
    return CLI_FAILED;
}

int
cli_usage(const char *command, const char *format, ...)
{
    char text[LINE_SIZE / 2];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)cli_fail(
        "%s%s%s (see `weir%s%s --help`)",
        command,
        *command == '\0' ? "" : ": ",
        text,
        *command == '\0' ? "" : " ",
        command);
    return CLI_USAGE;
}

void
cli_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("warning: ", format, arguments);
    va_end(arguments);
}

int
cli_fail_error(enum weir_error error, const struct weir_detail *detail, const char *what)
{
    if (detail != NULL && detail->text[0] != '\0') {
        return cli_fail("%s", detail->text);
    }
    return cli_fail("%s: %s (%s)", what, weir_error_text(error), weir_error_name(error));
}

int
cli_fail_stream(
    const struct cli *cli,
    enum weir_error error,
    const struct weir_detail *detail,
    const char *stream)
{
    char what[WEIR_DETAIL_SIZE];
    const char *name = strncmp(stream, "weir:", 5) == 0 ? stream + 5 : stream;

    if (cli_stream_is_kinesis(stream)) {
        (void)snprintf(what, sizeof what, "stream '%s'", name);
        return cli_fail_error(error, detail, what);
    }
    if (error == WEIR_ENOTFOUND) {
        return cli_fail(
            "stream '%s' does not exist in %s: create it with `weir stream create %s`",
            name,
            cli->data,
            name);
    }
    (void)snprintf(what, sizeof what, "stream '%s' in %s", name, cli->data);
    return cli_fail_error(error, detail, what);
}

int
cli_fail_stdout(int error_number)
{
    char text[ERRNO_SIZE];

    return cli_fail(
        "cannot write to stdout: %s: the output is not complete",
        cli_errno_text(error_number, text, sizeof text));
}

const char *
cli_errno_text(int error_number, char *text, size_t size)
{
    if (strerror_r(error_number, text, size) != 0) {
        (void)snprintf(text, size, "error %d", error_number);
    }
    return text;
}

int
cli_finish_stdout(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return status;
    }
    /* Whoever closed the pipe has seen enough. */
    return errno == EPIPE ? status : cli_fail_stdout(errno == 0 ? EIO : errno);
}

#include "cli/living.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/types.h>

#include "cli/cli.h"

/* Applications by name: while they are listed they cannot be described. */
struct application {
    struct application *next;
    char name[WEIR_NAME_SIZE];
};

struct application_list {
    struct application *first;
    bool failed; /* memory ran out */
};

const char *
cli_living_worker(const struct weir_app_description *description)
{
    for (size_t i = 0; i < description->worker_count; i++) {
        if (description->workers[i].alive) {
            return description->workers[i].worker_id;
        }
    }
    return NULL;
}

static void
add_application(void *context, const char *name)
{
    struct application_list *list = context;
    struct application *application = malloc(sizeof *application);

    if (application == NULL) {
        list->failed = true;
        return;
    }
    (void)snprintf(application->name, sizeof application->name, "%s", name);
    application->next = list->first;
    list->first = application;
}

static void
free_applications(struct application_list *list)
{
    while (list->first != NULL) {
        struct application *next = list->first->next;
        free(list->first);
        list->first = next;
    }
}

/* Whether a URL names the stream, which descriptions have without scheme and options. */
static bool
is_stream(const char *described, const char *url)
{
    static const char *const schemes[] = {"weir:", "kinesis:"};
    size_t length;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
            url += strlen(schemes[i]);
            break;
        }
    }
    length = strcspn(url, "?");
    return strlen(described) == length && strncmp(described, url, length) == 0;
}

/* Whether a living worker of the application reads the stream. */
static bool
application_reads(
    const struct cli *cli,
    const char *application,
    const char *stream,
    struct cli_stream_reader *ret)
{
    struct weir_app_description description = {.shards = NULL};
    struct weir_detail detail = {""};
    const char *worker_id = NULL;
    const enum weir_error error =
        weir_app_describe(cli->env, cli->data, application, &description, &detail);

    if (error != WEIR_OK) {
        if (error != WEIR_ENOTFOUND) {
            cli_warn(
                "whether workers of application '%s' read the stream is not known: %s",
                application,
                *detail.text == '\0' ? weir_error_text(error) : detail.text);
        }
        return false;
    }
    if (is_stream(description.stream, stream)) {
        worker_id = cli_living_worker(&description);
    }
    if (worker_id != NULL) {
        (void)snprintf(ret->application, sizeof ret->application, "%s", application);
        (void)snprintf(ret->worker_id, sizeof ret->worker_id, "%s", worker_id);
    }
    weir_app_description_free(cli->env, &description);
    return worker_id != NULL;
}

bool
cli_stream_is_read(const struct cli *cli, const char *stream, struct cli_stream_reader *ret)
{
    struct application_list list = {NULL, false};
    struct weir_detail detail = {""};
    bool found = false;
    enum weir_error error = weir_app_list(cli->env, cli->data, add_application, &list, &detail);

    if (error == WEIR_OK && list.failed) {
        error = WEIR_ENOMEM;
    }
    if (error != WEIR_OK) {
        cli_warn(
            "whether workers read the stream is not known: %s",
            *detail.text == '\0' ? weir_error_text(error) : detail.text);
    }
    for (const struct application *a = list.first; a != NULL && !found; a = a->next) {
        found = application_reads(cli, a->name, stream, ret);
    }
    free_applications(&list);
    return found;
}

#include "cli/app_show.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/json_tree.h"
#include "cli/output.h"

static bool
add_worker(cJSON *workers, const struct weir_app_worker *worker)
{
    cJSON *object = cli_json_append_object(workers);

    return object != NULL &&
           cJSON_AddStringToObject(object, "worker_id", worker->worker_id) != NULL &&
           cli_json_add_integer(object, "pid", worker->pid) &&
           cli_json_add_integer(object, "leases", (int64_t)worker->leases) &&
           cJSON_AddBoolToObject(object, "draining", worker->draining) != NULL &&
           cJSON_AddBoolToObject(object, "alive", worker->alive) != NULL;
}

/* A lag that is not known is null. */
static bool
add_behind(cJSON *object, int64_t millis_behind_latest)
{
    static const char name[] = "millis_behind_latest";

    return millis_behind_latest < 0 ? cJSON_AddNullToObject(object, name) != NULL
                                    : cli_json_add_integer(object, name, millis_behind_latest);
}

static bool
add_shard(cJSON *shards, const struct weir_app_shard *shard)
{
    char checkpoint[WEIR_POSITION_SIZE];
    cJSON *object = cli_json_append_object(shards);

    return object != NULL && cJSON_AddStringToObject(object, "shard_id", shard->shard_id) != NULL &&
           cJSON_AddStringToObject(object, "state", weir_shard_state_name(shard->state)) != NULL &&
           cJSON_AddStringToObject(object, "owner", shard->owner) != NULL &&
           cli_json_add_integer(object, "lease_epoch", (int64_t)shard->lease_epoch) &&
           cJSON_AddStringToObject(
               object, "checkpoint", cli_format_checkpoint(&shard->checkpoint, checkpoint)) !=
               NULL &&
           add_behind(object, shard->millis_behind_latest);
}

int
cli_app_show_json(const char *application, const struct weir_app_description *description)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list;
    bool whole = cJSON_AddStringToObject(root, "app", application) != NULL &&
                 cJSON_AddStringToObject(root, "stream", description->stream) != NULL &&
                 cJSON_AddStringToObject(root, "leader", description->leader) != NULL &&
                 cli_json_add_integer(root, "lease_duration_ms", description->lease_duration_ms) &&
                 cli_json_add_integer(root, "failover_bound_ms", description->failover_bound_ms) &&
                 cli_json_add_integer(root, "damaged_rows", (int64_t)description->damaged_rows);

    list = cJSON_AddArrayToObject(root, "workers");
    for (size_t i = 0; whole && i < description->worker_count; i++) {
        whole = add_worker(list, &description->workers[i]);
    }
    list = cJSON_AddArrayToObject(root, "shards");
    for (size_t i = 0; whole && i < description->shard_count; i++) {
        whole = add_shard(list, &description->shards[i]);
    }
    return cli_json_print(root, whole && list != NULL);
}

static bool
show_workers(const struct weir_app_description *description)
{
    struct table table = {.columns = 4};

    cli_table_add(&table, (const char *const[]){"WORKER", "PID", "LEASES", "STATE"});
    for (size_t i = 0; i < description->worker_count; i++) {
        const struct weir_app_worker *worker = &description->workers[i];
        char pid[CLI_VALUE_SIZE];
        char leases[CLI_VALUE_SIZE];
        const char *state = !worker->alive ? "gone" : worker->draining ? "draining" : "alive";
        (void)snprintf(pid, sizeof pid, "%d", (int)worker->pid);
        (void)cli_format_count(worker->leases, leases);
        cli_table_add(&table, (const char *const[]){worker->worker_id, pid, leases, state});
    }
    return cli_table_print(&table);
}

static bool
show_shards(const struct weir_app_description *description)
{
    struct table table = {.columns = 6};

    cli_table_add(
        &table,
        (const char *const[]){"SHARD", "STATE", "OWNER", "LEASE EPOCH", "BEHIND", "CHECKPOINT"});
    for (size_t i = 0; i < description->shard_count; i++) {
        const struct weir_app_shard *shard = &description->shards[i];
        char epoch[CLI_VALUE_SIZE];
        char behind[CLI_VALUE_SIZE] = "";
        char checkpoint[WEIR_POSITION_SIZE];
        (void)snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)shard->lease_epoch);
        if (shard->millis_behind_latest >= 0) {
            (void)cli_format_duration(shard->millis_behind_latest, behind);
        }
        (void)cli_format_checkpoint(&shard->checkpoint, checkpoint);
        cli_table_add(
            &table,
            (const char *const[]){shard->shard_id,
                                  weir_shard_state_name(shard->state),
                                  shard->owner,
                                  epoch,
                                  behind,
                                  checkpoint});
    }
    return cli_table_print(&table);
}

int
cli_app_show(
    const char *application,
    const struct weir_app_description *description,
    bool workers,
    bool shards)
{
    char duration[CLI_VALUE_SIZE];
    char bound[CLI_VALUE_SIZE];
    bool whole = true;

    if (workers && shards) {
        printf(
            "application %s reads stream %s\nleader %s, lease duration %s, failover bound %s\n\n",
            application,
            description->stream,
            description->leader[0] == '\0' ? "-" : description->leader,
            cli_format_duration(description->lease_duration_ms, duration),
            cli_format_duration(description->failover_bound_ms, bound));
    }
    if (workers) {
        whole = show_workers(description);
    }
    if (workers && shards) {
        printf("\n");
    }
    if (shards) {
        whole = show_shards(description) && whole;
    }
    return whole ? CLI_OK : cli_fail_error(WEIR_ENOMEM, NULL, application);
}

static int
show_reset_json(
    const char *application,
    const struct weir_app_description *description,
    const char *to,
    bool executed)
{
    cJSON *root = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(root, "app", application) != NULL &&
                 cJSON_AddStringToObject(root, "to", to) != NULL &&
                 cJSON_AddBoolToObject(root, "executed", executed) != NULL;
    cJSON *shards = cJSON_AddArrayToObject(root, "shards");

    for (size_t i = 0; whole && i < description->shard_count; i++) {
        char checkpoint[WEIR_POSITION_SIZE];
        const struct weir_app_shard *shard = &description->shards[i];
        cJSON *object = cli_json_append_object(shards);
        whole = object != NULL &&
                cJSON_AddStringToObject(object, "shard_id", shard->shard_id) != NULL &&
                cJSON_AddStringToObject(
                    object, "checkpoint", cli_format_checkpoint(&shard->checkpoint, checkpoint)) !=
                    NULL;
    }
    return cli_json_print(root, whole && shards != NULL);
}

int
cli_app_show_reset(
    const struct cli *cli,
    const char *application,
    const struct weir_app_description *description,
    const struct weir_position *to,
    bool executed)
{
    struct table table = {.columns = 3};
    char position[WEIR_POSITION_SIZE];

    (void)weir_position_format(to, position);
    if (cli->json) {
        return show_reset_json(application, description, position, executed);
    }
    printf(
        executed ? "application %s has been reset\n\n"
                 : "application %s would be reset; --execute does it\n\n",
        application);
    cli_table_add(&table, (const char *const[]){"SHARD", executed ? "WAS" : "CHECKPOINT", "TO"});
    for (size_t i = 0; i < description->shard_count; i++) {
        char checkpoint[WEIR_POSITION_SIZE];
        const struct weir_app_shard *shard = &description->shards[i];
        (void)cli_format_checkpoint(&shard->checkpoint, checkpoint);
        cli_table_add(&table, (const char *const[]){shard->shard_id, checkpoint, position});
    }
    return cli_table_print(&table) ? CLI_OK : cli_fail_error(WEIR_ENOMEM, NULL, application);
}

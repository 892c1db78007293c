#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_client_state.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/sigv4.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/str.h"

/* Where the headers' values stand in the arena while it may still move. */
struct arena_texts {
    size_t target;
    size_t date;
    size_t token;
    size_t authorization;
    const char *content_type; /* not in the arena */
    bool has_token;
};

static size_t
arena_add(struct wi_buffer *arena, const char *text)
{
    size_t at = arena->length;

    wi_buffer_append(arena, text, strlen(text) + 1);
    return at;
}

static void
add(struct wi_aws_signed *to, const char *name, const char *value)
{
    to->headers[to->count++] = (struct wi_http_header){name, value};
}

static void
list_headers(
    const struct wi_aws_client *client,
    const struct wi_buffer *arena,
    const struct arena_texts *texts,
    struct wi_aws_signed *ret)
{
    ret->count = 0;
    add(ret, "Host", client->host);
    add(ret, "Content-Type", texts->content_type);
    add(ret, "X-Amz-Target", arena->data + texts->target);
    add(ret, "X-Amz-Date", arena->data + texts->date);
    if (texts->has_token) {
        add(ret, "X-Amz-Security-Token", arena->data + texts->token);
    }
}

/* The signing key is derived once a day; several threads may do it at once, to the same end. */
static enum weir_error
authorize(
    struct wi_aws_client *client,
    const struct wi_sigv4_request *request,
    const struct wi_sigv4_scope *scope,
    struct wi_buffer *arena)
{
    struct wi_sigv4_key key;
    enum weir_error error;

    (void)pthread_mutex_lock(&client->mutex);
    key = client->key;
    (void)pthread_mutex_unlock(&client->mutex);
    /* All that reads the arena is done before anything is appended to it. */
    error = wi_sigv4_authorization(request, scope, &key, arena);
    wi_buffer_append(arena, "", 1);
    if (error == WEIR_OK) {
        (void)pthread_mutex_lock(&client->mutex);
        client->key = key;
        (void)pthread_mutex_unlock(&client->mutex);
        error = wi_buffer_error(arena);
    }
    wi_sigv4_key_wipe(&key);
    return error;
}

enum weir_error
wi_aws_sign_with(
    struct wi_aws_client *client,
    const struct wi_aws_credentials *credentials,
    const struct wi_aws_message *message,
    struct wi_buffer *arena,
    struct wi_aws_signed *ret)
{
    struct wi_sigv4_scope scope = {
        .key_id = credentials->key_id,
        .secret = credentials->secret,
        .region = client->region,
        .service = client->service,
    };
    struct arena_texts texts = {
        .content_type =
            message->content_type != NULL ? message->content_type : client->content_type,
        .has_token = credentials->token[0] != '\0'};
    struct wi_sigv4_request request = {
        .method = "POST", .path = client->path, .headers = ret->headers, .payload = message->body};
    enum weir_error error;

    wi_sigv4_time(wi_wall_now(client->env).ms + atomic_load(&client->skew_ms), scope.time);
    wi_buffer_reset(arena);
    wi_buffer_printf(arena, "%s.%s", client->target_prefix, message->operation);
    wi_buffer_append(arena, "", 1);
    texts.date = arena_add(arena, scope.time);
    texts.token = arena_add(arena, credentials->token);
    texts.authorization = arena->length;
    error = wi_buffer_error(arena);
    if (error != WEIR_OK) {
        return error;
    }
    list_headers(client, arena, &texts, ret);
    request.header_count = ret->count;
    error = authorize(client, &request, &scope, arena);
    if (error == WEIR_OK) {
        /* The arena may have moved. */
        list_headers(client, arena, &texts, ret);
        add(ret, "Authorization", arena->data + texts.authorization);
    }
    return error;
}

enum weir_error
wi_aws_sign(
    struct wi_aws_client *client,
    const char *operation,
    struct weir_bytes body,
    struct wi_buffer *arena,
    struct wi_aws_signed *ret,
    struct weir_detail *detail)
{
    const struct wi_aws_message message = {.operation = operation, .body = body};
    struct wi_aws_credentials credentials;
    enum weir_error error = wi_aws_credentials_get(client->chain, &credentials, detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_aws_sign_with(client, &credentials, &message, arena, ret);
    OPENSSL_cleanse(&credentials, sizeof credentials);
    return error == WEIR_OK ? WEIR_OK : wi_detail(detail, error, "no memory to sign a request");
}

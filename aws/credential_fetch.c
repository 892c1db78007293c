#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "aws/aws_settings.h"
#include "aws/credential_source.h"
#include "aws/http.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/str.h"

#define BACKOFF_BASE_MS 100
#define BACKOFF_CAP_MS  1000

/* Whether the same request may do better in a moment. Who is not there at all is not asked twice.
 */
static bool
may_pass(const struct wi_http_exchange *exchange)
{
    if (exchange->failure == WI_HTTP_ANSWERED) {
        return exchange->status >= 500 || exchange->status == 429;
    }
    return exchange->failure == WI_HTTP_OUTCOME_UNKNOWN &&
           (exchange->error == WEIR_ETIMEOUT || exchange->error == WEIR_EIO);
}

enum weir_error
wi_aws_source_fetch(
    const struct wi_aws_source *source, struct wi_http_exchange *exchange, uint32_t attempts_max)
{
    const struct wi_http *http = source->http;

    for (uint32_t attempt = 1;; attempt++) {
        http->ops->perform(http->http, &exchange, 1);
        if (attempt >= attempts_max || !may_pass(exchange)) {
            return exchange->error;
        }
        if (http->ops->pause != NULL) {
            http->ops->pause(
                http->http,
                wi_backoff_ms(attempt, BACKOFF_BASE_MS, BACKOFF_CAP_MS, wi_random(source->env)));
        }
    }
}

enum weir_error
wi_aws_read_token(const char *path, struct wi_buffer *ret, struct weir_detail *detail)
{
    enum weir_error error = wi_aws_read_file(path, WI_AWS_TOKEN_FILE_MAX, ret);

    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error == WEIR_ENOMEM ? error : WEIR_EACCESS,
            "cannot read the token in %s: %s",
            path,
            weir_error_text(error));
    }
    if (ret->length > 0) {
        ret->length = strcspn(wi_buffer_text(ret), "\r\n");
        ret->data[ret->length] = '\0';
    }
    return ret->length > 0 ? WEIR_OK : wi_detail(detail, WEIR_EACCESS, "%s is empty", path);
}

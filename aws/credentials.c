#include "aws/credentials.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_profile.h"
#include "aws/aws_settings.h"
#include "aws/credential_answer.h"
#include "aws/credential_source.h"
#include "aws/http.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"

/* So long before they expire, one caller gets new ones; the others go on with the old. */
#define REFRESH_BEFORE_MS INT64_C(300000)
/* So long before they expire, nobody goes on with the old ones. */
#define EXPIRED_BEFORE_MS INT64_C(60000)
/* Least time between two refreshes: a failed one, or credentials that expire at once, do not make
 * every request ask. */
#define REFRESH_PAUSE_MS INT64_C(10000)
/* What a failure keeps of each source's answer. */
#define REASON_SIZE 160

struct wi_aws_credential_chain {
    const struct weir_env *env;
    struct wi_http *http;
    bool has_profile; /* named by the caller: the environment's credentials do not count */
    char profile[WI_AWS_NAME_SIZE_MAX];
    char region[WI_AWS_REGION_SIZE];
    pthread_mutex_t mutex;
    pthread_cond_t refreshed;
    /* guarded by mutex: */
    struct wi_aws_credentials present;
    bool has_present;
    bool refused;                /* the service calls the present ones expired */
    bool refreshing;             /* by one caller */
    uint64_t rounds;             /* refreshes that have ended */
    struct weir_mono not_before; /* the next refresh that nobody waits for */
    enum weir_error failure;     /* of the last refresh */
    struct weir_detail failure_detail;
};

static const struct {
    const char *name;
    wi_aws_source_fn get;
    bool of_environment; /* not asked if the caller named a profile */
} sources[] = {
    {"environment", wi_aws_from_environment, true},
    {"web identity", wi_aws_from_web_identity, true},
    {"shared files", wi_aws_from_profile, false},
    {"container", wi_aws_from_container, false},
    {"instance metadata", wi_aws_from_instance, false},
};

enum weir_error
wi_aws_credentials_open(
    const struct weir_env *env,
    struct wi_http *http,
    const struct wi_aws_credential_options *options,
    struct wi_aws_credential_chain **ret,
    struct weir_detail *detail)
{
    struct wi_aws_credential_chain *chain = wi_alloc(env, sizeof *chain);

    if (chain == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for credentials");
    }
    chain->env = env;
    chain->http = http;
    chain->has_profile = options->profile != NULL;
    if (!wi_str_copy(chain->profile, sizeof chain->profile, wi_str(options->profile)) ||
        !wi_str_copy(chain->region, sizeof chain->region, wi_str(options->region))) {
        wi_free(env, chain);
        return wi_detail(detail, WEIR_EINVAL, "the name of the profile or region is too long");
    }
    if (pthread_mutex_init(&chain->mutex, NULL) != 0) {
        wi_free(env, chain);
        return wi_detail(detail, WEIR_ENOMEM, "no memory for credentials");
    }
    if (pthread_cond_init(&chain->refreshed, NULL) != 0) {
        (void)pthread_mutex_destroy(&chain->mutex);
        wi_free(env, chain);
        return wi_detail(detail, WEIR_ENOMEM, "no memory for credentials");
    }
    *ret = chain;
    return WEIR_OK;
}

void
wi_aws_credentials_close(struct wi_aws_credential_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    WEIR_ASSERT(!chain->refreshing);
    wi_aws_credentials_wipe(&chain->present);
    (void)pthread_cond_destroy(&chain->refreshed);
    (void)pthread_mutex_destroy(&chain->mutex);
    wi_free(chain->env, chain);
}

/* Ask one source after the other; what each said goes into the detail. */
static enum weir_error
search(
    const struct wi_aws_credential_chain *chain,
    const struct wi_aws_source *source,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail)
{
    struct wi_buffer reasons;
    enum weir_error error;

    wi_buffer_init(&reasons, chain->env);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(sources); i++) {
        struct weir_detail why = {.text = ""};

        if (sources[i].of_environment && chain->has_profile) {
            continue;
        }
        error = sources[i].get(source, ret, &why);
        if (error == WEIR_OK) {
            wi_buffer_free(&reasons);
            wi_log(chain->env, WEIR_LOG_INFO, "aws", "credentials from: %s", sources[i].name);
            return WEIR_OK;
        }
        if (error != WEIR_ENOTFOUND) {
            wi_buffer_free(&reasons);
            return wi_detail(detail, error, "no credentials: %s: %s", sources[i].name, why.text);
        }
        wi_buffer_printf(
            &reasons,
            "%s%s: %.*s",
            reasons.length == 0 ? "" : "; ",
            sources[i].name,
            REASON_SIZE,
            why.text);
    }
    error = wi_detail(
        detail,
        WEIR_EACCESS,
        "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or attach a role; looked "
        "at %s",
        wi_buffer_text(&reasons));
    wi_buffer_free(&reasons);
    return error;
}

/* The files are read anew each time: keys in them may have been replaced. */
static enum weir_error
fetch(
    const struct wi_aws_credential_chain *chain,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail)
{
    struct wi_aws_settings *settings = NULL;
    struct wi_aws_source source = {.env = chain->env, .http = chain->http, .region = chain->region};
    enum weir_error error = wi_aws_settings_open(
        chain->env, chain->has_profile ? chain->profile : NULL, &settings, detail);

    if (error == WEIR_OK) {
        source.settings = settings;
        error = search(chain, &source, ret, detail);
    }
    wi_aws_settings_close(settings);
    return error;
}

/* Called and left with the mutex held; it is not held in between. */
static void
refresh(struct wi_aws_credential_chain *chain)
{
    struct wi_aws_credentials fresh = {.expires_ms = 0};
    struct weir_detail detail = {.text = ""};
    enum weir_error error;

    chain->refreshing = true;
    (void)pthread_mutex_unlock(&chain->mutex);
    error = fetch(chain, &fresh, &detail);
    (void)pthread_mutex_lock(&chain->mutex);
    chain->refreshing = false;
    chain->rounds++;
    chain->not_before = wi_mono_add_ms(wi_mono_now(chain->env), REFRESH_PAUSE_MS);
    chain->failure = error;
    chain->failure_detail = detail;
    if (error == WEIR_OK) {
        chain->present = fresh;
        chain->has_present = true;
        chain->refused = false;
    }
    wi_aws_credentials_wipe(&fresh);
    (void)pthread_cond_broadcast(&chain->refreshed);
}

/* How urgently new credentials are needed. */
enum need {
    FRESH,
    AGING, /* one caller gets new ones */
    STALE  /* nobody goes on without */
};

static enum need
need_of(const struct wi_aws_credential_chain *chain)
{
    int64_t now_ms = wi_wall_now(chain->env).ms;
    int64_t expires_ms = chain->present.expires_ms;
    bool just_asked = wi_mono_before(wi_mono_now(chain->env), chain->not_before);

    if (!chain->has_present || chain->refused) {
        return STALE;
    }
    if (expires_ms - REFRESH_BEFORE_MS > now_ms) {
        return FRESH;
    }
    if (just_asked && chain->failure == WEIR_OK) {
        /* They were handed out like this, or this host's clock is wrong. */
        return FRESH;
    }
    if (expires_ms - EXPIRED_BEFORE_MS <= now_ms) {
        return STALE;
    }
    return just_asked ? FRESH : AGING;
}

/* Old credentials are better than none while the service takes them. */
static bool
can_go_on(const struct wi_aws_credential_chain *chain)
{
    return chain->has_present && !chain->refused &&
           chain->present.expires_ms > wi_wall_now(chain->env).ms;
}

enum weir_error
wi_aws_credentials_get(
    struct wi_aws_credential_chain *chain,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;
    enum need need;

    (void)pthread_mutex_lock(&chain->mutex);
    need = need_of(chain);
    if (need == STALE && chain->refreshing) {
        /* What the other caller gets, good or bad, is for this one too. */
        uint64_t rounds = chain->rounds;
        while (chain->refreshing && chain->rounds == rounds) {
            (void)pthread_cond_wait(&chain->refreshed, &chain->mutex);
        }
    } else if (need != FRESH && !chain->refreshing) {
        refresh(chain);
    }
    if (need == FRESH || chain->failure == WEIR_OK || can_go_on(chain)) {
        *ret = chain->present;
    } else {
        error = chain->failure;
        if (detail != NULL) {
            *detail = chain->failure_detail;
        }
    }
    (void)pthread_mutex_unlock(&chain->mutex);
    return error;
}

void
wi_aws_credentials_refused(struct wi_aws_credential_chain *chain, const char *key_id)
{
    (void)pthread_mutex_lock(&chain->mutex);
    if (chain->has_present && strcmp(chain->present.key_id, key_id) == 0) {
        chain->refused = true;
    }
    (void)pthread_mutex_unlock(&chain->mutex);
}

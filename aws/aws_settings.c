#include "aws/aws_settings.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "aws/aws_profile.h"
#include "aws/secret.h"
#include "core/check.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/str.h"

#define VARIABLE_SIZE 96
#define CHUNK_SIZE    4096

const char *
wi_aws_variable(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return value == NULL || *value == '\0' ? NULL : value;
}

static enum weir_error
error_of_open(int number)
{
    if (number == ENOENT || number == ENOTDIR) {
        return WEIR_ENOTFOUND;
    }
    return number == EACCES || number == EPERM ? WEIR_EACCESS : WEIR_EIO;
}

enum weir_error
wi_aws_read_file(const char *path, size_t size_max, struct wi_buffer *ret)
{
    char chunk[CHUNK_SIZE];
    enum weir_error error = WEIR_OK;
    FILE *file = fopen(path, "rbe");
    size_t length;

    if (file == NULL) {
        return error_of_open(errno);
    }
    /* Its own buffer would keep a copy of the secrets. */
    (void)setvbuf(file, NULL, _IONBF, 0);
    do {
        length = fread(chunk, 1, sizeof chunk, file);
        wi_buffer_append(ret, chunk, length);
        error = ferror(file) != 0        ? WEIR_EIO
                : ret->length > size_max ? WEIR_ELIMIT
                                         : wi_buffer_error(ret);
    } while (error == WEIR_OK && length == sizeof chunk);
    (void)fclose(file);
    OPENSSL_cleanse(chunk, sizeof chunk);
    return error;
}

/* Path of a shared file: the variable's, else `name` in the home directory; "" if there is none. */
static enum weir_error
find_file(const char *variable, const char *name, char ret[WI_AWS_PATH_SIZE])
{
    const char *given = wi_aws_variable(variable);
    const char *home = wi_aws_variable("HOME");
    int length = 0;

    ret[0] = '\0';
    if (given != NULL && strncmp(given, "~/", 2) == 0 && home != NULL) {
        length = snprintf(ret, WI_AWS_PATH_SIZE, "%s/%s", home, given + 2);
    } else if (given != NULL) {
        length = snprintf(ret, WI_AWS_PATH_SIZE, "%s", given);
    } else if (home != NULL) {
        length = snprintf(ret, WI_AWS_PATH_SIZE, "%s/.aws/%s", home, name);
    }
    return length >= 0 && length < WI_AWS_PATH_SIZE ? WEIR_OK : WEIR_EINVAL;
}

static enum weir_error
load(
    struct wi_aws_settings *settings,
    enum wi_aws_file which,
    const char *path,
    struct weir_detail *detail)
{
    struct wi_buffer text;
    enum weir_error error;

    if (*path == '\0') {
        return WEIR_OK;
    }
    wi_buffer_init(&text, settings->env);
    error = wi_aws_read_file(path, WI_AWS_FILE_MAX, &text);
    if (error == WEIR_OK) {
        error = wi_aws_profiles_parse(&settings->profiles, which, wi_buffer_str(&text));
    } else if (error == WEIR_ENOTFOUND) {
        error = WEIR_OK;
    }
    wi_secret_free(&text);
    if (error == WEIR_ELIMIT) {
        return wi_detail(
            detail, WEIR_EINVAL, "%s is too long for a shared file of AWS: shorten it", path);
    }
    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error == WEIR_ENOMEM ? error : WEIR_EINVAL,
            "cannot read %s (%s): check its permissions",
            path,
            weir_error_text(error));
    }
    return WEIR_OK;
}

static enum weir_error
load_files(struct wi_aws_settings *settings, struct weir_detail *detail)
{
    enum weir_error error = find_file("AWS_CONFIG_FILE", "config", settings->config_file);

    if (error == WEIR_OK) {
        error = find_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", settings->credentials_file);
    }
    if (error != WEIR_OK) {
        return wi_detail(detail, error, "the path of a shared file of AWS is too long");
    }
    error = load(settings, WI_AWS_CONFIG_FILE, settings->config_file, detail);
    return error != WEIR_OK
               ? error
               : load(settings, WI_AWS_CREDENTIALS_FILE, settings->credentials_file, detail);
}

static enum weir_error
choose_profile(struct wi_aws_settings *settings, const char *profile, struct weir_detail *detail)
{
    profile = profile != NULL ? profile : wi_aws_variable("AWS_PROFILE");
    if (!wi_str_copy(
            settings->profile,
            sizeof settings->profile,
            wi_str(profile == NULL ? "default" : profile))) {
        return wi_detail(detail, WEIR_EINVAL, "the name of the AWS profile is too long");
    }
    if (profile != NULL && !wi_aws_profiles_has(&settings->profiles, profile)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "no profile \"%s\" in %s or %s: add it, or name another in AWS_PROFILE",
            profile,
            settings->config_file,
            settings->credentials_file);
    }
    return WEIR_OK;
}

enum weir_error
wi_aws_settings_open(
    const struct weir_env *env,
    const char *profile,
    struct wi_aws_settings **ret,
    struct weir_detail *detail)
{
    struct wi_aws_settings *settings = wi_alloc(env, sizeof *settings);
    enum weir_error error;

    if (settings == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for the settings of AWS");
    }
    settings->env = env;
    wi_aws_profiles_init(&settings->profiles, env);
    error = load_files(settings, detail);
    if (error == WEIR_OK) {
        error = choose_profile(settings, profile, detail);
    }
    if (error != WEIR_OK) {
        wi_aws_settings_close(settings);
        return error;
    }
    *ret = settings;
    return WEIR_OK;
}

void
wi_aws_settings_close(struct wi_aws_settings *settings)
{
    if (settings != NULL) {
        wi_aws_profiles_free(&settings->profiles);
        wi_free(settings->env, settings);
    }
}

const char *
wi_aws_settings_value(const struct wi_aws_settings *settings, const char *name)
{
    return wi_aws_profiles_get(&settings->profiles, settings->profile, name);
}

enum weir_error
wi_aws_settings_region(
    const struct wi_aws_settings *settings,
    const char *option,
    char ret[WI_AWS_REGION_SIZE],
    struct weir_detail *detail)
{
    const char *region = option;

    region = region != NULL ? region : wi_aws_variable("AWS_REGION");
    region = region != NULL ? region : wi_aws_variable("AWS_DEFAULT_REGION");
    region = region != NULL ? region : wi_aws_settings_value(settings, "region");
    if (region != NULL && !wi_aws_region_is_valid(region)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "\"%.80s\" is no AWS region: one looks like \"eu-west-1\"",
            region);
    }
    (void)wi_str_copy(ret, WI_AWS_REGION_SIZE, wi_str(region));
    return WEIR_OK;
}

static bool
is_true(const char *value)
{
    return value != NULL &&
           (strcmp(value, "true") == 0 || strcmp(value, "TRUE") == 0 || strcmp(value, "True") == 0);
}

/* A switch that stands in the environment or in the profile. */
static bool
is_on(const struct wi_aws_settings *settings, const char *variable, const char *name)
{
    const char *value = wi_aws_variable(variable);

    return is_true(value != NULL ? value : wi_aws_settings_value(settings, name));
}

/* AWS_ENDPOINT_URL_KINESIS. */
static const char *
variable_of_service(const char *service)
{
    char name[VARIABLE_SIZE] = "AWS_ENDPOINT_URL_";
    size_t length = strlen(name);

    WEIR_ASSERT(strlen(service) < sizeof name - length);
    for (; *service != '\0'; service++) {
        char c = *service;

        if (c == '-' || c == ' ') {
            c = '_';
        }
        if (c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        }
        name[length++] = c;
    }
    name[length] = '\0';
    return wi_aws_variable(name);
}

/* endpoint_url of the service in the section that the profile names with "services = ...". */
static const char *
value_of_service(const struct wi_aws_settings *settings, const char *service)
{
    const char *section = wi_aws_settings_value(settings, "services");
    char title[WI_AWS_NAME_SIZE_MAX];
    char name[VARIABLE_SIZE];

    if (section == NULL) {
        return NULL;
    }
    (void)snprintf(title, sizeof title, "services %s", section);
    (void)snprintf(name, sizeof name, "%s.endpoint_url", service);
    return wi_aws_profiles_get(&settings->profiles, title, name);
}

static const char *
configured_endpoint(const struct wi_aws_settings *settings, const char *service)
{
    const char *endpoint = NULL;

    if (is_on(settings, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")) {
        return NULL;
    }
    endpoint = variable_of_service(service);
    endpoint = endpoint != NULL ? endpoint : wi_aws_variable("AWS_ENDPOINT_URL");
    endpoint = endpoint != NULL ? endpoint : value_of_service(settings, service);
    return endpoint != NULL ? endpoint : wi_aws_settings_value(settings, "endpoint_url");
}

static enum weir_error
use_endpoint(const char *endpoint, char ret[WI_AWS_ENDPOINT_SIZE], struct weir_detail *detail)
{
    struct weir_str text = wi_str(endpoint);
    struct wi_aws_url url = {.tls = false};

    while (text.length > 0 && text.data[text.length - 1] == '/') {
        text.length--;
    }
    if (wi_aws_url_parse(text, &url) != WEIR_OK || url.query.length > 0 ||
        !wi_str_copy(ret, WI_AWS_ENDPOINT_SIZE, text)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "\"%.200s\" is no endpoint: one looks like \"https://host\" or \"http://host:port\"",
            endpoint);
    }
    return WEIR_OK;
}

enum weir_error
wi_aws_settings_endpoint(
    const struct wi_aws_settings *settings,
    const char *service,
    const char *region,
    const char *option,
    char ret[WI_AWS_ENDPOINT_SIZE],
    struct weir_detail *detail)
{
    const struct wi_aws_endpoint_rule rule = {
        .service = service,
        .region = region,
        .fips = is_on(settings, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
        .dualstack = is_on(settings, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
    };
    const char *endpoint = option != NULL ? option : configured_endpoint(settings, service);
    enum weir_error error;

    if (endpoint != NULL) {
        return use_endpoint(endpoint, ret, detail);
    }
    error = wi_aws_endpoint_by_rule(&rule, ret);
    return error == WEIR_OK
               ? WEIR_OK
               : wi_detail(detail, error, "no endpoint of %s in \"%s\"", service, region);
}

#include "aws/aws_endpoint.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "core/check.h"
#include "core/str.h"

#define PORT_MAX 65535U

bool
wi_aws_region_is_valid(const char *region)
{
    size_t length = strlen(region);

    if (length == 0 || length >= WI_AWS_REGION_SIZE || region[0] == '-' ||
        region[length - 1] == '-') {
        return false;
    }
    return strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

struct partition {
    const char *prefix; /* of its regions */
    const char *domain;
    const char *dualstack_domain; /* NULL: there is none */
    bool plain_is_fips;           /* its regular endpoints are FIPS endpoints */
};

static const struct partition partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"us-gov-", "amazonaws.com", "api.aws", true},
    {"us-iso-", "c2s.ic.gov", NULL, false},
    {"us-isob-", "sc2s.sgov.gov", NULL, false},
    {"us-isof-", "csp.hci.ic.gov", NULL, false},
    {"eu-isoe-", "cloud.adc-e.uk", NULL, false},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", false},
    {"", "amazonaws.com", "api.aws", false},
};

static const struct partition *
partition_of(const char *region)
{
    size_t i = 0;

    while (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) != 0) {
        i++;
    }
    WEIR_ASSERT(i < WI_ARRAY_LENGTH(partitions));
    return &partitions[i];
}

enum weir_error
wi_aws_endpoint_by_rule(const struct wi_aws_endpoint_rule *rule, char ret[WI_AWS_ENDPOINT_SIZE])
{
    const struct partition *partition;
    const char *domain;
    bool fips;
    int length;

    if (!wi_aws_region_is_valid(rule->region)) {
        return WEIR_EINVAL;
    }
    partition = partition_of(rule->region);
    domain = partition->domain;
    if (rule->dualstack && partition->dualstack_domain != NULL) {
        domain = partition->dualstack_domain;
    }
    fips = rule->fips && !(partition->plain_is_fips && !rule->dualstack);
    length = snprintf(
        ret,
        WI_AWS_ENDPOINT_SIZE,
        "https://%s%s.%s.%s",
        rule->service,
        fips ? "-fips" : "",
        rule->region,
        domain);
    return length > 0 && length < WI_AWS_ENDPOINT_SIZE ? WEIR_OK : WEIR_EINVAL;
}

static bool
is_printable(struct weir_str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '#') {
            return false;
        }
    }
    return true;
}

/* Cut at the first `at`, leaving everything in the head if there is none. */
static void
cut_tail(struct weir_str *head, char at, struct weir_str *ret_tail)
{
    struct weir_str first;
    struct weir_str rest;

    *ret_tail = WI_STR("");
    if (wi_str_cut(*head, at, &first, &rest)) {
        *head = first;
        *ret_tail = rest;
    }
}

static enum weir_error
check_port(struct weir_str port)
{
    uint64_t number = 0;

    return wi_str_to_u64(port, &number) == WEIR_OK && number > 0 && number <= PORT_MAX
               ? WEIR_OK
               : WEIR_EINVAL;
}

static enum weir_error
parse_authority(struct weir_str authority, struct weir_str *ret_host)
{
    struct weir_str host = authority;
    struct weir_str port;

    if (memchr(authority.data, '@', authority.length) != NULL) {
        return WEIR_EINVAL;
    }
    if (host.data[0] == '[') {
        struct weir_str rest;

        host.data++;
        host.length--;
        if (!wi_str_cut(host, ']', ret_host, &rest) || ret_host->length == 0) {
            return WEIR_EINVAL;
        }
        if (rest.length == 0) {
            return WEIR_OK;
        }
        return rest.data[0] == ':' ? check_port((struct weir_str){rest.data + 1, rest.length - 1})
                                   : WEIR_EINVAL;
    }
    *ret_host = host;
    if (!wi_str_cut(authority, ':', ret_host, &port)) {
        return WEIR_OK;
    }
    return ret_host->length == 0 ? WEIR_EINVAL : check_port(port);
}

enum weir_error
wi_aws_url_parse(struct weir_str text, struct wi_aws_url *ret)
{
    struct wi_aws_url url = {.tls = wi_str_starts_with(text, WI_STR("https://"))};
    struct weir_str scheme = url.tls ? WI_STR("https://") : WI_STR("http://");
    struct weir_str rest;
    const char *slash;
    enum weir_error error;

    if (!wi_str_starts_with(text, scheme) || !is_printable(text)) {
        return WEIR_EINVAL;
    }
    rest = (struct weir_str){text.data + scheme.length, text.length - scheme.length};
    cut_tail(&rest, '?', &url.query);
    slash = rest.length == 0 ? NULL : memchr(rest.data, '/', rest.length);
    url.authority = rest;
    if (slash != NULL) {
        url.authority.length = (size_t)(slash - rest.data);
        url.path = (struct weir_str){slash, rest.length - url.authority.length};
    } else {
        url.path = WI_STR("");
    }
    if (url.authority.length == 0) {
        return WEIR_EINVAL;
    }
    error = parse_authority(url.authority, &url.host);
    if (error == WEIR_OK) {
        *ret = url;
    }
    return error;
}

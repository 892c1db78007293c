/* Regions, endpoints and URLs of AWS services. Pure. */
#ifndef WI_AWS_AWS_ENDPOINT_H
#define WI_AWS_AWS_ENDPOINT_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"

/* 1 to 63 of [a-z0-9-], as it goes into host names and signatures. */
bool wi_aws_region_is_valid(const char *region);

struct wi_aws_endpoint_rule {
    const char *service; /* "kinesis", "dynamodb", "sts" */
    const char *region;
    bool fips;
    bool dualstack;
};

/* The regular endpoint of a service, by the region's partition. WEIR_EINVAL if the region is not
 * valid. */
WEIR_MUST_CHECK enum weir_error wi_aws_endpoint_by_rule(
    const struct wi_aws_endpoint_rule *rule, char ret[WI_AWS_ENDPOINT_SIZE]);

/* Views into the text that was parsed. */
struct wi_aws_url {
    bool tls;
    struct weir_str authority; /* host, and port if there is one: the header Host */
    struct weir_str host;      /* without port, and without the brackets of an IPv6 address */
    struct weir_str path;      /* from the first '/' to the query; may be empty */
    struct weir_str query;     /* without '?' */
};

/* http and https with a host, no user, no fragment, printable ASCII; else WEIR_EINVAL. */
WEIR_MUST_CHECK enum weir_error wi_aws_url_parse(struct weir_str text, struct wi_aws_url *ret);

#endif

/* `weir sim --seed 7023`: a call of the record processor ran while its worker was declared dead and
 * joined again. The deadline of its lease was counted from the last read that had shown it, and
 * from the session that was present: the new one. So weir_lease_time_left_ms() said that there was
 * time left for a shard that another worker had been given meanwhile. */
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/mono.h"
#include "tests/support/weir_test.h"
#include "worker/lease_renewer.h"

#define D_MS INT64_C(227)

static struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * WI_NS_PER_MS};
}

static void
the_next_session_does_not_bring_back_a_lease_of_the_lost_one(void **state)
{
    struct weir_mono verified = at_ms(292); /* a read, long after the last renewal */
    struct wi_lease_renewer renewer;

    (void)state;
    wi_lease_renewer_init(&renewer, D_MS, at_ms(132));
    wi_lease_renewer_sent(&renewer, at_ms(390));
    wi_lease_renewer_answered(&renewer, WEIR_ESESSIONLOST, at_ms(396));
    assert_true(wi_mono_before(wi_lease_renewer_deadline(&renewer, verified), at_ms(396)));
    verified = WI_LEASE_LOST_WITH_ITS_SESSION; /* wi_worker_session_lost() */
    wi_lease_renewer_init(&renewer, D_MS, at_ms(396));
    assert_true(wi_mono_before(wi_lease_renewer_deadline(&renewer, verified), at_ms(396)));
    assert_true(wi_mono_before(at_ms(396), wi_lease_renewer_deadline(&renewer, at_ms(397))));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_session_does_not_bring_back_a_lease_of_the_lost_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

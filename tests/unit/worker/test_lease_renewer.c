/* Rules N1 to N6 of docs/state-machines-consumer.md, "Lease renewal". */
#include "core/mono.h"
#include "core/pcg.h"
#include "tests/support/weir_test.h"
#include "worker/lease_renewer.h"

#define D_MS INT64_C(10000)

static struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * WI_NS_PER_MS};
}

/* N1 */
static void
believes_for_eight_tenths_and_renews_every_quarter(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;

    wi_lease_renewer_init(&renewer, D_MS, at_ms(100));

    assert_true(renewer.deadline.ns == at_ms(8100).ns);
    assert_false(wi_lease_renewer_is_due(&renewer, at_ms(2599)));
    assert_true(wi_lease_renewer_is_due(&renewer, at_ms(2600)));
    assert_true(wi_lease_renewer_wake(&renewer).ns == at_ms(2600).ns);
}

/* N2 */
static void
counts_the_deadline_from_when_the_renewal_was_sent(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;
    wi_lease_renewer_init(&renewer, D_MS, at_ms(0));
    wi_lease_renewer_sent(&renewer, at_ms(2500));

    wi_lease_renewer_answered(&renewer, WEIR_OK, at_ms(7000));

    assert_true(renewer.deadline.ns == at_ms(10500).ns);
    assert_true(wi_lease_renewer_is_due(&renewer, at_ms(7000)));
}

/* N3 */
static void
keeps_the_deadline_when_the_outcome_is_unknown_and_tries_again_soon(void **state)
{
    static const enum weir_error errors[] = {WEIR_ETIMEOUT, WEIR_EBUSY, WEIR_EIO, WEIR_EFULL};
    struct wi_lease_renewer renewer;
    (void)state;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        wi_lease_renewer_init(&renewer, D_MS, at_ms(0));
        wi_lease_renewer_sent(&renewer, at_ms(2500));
        wi_lease_renewer_answered(&renewer, errors[i], at_ms(3000));
        assert_true(renewer.deadline.ns == at_ms(8000).ns);
        assert_false(wi_lease_renewer_is_due(&renewer, at_ms(3249)));
        assert_true(wi_lease_renewer_is_due(&renewer, at_ms(3250)));
    }
}

/* N3: also the shortest lease duration must not make a retry loop without a pause. */
static void
pauses_at_least_a_millisecond_between_tries(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;
    wi_lease_renewer_init(&renewer, 10, at_ms(0));
    wi_lease_renewer_sent(&renewer, at_ms(2));

    wi_lease_renewer_answered(&renewer, WEIR_EBUSY, at_ms(3));

    assert_false(wi_lease_renewer_is_due(&renewer, at_ms(3)));
    assert_true(wi_lease_renewer_is_due(&renewer, at_ms(4)));
}

/* N4 */
static void
stops_believing_at_once_and_for_good_when_the_session_is_lost(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;
    wi_lease_renewer_init(&renewer, D_MS, at_ms(0));
    wi_lease_renewer_sent(&renewer, at_ms(2500));

    wi_lease_renewer_answered(&renewer, WEIR_ESESSIONLOST, at_ms(2600));

    assert_true(wi_lease_renewer_deadline(&renewer, at_ms(2600)).ns == 0);
    assert_false(wi_lease_renewer_is_due(&renewer, at_ms(100000)));
    assert_true(wi_mono_is_never(wi_lease_renewer_wake(&renewer)));
}

/* N5 */
static void
sends_nothing_while_a_renewal_is_in_flight(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;
    wi_lease_renewer_init(&renewer, D_MS, at_ms(0));

    wi_lease_renewer_sent(&renewer, at_ms(2500));

    assert_false(wi_lease_renewer_is_due(&renewer, at_ms(100000)));
    assert_true(wi_mono_is_never(wi_lease_renewer_wake(&renewer)));
}

/* N6 */
static void
believes_in_a_lease_neither_longer_than_verified_nor_than_the_session(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;
    wi_lease_renewer_init(&renewer, D_MS, at_ms(1000));

    assert_true(wi_lease_renewer_deadline(&renewer, at_ms(500)).ns == at_ms(8500).ns);
    assert_true(wi_lease_renewer_deadline(&renewer, at_ms(3000)).ns == at_ms(9000).ns);
}

/* R1: whatever happens, the deadline is the send time of some accepted write + D_h, and the latest.
 */
static void
never_believes_beyond_the_last_accepted_send(void **state)
{
    struct wi_lease_renewer renewer;
    struct wi_pcg random;
    int64_t accepted_ms = 0;
    int64_t now_ms = 0;
    (void)state;
    wi_pcg_seed(&random, 1, 1);
    wi_lease_renewer_init(&renewer, D_MS, at_ms(0));

    for (int i = 0; i < 100000; i++) {
        now_ms += (int64_t)wi_pcg_below(&random, 3000);
        if (wi_lease_renewer_is_due(&renewer, at_ms(now_ms))) {
            int64_t sent_ms = now_ms;
            bool is_accepted = wi_pcg_below(&random, 2) == 0;
            wi_lease_renewer_sent(&renewer, at_ms(sent_ms));
            now_ms += (int64_t)wi_pcg_below(&random, 20000);
            wi_lease_renewer_answered(
                &renewer, is_accepted ? WEIR_OK : WEIR_ETIMEOUT, at_ms(now_ms));
            accepted_ms = is_accepted ? sent_ms : accepted_ms;
        }
        assert_true(renewer.deadline.ns == at_ms(accepted_ms + D_MS * 8 / 10).ns);
    }
}

/* N4 */
static void
does_not_believe_again_in_a_lease_of_a_lost_session_when_the_next_one_begins(void **state)
{
    struct wi_lease_renewer renewer;
    (void)state;

    wi_lease_renewer_init(&renewer, D_MS, at_ms(100));

    assert_true(
        wi_lease_renewer_deadline(&renewer, WI_LEASE_LOST_WITH_ITS_SESSION).ns == at_ms(0).ns);
    assert_true(
        wi_lease_deadline(WI_MONO_NEVER, INT64_MAX, WI_LEASE_LOST_WITH_ITS_SESSION).ns ==
        at_ms(0).ns);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_for_eight_tenths_and_renews_every_quarter),
        cmocka_unit_test(counts_the_deadline_from_when_the_renewal_was_sent),
        cmocka_unit_test(keeps_the_deadline_when_the_outcome_is_unknown_and_tries_again_soon),
        cmocka_unit_test(pauses_at_least_a_millisecond_between_tries),
        cmocka_unit_test(stops_believing_at_once_and_for_good_when_the_session_is_lost),
        cmocka_unit_test(sends_nothing_while_a_renewal_is_in_flight),
        cmocka_unit_test(believes_in_a_lease_neither_longer_than_verified_nor_than_the_session),
        cmocka_unit_test(never_believes_beyond_the_last_accepted_send),
        cmocka_unit_test(
            does_not_believe_again_in_a_lease_of_a_lost_session_when_the_next_one_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

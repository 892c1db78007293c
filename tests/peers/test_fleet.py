#!/usr/bin/env python3
"""What fleet.py makes of pictures of a lease table, planted ones: does it count renewals alone?"""

import sys

sys.dont_write_bytecode = True
import fleet  # noqa: E402

RENEWALS = 3
LIMIT_S = 60


def lease(owner, counter, checkpoint="1"):
    return {"leaseOwner": owner, "leaseCounter": str(counter), "checkpoint": checkpoint}


def verdict(pictures):
    """Of leases_stay() over these; None if it wants to see more."""
    left = iter(pictures)
    try:
        return fleet.leases_stay(lambda: next(left), RENEWALS, LIMIT_S)
    except StopIteration:
        return None


def main():
    renewed = [{"x": lease("a", i), "y": lease("b", i)} for i in range(RENEWALS + 1)]
    assert verdict(renewed) is True, "renewals of both"
    assert verdict(renewed[:-1]) is None, "a renewal less"
    stolen = {"x": lease("a", 2), "y": lease("a", 2)}
    assert verdict([*renewed[:2], stolen]) is False, "a lease that is stolen"
    free = {"x": lease("a", 2), "y": {"leaseCounter": "2", "checkpoint": "1"}}
    assert verdict([*renewed[:2], free]) is False, "a lease that is let go"
    several = [{"x": lease("a", 0)}, {"x": lease("a", RENEWALS)}]
    assert verdict(several) is True, "renewals between two looks"
    moving = [{"x": lease("a", i, str(i))} for i in range(2 * RENEWALS)]
    assert verdict(moving) is None, "checkpoints are no renewals"
    one_moves = [{"x": lease("a", i, str(i)), "y": lease("a", i)} for i in range(RENEWALS + 1)]
    assert verdict(one_moves) is True, "of one lease the renewals are seen"
    silent = [{"x": lease("a", i), "y": lease("b", 0)} for i in range(2 * RENEWALS)]
    assert verdict(silent) is None, "an owner that renews nothing"
    # 25 renewals of a second each, while three passes take 24.15 s.
    assert fleet.renewals_in(3, 4000) == 25, fleet.renewals_in(3, 4000)
    print("OK")
    return 0


if __name__ == "__main__":
    fleet.run_as_test(main)

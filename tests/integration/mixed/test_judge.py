#!/usr/bin/env python3
"""That judge.py finds what it is there to find: each fault is planted into a sound run."""

import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import judge  # noqa: E402

SHARD = "shardId-000000000000"
RECORDS = 30
FAILOVER_MS = 2000


def entry(index, recv_ms, life, sub=0):
    return f"{recv_ms} {index * 100} {index} {SHARD} {1000 + index} {sub} {life}\n"


def table_line(t, owner, leader, **more):
    line = {"t": t, "owners": {SHARD: owner}, "handing_off": {}, "finished": [], "leader": leader}
    return {**line, **more}


def sound_run():
    """java-1 to weir-1 to java-2; the first and the second hand over. One leads after the other."""
    return {
        "put": [f"{i} {i * 100} {SHARD} {1000 + i}\n" for i in range(RECORDS)],
        "java-1": [entry(i, 1000 + i * 100, 1) for i in range(10)],
        "weir-1": [entry(i, 4000 + i * 100, 7) for i in range(10, 20)],
        "java-2": [entry(i, 8000 + i * 100, 1) for i in range(20, 30)],
        "table": [
            table_line(500, "java-1", "java-1"),
            table_line(3000, "weir-1", "weir-1"),
            table_line(7000, "java-2", "java-2"),
        ],
        "faults": [
            {"t": 2500, "fault": "term", "worker": "java-1"},
            {"t": 6500, "fault": "term", "worker": "weir-1"},
        ],
    }


def verdict(run):
    folder = pathlib.Path(tempfile.mkdtemp())
    kinds = {"java-1": "java", "weir-1": "weir", "java-2": "java"}
    settings = {"failover_ms": FAILOVER_MS, "kinds": kinds}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "put").write_text("".join(run["put"]))
    for name in kinds:
        (folder / f"{name}.ledger").write_text("".join(run[name]))
    for name in ("table", "faults"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in run[name]))
    violations, summary, figures = judge.judge(folder)
    shutil.rmtree(folder)
    return violations, summary, figures


def lost_record(run):
    del run["weir-1"][3]
    return "never processed"


def processed_late(run):
    run["java-2"].append(run["weir-1"].pop(3).replace("5300", "9900", 1))
    return "came before"


def out_of_order(run):
    run["java-1"][4], run["java-1"][5] = run["java-1"][5], run["java-1"][4]
    return "in one time of ownership"


def twice_in_one_life(run):
    run["java-1"].insert(5, run["java-1"][4])
    return "in one time of ownership"


def java_goes_on(run):
    run["java-1"].append(entry(10, 5000 + FAILOVER_MS + 500, 1))
    return "beside weir-1"


def weir_goes_on(run):
    run["weir-1"].append(entry(20, 10000 + judge.LEDGER_LAG_MS + 100, 7))
    return "beside java-2"


def stuck_hand_off(run):
    run["table"].append(table_line(9500, "java-2", "java-2", handing_off={SHARD: "java-2"}))
    return "being handed over"


def owner_has_gone(run):
    run["table"].append(table_line(9500, "weir-1", "java-2"))
    return "no running owner"


def weir_does_not_end(run):
    late = 6500 + FAILOVER_MS + judge.LEAVING_MS + 1
    run["faults"].append({"t": late, "fault": "ended", "worker": "weir-1"})
    return "to leave"


def worker_dies(run):
    run["faults"].append({"t": 9000, "fault": "died", "worker": "java-2"})
    return "ended by itself"


def one_way_only(run):
    del run["java-2"][:]
    run["weir-1"] += [entry(i, 5000 + i * 100, 7) for i in range(20, 30)]
    return "no planned move from weir to java"


def one_leader_only(run):
    run["table"][-1]["leader"] = "weir-1"
    return "no change of leader from weir to java"


def test_sound_run():
    violations, summary, figures = verdict(sound_run())
    assert violations == [], violations
    assert summary["deliveries"] == RECORDS, summary
    assert [(f["from"], f["to"], f["duplicates_per_move"]) for f in figures] == [
        ("java", "weir", 0),
        ("weir", "java", 0),
    ], figures


def test_duplicates_after_a_kill_are_counted_not_held_against_it():
    run = sound_run()
    run["faults"][0]["fault"] = "kill"
    run["weir-1"] = [entry(i, 4000 + i * 100, 7) for i in range(6, 20)]
    violations, _, figures = verdict(run)
    crash = next(f for f in figures if f["reason"] == "crash")
    assert crash["duplicates_per_move"] == 4, figures
    assert violations == ["no planned move from java to weir"], violations


def test_a_stopped_java_worker_may_go_on_after_it_woke():
    run = sound_run()
    run["faults"][0] = {"t": 2500, "fault": "stop", "worker": "java-1"}
    run["faults"].append({"t": 7000, "fault": "continue", "worker": "java-1"})
    run["java-1"].append(entry(10, 7100, 1))
    violations, _, figures = verdict(run)
    assert violations == ["no planned move from java to weir"], violations


def main():
    planted = [
        lost_record, processed_late, out_of_order, twice_in_one_life, java_goes_on, weir_goes_on,
        stuck_hand_off, owner_has_gone, weir_does_not_end, worker_dies, one_way_only, one_leader_only,
    ]  # fmt: skip
    test_sound_run()
    test_duplicates_after_a_kill_are_counted_not_held_against_it()
    test_a_stopped_java_worker_may_go_on_after_it_woke()
    for plant in planted:
        run = sound_run()
        wanted = plant(run)
        violations, _, _ = verdict(run)
        assert any(wanted in v for v in violations), (plant.__name__, violations)
    print(f"{len(planted)} planted faults found")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs the program that is named with a server for it, and looks at the server when it says so."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
DEBIAN_PYTHON = "/usr/bin/python3"
try:
    import fanout_server  # noqa: E402
    from fanout_server import Shard
except ImportError as missing:
    if sys.argv[-1] != "--debian" and os.access(DEBIAN_PYTHON, os.X_OK):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv, "--debian"])
    print(f"skipped: needs python3-h2 ({missing})")
    sys.exit(77)

LARGE = "shardId-000000000001"
# What the server could send while nobody read: the queue, one event at the parser, and what the
# kernel keeps for both sides. All of the shard are 21 MiB.
HELD_BYTES_MAX = 12 << 20


def main():
    shards = [
        Shard("shardId-000000000000", 400, record_s=0),
        Shard(LARGE, 800, record_s=0, data_bytes=20000, event_records=50, event_s=0),
        Shard("shardId-000000000002", 0),
    ]
    with tempfile.TemporaryDirectory() as folder:
        server = fanout_server.Server(folder, shards)
        server.service.registered_now = True
        url = (f"kinesis:{fanout_server.STREAM}?region=us-east-1&fan_out=fleet"
               f"&endpoint=https://127.0.0.1:{server.port}")
        variables = os.environ | {
            "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s", "AWS_CA_BUNDLE": server.certificate,
            "KINESIS_FANOUT_URL": url}
        wrong = []
        with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=variables, text=True) as program:
            for line in program.stdout:
                print(line, end="")
                if line == "held\n":
                    sent = server.service.shards[LARGE].sent_bytes
                    print(f"{sent} bytes sent")
                    if sent > HELD_BYTES_MAX:
                        wrong.append("the server was not held back")
                    program.stdin.write("\n")
                    program.stdin.flush()
            status = program.wait()
        server.close()
        wrong += server.service.complaints
        print("\n".join(wrong))
        return status if status != 0 or not wrong else 1


if __name__ == "__main__":
    sys.exit(main())

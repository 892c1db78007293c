#!/usr/bin/env bash
# The report of weir chaos in a browser without a screen: the picture holds what the ledger holds,
# nothing comes from elsewhere, light and dark are not blank. Skipped where there is no browser.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ] || ! command -v python3 >/dev/null; then
    echo "skipped: no chromium"
    exit 77
fi

# browse ARGUMENT...: the report, in a new profile.
browse() {
    local profile
    profile=$(mktemp -d "$PWD/profile-XXXXXX")
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$profile" --window-size=1400,2000 "$@" "file://$PWD/report.html" \
        2>browser.txt || fail "the browser failed: $(tail -n 3 browser.txt)"
    rm -rf "$profile"
}

# count CLASS: elements of it in the DOM.
count() { grep -oE "<(rect|path) class=\"$1[ \"]" dom.html | wc -l; }

expect_count() {
    local found
    found=$(count "$1")
    [ "$found" -eq "$2" ] || fail "$found elements of class $1, the ledger has $2"
}

# Distinct colours of a PNG, and their shares: a picture that is not blank has many.
expect_picture() {
    python3 - "$1" "$2" <<'END' || fail "$1 is blank, or not $2"
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
assert data[:8] == b"\x89PNG\r\n\x1a\n" and depth == 8 and kind in (2, 6)
at, packed = 8, b""
while at < len(data):
    size, name = struct.unpack(">I4s", data[at:at + 8])
    packed += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
    at += size + 12
raw, step = zlib.decompress(packed), 4 if kind == 6 else 3
line, colours, before = width * step, {}, bytearray(width * step)
for y in range(height):
    how, row = raw[y * (line + 1)], bytearray(raw[y * (line + 1) + 1:(y + 1) * (line + 1)])
    for x in range(line):
        a = row[x - step] if x >= step else 0
        b = before[x]
        c = before[x - step] if x >= step else 0
        if how == 1: row[x] = row[x] + a & 255
        elif how == 2: row[x] = row[x] + b & 255
        elif how == 3: row[x] = row[x] + (a + b) // 2 & 255
        elif how == 4:
            p = a + b - c
            d = (abs(p - a), abs(p - b), abs(p - c))
            row[x] = row[x] + (a if d[0] <= d[1] and d[0] <= d[2] else b if d[1] <= d[2] else c) & 255
    before = row
    if y % 8 == 0:
        for x in range(0, line, step * 4):
            colour = bytes(row[x:x + 3])
            colours[colour] = colours.get(colour, 0) + 1
most = max(colours, key=colours.get)
bright = sum(most) / 3
assert len(colours) >= 40, len(colours)
assert bright > 200 if sys.argv[2] == "light" else bright < 60, most
END
}

expect_self_contained() {
    ! grep -qiE '(src|href)="?(https?:)?//|@import|url\((https?:)?//' report.html ||
        fail "something comes from elsewhere"
    [ "$(stat -c %s report.html)" -le 5242880 ] || fail "the report is larger than 5 MiB"
}

# The DOM holds the ledger: each number comes from the history or the verdict, not from the report.
expect_ledger() {
    browse --dump-dom >dom.html
    expect_count bar "$(jq .ownerships out.txt)"
    expect_count fault "$(jq '[.faults[]] | add // 0' out.txt)"
    expect_count life "$(jq .workers_started out.txt)"
    expect_count lost "$(jq .lost out.txt)"
    expect_count fault "$(grep -c '"kind":"fault".*"on":true' history || true)"
    expect_count life "$(grep -c '"kind":"worker"' history)"
}

test_the_report_of_a_sound_fleet() {
    expect_ok chaos --seconds 8 --workers 3 --seed 21 --json --report report.html --history history
    expect_self_contained
    expect_ledger
    browse --screenshot=light.png >/dev/null
    expect_picture light.png light
    browse --screenshot=dark.png --blink-settings=preferredColorScheme=0 >/dev/null
    expect_picture dark.png dark
}

test_the_report_of_a_broken_one() {
    run chaos --seconds 6 --workers 3 --seed 22 --json --report report.html --history history \
        --faults kill,crash --broken acknowledge-before-write
    expect_status 1
    expect_self_contained
    expect_ledger
    grep -q 'id="violations"' dom.html || fail "no table of violations"
}

test_the_report_of_a_run_without_faults() {
    expect_ok chaos --seconds 1 --workers 2 --seed 23 --json --report report.html \
        --history history --faults none --rate 1
    expect_ledger
}

run_tests "$@"

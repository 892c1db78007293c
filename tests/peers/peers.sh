#!/usr/bin/env bash
# Servers and programs of others that tests run weir against; see README.md.
#
#   peers.sh fetch NAME...               bring it into the cache
#   peers.sh start NAME [--port P] [--for PID] [--log FILE] [-- ARGUMENT...]
#                                        print `ENDPOINT=http://127.0.0.1:P PID=N` once it answers
#   peers.sh stop PID...                 end servers that `start` named
#   peers.sh exec java-kcl ARGUMENT...   become a Java KCL worker (this process); java-kcl2: of 2.x
#
# NAME: dynamodb, kinesis-mock, kinesalite, canned, ddb-proxy, for fetch also java-kcl, java-kcl2.
# A server ends with the process --for, by default the one that called `start`.
# Exit status 77: it cannot be fetched here; one line says why.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir-peers

fetch_seconds_max=600
start_tries_max=5
answer_seconds_max=60
stop_seconds_max=10
# Below the range from which Linux takes the ports of outgoing connections.
port_first=20000
port_count=12000

unavailable() {
    echo "peers.sh: $*" >&2
    exit 77
}

fail() {
    echo "peers.sh: $*" >&2
    exit 1
}

# version NAME FIELD: of versions.txt; 3 is the package, 4 the version.
version() {
    awk -v name="$1" -v field="$2" '$1 == name { print $field }' "$here/versions.txt"
}

# place NAME: where it lies in the cache. Our own Java class is part of what java-kcl is.
place() {
    local suffix=
    if [[ $1 == java-kcl* ]]; then
        suffix=-$(cat "$here"/java-kcl/pom.xml "$here"/java-kcl/src/main/*/weir/peers/*.java \
            "$here"/java-kcl/src/main/resources/* | sha256sum | cut -c 1-12)
    fi
    echo "$cache/$1-$(version "$1" 4)$suffix"
}

# require_tools COMMAND...: install the packages of group `peers` if one is missing.
require_tools() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null && continue
        local names
        mapfile -t names < <(packages peers)
        install_packages "${names[@]}" || unavailable "needs $tool; Debian 12: ${names[*]}"
        return
    done
}

# quietly WHAT COMMAND...: its output only if it fails, of which there may be one line.
quietly() {
    local what=$1 output
    shift
    output=$(timeout "$fetch_seconds_max" "$@" 2>&1) && return
    unavailable "cannot fetch $what: $(grep -m1 -iE 'err(or|!)' <<<"$output" | cut -c 1-300)"
}

# write_pom FOLDER PACKAGE VERSION: a project that only names what it needs.
write_pom() {
    cat >"$1/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>weir.peers</groupId><artifactId>fetch</artifactId><version>1</version><dependencies>
<dependency><groupId>${2%:*}</groupId><artifactId>${2#*:}</artifactId><version>$3</version>
</dependency></dependencies></project>
POM
}

copy_jars() {
    quietly "$1" mvn -B -q -f "$2/pom.xml" "${@:4}" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        "-DoutputDirectory=$3/lib" -DincludeScope=runtime
}

fetch_dynamodb() {
    require_tools java javac mvn
    write_pom "$1" "$(version dynamodb 3)" "$(version dynamodb 4)"
    copy_jars dynamodb "$1" "$1"
    javac -cp "$1/lib/*" -d "$1" "$here/dynamodb/LoopbackOnly.java" ||
        fail "LoopbackOnly does not compile"
}

fetch_java_kcl() {
    local kcl
    kcl=-Dkcl.version=$(version "$1" 4)
    require_tools java javac mvn
    copy_jars "$1" "$here/java-kcl" "$2" "$kcl" "-Dbuild.folder=$2/build"
    timeout "$fetch_seconds_max" mvn -B -q -f "$here/java-kcl/pom.xml" \
        "$kcl" "-Dbuild.folder=$2/build" compile >&2 ||
        fail "$1 does not compile"
}

fetch_npm() {
    require_tools node npm
    quietly "$1" npm install --prefix "$2" --no-audit --no-fund --ignore-scripts \
        --loglevel=error "$(version "$1" 3)@$(version "$1" 4)"
}

# fetch NAME: whole or not at all, once, whoever else is fetching it.
fetch() {
    local name=$1 target part
    case $name in
    canned | ddb-proxy) require_tools node && return ;;
    esac
    [ -n "$(version "$name" 4)" ] || fail "there is no $name in versions.txt"
    target=$(place "$name")
    [ -e "$target/complete" ] && return
    mkdir -p "$cache"
    exec 9>"$cache/$name.lock"
    flock 9
    if [ ! -e "$target/complete" ]; then
        part=$target.part
        rm -rf "$part" "$target"
        mkdir "$part"
        case $name in
        java-kcl*) fetch_java_kcl "$name" "$part" ;;
        dynamodb) fetch_dynamodb "$part" ;;
        *) fetch_npm "$name" "$part" ;;
        esac
        touch "$part/complete"
        mv "$part" "$target"
    fi
    exec 9>&-
}

# is_free PORT: nobody listens there.
is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
    local port
    while port=$((port_first + (RANDOM * 32768 + RANDOM) % port_count)); do
        is_free "$port" && echo "$port" && return
    done
}

# answers PORT: speaks HTTP.
answers() {
    local line
    line=$(
        exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit
        printf 'GET / HTTP/1.0\r\n\r\n' >&3
        timeout 2 head -c 5 <&3 | tr -d '\0'
    ) 2>/dev/null
    [ "$line" = HTTP/ ]
}

# serve NAME PORT ARGUMENT...: become the server.
serve() {
    local name=$1 port=$2 at
    shift 2
    case $name in
    canned) exec node --max-old-space-size=4096 "$here/canned.js" --port "$port" "$@" ;;
    ddb-proxy) exec node "$here/ddb_proxy.js" --port "$port" "$@" ;;
    esac
    at=$(place "$name")
    case $name in
    dynamodb)
        cd "$at"
        exec java -Xmx512m -XX:+UseSerialGC -Djava.library.path=lib -cp '.:lib/*' LoopbackOnly \
            -inMemory -sharedDb -disableTelemetry -port "$port" "$@"
        ;;
    kinesis-mock)
        export KINESIS_MOCK_PLAIN_PORT=$port KINESIS_MOCK_TLS_PORT SHARD_LIMIT=2000
        export CREATE_STREAM_DURATION=50ms DELETE_STREAM_DURATION=50ms
        export SPLIT_SHARD_DURATION=50ms MERGE_SHARDS_DURATION=50ms
        export UPDATE_SHARD_COUNT_DURATION=50ms REGISTER_STREAM_CONSUMER_DURATION=50ms
        export KINESIS_MOCK_CERT_PATH=$at/node_modules/kinesis-local/server.json
        KINESIS_MOCK_TLS_PORT=$(free_port)
        exec node -r "$here/node_server.js" "$at/node_modules/kinesis-local/main.js" "$@"
        ;;
    kinesalite)
        exec node -r "$here/node_server.js" "$at/node_modules/kinesalite/cli.js" \
            --port "$port" --shardLimit 2000 --createStreamMs 50 --deleteStreamMs 50 \
            --updateStreamMs 50 "$@"
        ;;
    *) fail "there is no server $name" ;;
    esac
}

# supervise OWNER NAME PORT FILE ARGUMENT...: run the server until it ends or OWNER has gone. It
# dies with this process, too. FILE gets its process id.
supervise() {
    local owner=$1 file=$4 server watch
    setpriv --pdeathsig KILL -- "$here/peers.sh" serve "$2" "$3" "${@:5}" &
    server=$!
    echo "$server" >"$file"
    setpriv --pdeathsig KILL -- tail --pid="$owner" -s 0.5 -f /dev/null &
    watch=$!
    wait -n "$server" "$watch" || true
    kill "$server" "$watch" 2>/dev/null || true
    for _ in $(seq $((stop_seconds_max * 5))); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done
    kill -KILL "$server" 2>/dev/null || true
    rm -f "$file" "$file.out"
}

# try_start OWNER NAME PORT LOG ARGUMENT...: print the line, or 1 if the server ended.
try_start() {
    local name=$2 port=$3 log=$4 file pid=
    file=$cache/run/$name.$port
    rm -f "$file"
    log=${log:-$file.out}
    setsid "$here/peers.sh" supervise "$1" "$name" "$port" "$file" "${@:5}" \
        </dev/null >"$log" 2>&1 9>&- &
    for _ in $(seq $((answer_seconds_max * 10))); do
        sleep 0.1
        [ -s "$file" ] && pid=$(<"$file")
        [ -n "$pid" ] || continue
        kill -0 "$pid" 2>/dev/null || break
        if answers "$port" && sleep 0.1 && kill -0 "$pid" 2>/dev/null; then
            echo "ENDPOINT=http://127.0.0.1:$port PID=$pid"
            return
        fi
    done
    [ -e "$log" ] && tail -n 5 "$log" >&2
    [ -z "$pid" ] || stop "$pid"
    return 1
}

start() {
    local name=$1 port='' owner=$PPID log='' tries=$start_tries_max
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --port) port=$2 tries=1 ;;
        --for) owner=$2 ;;
        --log) log=$2 ;;
        --) shift && break ;;
        *) fail "unknown option $1" ;;
        esac
        shift 2
    done
    kill -0 "$owner" 2>/dev/null || fail "there is no process $owner to serve"
    fetch "$name"
    mkdir -p "$cache/run"
    # Another program may take a free port before the server does: then the next one.
    for _ in $(seq "$tries"); do
        try_start "$owner" "$name" "${port:-$(free_port)}" "$log" "$@" && return
    done
    fail "$name does not start"
}

# stop PID...: only what `start` has started.
stop() {
    local pid
    for pid in "$@"; do
        grep -qsx -- "$pid" "$cache"/run/* || continue
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq $((stop_seconds_max * 20))); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
}

# exec_java_kcl NAME ARGUMENT...: JAVA_KCL_OPTIONS are those of the JVM; with JAVA_KCL_CBOR=true it asks
# Kinesis in CBOR, which kinesalite answers badly.
exec_java_kcl() {
    local at
    fetch "$1"
    at=$(place "$1")
    shift
    # shellcheck disable=SC2086
    exec java ${JAVA_KCL_OPTIONS:--Xmx256m -XX:+UseSerialGC} "-Daws.cborEnabled=${JAVA_KCL_CBOR:-false}" \
        -cp "$at/build/classes:$at/lib/*" weir.peers.KclWorker "$@"
}

command=${1-}
[ $# -gt 0 ] && shift
case $command in
fetch) for name in "$@"; do fetch "$name"; done ;;
start) [ $# -gt 0 ] || fail "start what?" && start "$@" ;;
stop) stop "$@" ;;
exec) [[ ${1-} == java-kcl* ]] || fail "exec what?" && exec_java_kcl "$@" ;;
serve) serve "$@" ;;
supervise) supervise "$@" ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" && exit 2 ;;
esac

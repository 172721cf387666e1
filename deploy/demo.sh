#!/bin/bash
# The demo: a daemon of its own, a corpus of fortunes, the preset `demo`, its progress, the table, and then the page
# until Ctrl-C. `make demo` installs and builds what it needs first.
#
# The data folder (DEMO_DATA, var/demo) is kept: each demo is one more experiment in it. With DEMO_ONCE=1 it ends
# after the table, and the daemon with it, so that no log-in link is printed. The daemon has a session of its own, so
# that Ctrl-C reaches this script alone, which cancels what still trains and then ends the daemon.
set -eu -o pipefail
cd "$(dirname "$0")/.."
program=${BUILD:-build}/ablated
client=${BUILD:-build}/ablate
data=${DEMO_DATA:-var/demo}
export ABLATE_DATA=$data
fortunes=/usr/share/games/fortunes
daemon='' corpus=$(mktemp)

say() { printf '%s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

finish()
{
    trap '' INT TERM HUP
    rm -f "$corpus"
    [ -n "$daemon" ] || return 0
    "$client" ls --json 2>/dev/null | jq -r '.items[] | select(.state | IN("queued", "running")).id' |
        while read -r id; do
            "$client" cancel "$id" >/dev/null && timeout 10 "$client" watch "$id" >/dev/null
        done 2>/dev/null || true
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    say "The daemon has ended. Everything is kept in $data."
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_daemon()
{
    [ -x "$program" ] || fail "$program isn't built; run: make demo"
    mkdir -p "$data" && chmod 700 "$data"
    setsid "$program" --data "$data" --listen 127.0.0.1:0 >"$data/daemon.log" 2>&1 &
    daemon=$!
    until grep -q '^Ablate is at ' "$data/daemon.log"; do
        kill -0 "$daemon" 2>/dev/null || { daemon=''; fail "the daemon didn't start: $(tail -n 3 "$data/daemon.log")"; }
        sleep 0.05
    done
}

# Every file of Debian's fortunes that is UTF-8, cookies separated by % lines.
import_corpus()
{
    local file
    for file in "$fortunes"/*; do
        case $file in *.dat | *.u8) continue ;; esac
        if [ -f "$file" ] && iconv -f UTF-8 -t UTF-8 "$file" >/dev/null 2>&1; then
            cat "$file"
            printf '\n%%\n'
        fi
    done >"$corpus"
    [ -s "$corpus" ] || fail "there are no fortunes in $fortunes; install the package fortunes"
    say "Corpus    $("$client" put fortunes "$corpus")"
}

start_daemon
say "Daemon    $(<"$data/address"), data in $data"
import_corpus
[ -n "${DEMO_ONCE:-}" ] || say "Page      $("$client" link)"
# 1: a comparison is invalid, as that with the third arm is meant to be.
"$client" submit --watch --patience 20 demo || [ $? = 1 ] || fail "not every run succeeded"
trap 'exit 0' INT
say ''
id=$("$client" ls --json --limit 1 | jq '.items[0].id')
"$client" report "$id" |
    awk '/^± / { on = 1 } /^## Sizes/ { on = 0 } /^### Claims in full/ { full = 1 } /^## / { full = 0 } on && !full'
say "Database  $data/ablate.db, for example:"
say "            sqlite3 -readonly -box $data/ablate.db 'SELECT run, arm, seed, final, best, seconds FROM v_runs'"
say "            (v_curves has every step: run, metric, step, value, and value_word where that isn't finite)"

if [ -n "${DEMO_ONCE:-}" ]; then
    exit 0
fi
say "Report    $client report $id --data $data (audits, sizes and all that a claim says, too)"
say "Page      $("$client" link)   (this link logs in once)"
say "The daemon serves on. Ctrl-C ends it."
wait "$daemon"

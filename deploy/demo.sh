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
data=${DEMO_DATA:-var/demo}
fortunes=/usr/share/games/fortunes
daemon='' id='' corpus=$(mktemp)

say() { printf '%s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# api METHOD PATH [curl's options …]: the answer's body; a problem is told and ends the demo.
api()
{
    local method=$1 path=$2 answer
    shift 2
    if ! answer=$(curl -sS --fail-with-body -K "$data/curlrc" -X "$method" "$@" "$address$path" 2>&1); then
        fail "$method $path: $(jq -r '.detail // .' <<<"$answer" 2>/dev/null || printf %s "$answer")"
    fi
    printf '%s\n' "$answer"
}

finish()
{
    trap '' INT TERM HUP
    rm -f "$corpus"
    [ -n "$daemon" ] || return 0
    if [ -n "$id" ]; then
        (api POST "/api/v1/experiments/$id/cancel" && api GET "/api/v1/experiments/$id?wait=10") >/dev/null 2>&1 || true
    fi
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
    address=$(<"$data/address")
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
    api PUT /api/v1/datasets/fortunes -H 'Content-Type: text/plain' --data-binary "@$corpus" |
        jq -r '"Corpus    \(.name): \(.documents) documents, \(.bytes / 1e5 | round / 10) MB"'
}

# Reads an experiment and its runs; prints the bar and a line an arm: what its newest run has reached.
# shellcheck disable=SC2016
picture='
def pad($n): . + " " * ($n - length);
def shown: if type != "number" then tostring
  else (. * 1000 | round) as $n | "\($n / 1000 | floor).\("00\($n % 1000)"[-3:])" end;
input as {items: $runs} | (([.arms[] | length] | max) + 2) as $width
| "[" + "█" * (.progress * 40 | floor) + "░" * (40 - (.progress * 40 | floor)) + "] "
  + "\(.progress * 100 | floor) %, \(.counts.succeeded + .counts.failed + .counts.cancelled) of \(.runs) runs",
( .arms[] as $arm | [$runs[] | select(.arm == $arm)]
  | (map(select(.state != "queued")) | max_by(.started_at)) as $run
  | "  " + ($arm | pad($width))
    + if $run == null then "waits"
      else ("seed \($run.seed), step \($run.step) of \($run.steps)" | pad(24))
        + ($run.final | "  train loss \(.["train/loss"] // "–" | shown | pad(6))  val loss \(.["val/loss"] // "–" | shown | pad(6))"
        + "  accuracy \(.["val/accuracy"] // "–" | shown)")
        + if $run.state | IN("failed", "cancelled") then "  \($run.state): \($run.reason)" else "" end
      end )'

# On a terminal the picture is redrawn in place (lines cut, not wrapped); elsewhere it is printed at every tenth.
watch()
{
    local experiment runs state lines=0 tenth last='' drawn
    while :; do
        kill -0 "$daemon" 2>/dev/null || { daemon=''; fail "the daemon has ended: $(tail -n 3 "$data/daemon.log")"; }
        experiment=$(api GET "/api/v1/experiments/$id")
        runs=$(api GET "/api/v1/runs?experiment=$id&page_size=1000")
        drawn=$(jq -rn "input | $picture" <<<"$experiment$runs")
        state=$(jq -r .state <<<"$experiment")
        if [ -t 1 ]; then
            [ "$lines" = 0 ] || printf '\033[%dA' "$lines"
            printf '\033[?7l%s\n\033[?7h' "${drawn//$'\n'/$'\033[K\n'}"$'\033[K'
            lines=$(wc -l <<<"$drawn")
        else
            tenth=$(jq -r '"\(.progress * 10 | floor) \(.state)"' <<<"$experiment")
            [ "$tenth" = "$last" ] || printf '%s\n' "$drawn"
            last=$tenth
        fi
        case $state in queued | running) sleep 0.5 ;; *) break ;; esac
    done
}

start_daemon
say "Daemon    $address, data in $data"
import_corpus
experiment=$(api POST /api/v1/experiments -H 'Content-Type: application/json' --data '{"preset": "demo"}')
id=$(jq .id <<<"$experiment")
[ -n "${DEMO_ONCE:-}" ] || say "Page      $("$program" link --data "$data")"
say "Submitted the preset demo: experiment $id, $(jq .runs <<<"$experiment") runs"
say ''
watch
finished=$id id=''
trap 'exit 0' INT
say ''
api GET "/api/v1/experiments/$finished/report?format=md" | sed '/^## Sizes/,$d'
say "Database  $data/ablate.db, for example:"
say "            sqlite3 -readonly -box $data/ablate.db 'SELECT run, arm, seed, final, best, seconds FROM v_runs'"
say "            (v_curves has every step: run, metric, step, value, and value_word where that isn't finite)"

if [ -n "${DEMO_ONCE:-}" ]; then
    api GET "/api/v1/experiments/$finished" | jq -e '.counts.succeeded == .runs' >/dev/null || fail "not every run succeeded"
    exit 0
fi
say "Page      $("$program" link --data "$data")   (this link logs in once)"
say "The daemon serves on. Ctrl-C ends it."
wait "$daemon"

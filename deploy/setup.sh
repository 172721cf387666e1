#!/bin/sh
# Installs, or with --check only names, the Debian packages that building, testing and the demo need.
# Usage: deploy/setup.sh [--check] [build|test|demo|deb|fault|fuzz|valgrind|bench|load|oracle|readers …]      (default: build)
set -eu

build="build-essential pkg-config libmicrohttpd-dev libjansson-dev libsqlite3-dev libopenblas-dev libseccomp-dev libuv1-dev libutf8proc-dev libfontconfig-dev nettle-dev libcurl4-openssl-dev zlib1g-dev"
demo="curl jq sqlite3 fortunes fortunes-min gnuplot-nox"
deb="debhelper help2man lintian"
test="libcmocka-dev clang-format curl jq sqlite3 fortunes fortunes-min gnuplot-nox chromium-headless-shell nginx openssl strace mandoc python3-torch python3-numpy"
fault="debootstrap systemd-container faketime iproute2 slowhttptest"
fuzz="clang"
valgrind="valgrind"
bench="python3-torch python3-numpy"
load="slowhttptest"
readers="prometheus python3-pandas r-base-core r-cran-readr r-cran-rsqlite"
oracle=$bench

check=no
[ "${1:-}" = --check ] && { check=yes; shift; }
[ $# -gt 0 ] || set -- build

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

missing=
for group in "$@"; do
    case $group in
        build) wanted=$build ;;
        demo) wanted=$demo ;;
        test) wanted=$test ;;
        deb) wanted=$deb ;;
        fault) wanted=$fault ;;
        fuzz) wanted=$fuzz ;;
        valgrind) wanted=$valgrind ;;
        bench) wanted=$bench ;;
        load) wanted=$load ;;
        oracle) wanted=$oracle ;;
        readers) wanted=$readers ;;
        *) echo "setup: unknown group '$group' (build, test, demo, deb, fault, fuzz, valgrind, bench, load, oracle, readers)" >&2; exit 64 ;;
    esac
    for package in $wanted; do
        case $package in
            build-essential) command -v gcc >/dev/null && command -v make >/dev/null && continue ;;
            nginx) [ -x /usr/sbin/nginx ] && continue ;;
            curl | jq | sqlite3 | openssl | clang | clang-format) command -v "$package" >/dev/null && continue ;;
        esac
        installed "$package" || missing="$missing $package"
    done
    # The page needs uPlot and markdown-it, and the tests their clients, from npm. A node that didn't come from Debian is as good.
    if [ "$group" != oracle ] && [ "$group" != bench ] && [ "$group" != load ] && [ "$group" != readers ]; then
        command -v node >/dev/null || missing="$missing nodejs"
        command -v npm >/dev/null || missing="$missing npm"
    fi
done
# shellcheck disable=SC2086
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')

[ -n "${missing# }" ] || exit 0
if [ $check = yes ]; then
    echo "Missing Debian packages: $missing" >&2
    echo "Install them with: make setup" >&2
    exit 69
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "Installing: $missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
# The tests start an nginx and a Prometheus of their own. Nobody has asked for Debian's to serve from now on.
for service in nginx prometheus; do
    case " $missing" in *" $service "*)
        $as_root service "$service" stop >/dev/null 2>&1 || true
        $as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
        ;;
    esac
done

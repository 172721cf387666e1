#!/bin/sh
# Holds a machine for a test: this one's files, a network of its own, and systemd as its first process.
# Usage: tests/fault/programs/boot.sh CGROUP      CGROUP: a folder of the cgroup2 tree that doesn't exist yet
#
#   the test ──its pipe──▶ this ──▶ pid 1 of new namespaces ──▶ systemd-nspawn ──▶ systemd ──▶ journald, ablated …
#
# Standard input is the machine's life. A line boots it (again); its end, however the test ended, ends pid 1, and with it
# the kernel ends every process and every mount. Said are "ready", then "down" each time the machine has gone down.
#
# Its files are an overlay of /, whose changes a tmpfs keeps from boot to boot. Taken out of it is what this machine's
# administrators have made of it: their units, mounts, journals, and an Ablate of theirs. systemd-nspawn's own filter of
# system calls is off, for it knows no Landlock; --keep-unit, since its dbus, if any, would take our pids for others'.
set -eu

if [ "${2:-}" != inside ]; then
    mkdir "$1"
    # shellcheck disable=SC2016
    sh -c 'echo 0 > "$1/cgroup.procs" && exec unshare --cgroup --mount --pid --fork --kill-child --mount-proc "$0" "$1" inside' \
        "$0" "$1" || status=$?
    # The kernel takes a moment over the last process.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$1" -depth -type d -exec rmdir {} + 2>/dev/null && break
        sleep 0.2
    done
    exit "${status:-0}"
fi

mount -t tmpfs -o size=2g,mode=755 tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
umount -lR /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /run/root
rm -rf ./etc/systemd/system ./etc/rc?.d ./etc/fstab ./usr/lib/systemd/system/multi-user.target.wants \
    ./var/log/journal ./var/lib/ablate ./usr/local/lib/systemd ./usr/local/lib/sysusers.d
mkdir -p ./etc/systemd/system ./var/log/journal
machine() { SYSTEMD_SECCOMP=0 systemd-nspawn -q --register=no --keep-unit --private-network --link-journal=no --machine=ablate -D /run/root "$@"; }
machine --pipe true </dev/null
echo ready
while read -r _; do
    { machine --console=pipe --boot </dev/null || true; echo down; } &
done

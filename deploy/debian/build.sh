#!/bin/sh
# Builds the Debian package from the sources as they lie here, committed or not.
# Usage: deploy/debian/build.sh BUILD VERSION       gives BUILD/ablate_VERSION_ARCH.deb, which lintian has looked at
set -eu

build=$1 version=$2
top=$(pwd)
stage=$build/deb/ablate-$version
rm -rf "$build/deb"
mkdir -p "$stage"
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
else
    find . -path "./$build" -prune -o -type f -print0
fi | tar -c --null --files-from=- --ignore-failed-read 2>/dev/null | tar -x -C "$stage"
[ ! -d web/node_modules ] || cp -r web/node_modules "$stage/web/"
cp -r "$top/deploy/debian" "$stage/debian"

# CHANGELOG.md, as Debian writes one. A version beyond the last one there is a build of today.
awk -v version="$version" '
    function over() { if (date != "") printf "\n -- The Ablate authors <ablate@ablate.invalid>  %s\n\n", date }
    function begin(number, day,    command) {
        over()
        command = "date -R -u -d " day
        command | getline date
        close(command)
        printf "ablate (%s) bookworm; urgency=medium\n\n", number
    }
    /^## / {
        day = substr($3, 2, 10)
        if (date == "" && $2 != version) { begin(version, day); print "  * A build after " $2 "." }
        begin($2, day)
    }
    date != "" && /^(\* |  )/ {
        for (i = 1; i <= NF; i++) {
            if ($i == "*" || length(line) + length($i) > 74) { if (line != "") print line; line = $i == "*" ? " " : "   " }
            line = line " " $i
        }
    }
    date != "" && /^$/ && line != "" { print line; line = "" }
    END { print line; over() }' CHANGELOG.md > "$stage/debian/changelog"

cd "$stage"
dpkg-buildpackage -b -us -uc
cd "$top"
mv "$build"/deb/*.deb "$build/"
rm -rf "$build/deb"
lintian --fail-on error,warning "$build"/ablate_"$version"_*.deb

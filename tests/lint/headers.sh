#!/bin/bash
# Checks that a header declares what its own .c file defines: NAME.h, and NAME_priv.h, for the folder that it stands in,
# the functions of NAME.c beside it. What a table of rows declares by a macro is left alone: its rows are a file each.
# That no header includes itself by way of others, and that no two files of the programs have one name, but for main.c.
# Last, that no folder holds more than 24 files of source: C, the page, SQL, scripts. A test's data isn't counted.
set -u
cd "$(dirname "$0")/../.." || exit 70

mapfile -t files < <(find common server worker -name '*.[ch]' | sort)
awk '
# Of headers alone: state is 1 while it is looked at, 2 afterwards.
function circle(header, way,    part, i, n)
{
    if (state[header] == 1) { print header ": includes itself, by way of" way; bad++ }
    if (state[header]) return
    state[header] = 1
    n = split(includes[header], part, " ")
    for (i = 1; i <= n; i++) circle(part[i], way " " part[i])
    state[header] = 2
}
FNR == 1 {
    name = ""
    base = FILENAME
    sub(/.*\//, "", base)
    if (base != "main.c" && base in first) { print FILENAME ": is named as " first[base]; bad++ }
    first[base] = FILENAME
}
/^#include ".*_priv\.h"/ {
    split($0, part, "\"")
    folder = part[2]
    sub(/[^\/]*$/, "", folder)
    if (index(FILENAME, folder) != 1) { print FILENAME ":" FNR ": may not include " part[2]; bad++ }
}
/^#include "/ && FILENAME ~ /\.h$/ {
    split($0, part, "\"")
    includes[FILENAME] = includes[FILENAME] " " part[2]
}
/^[a-z]/ && !/^(static|typedef|extern) / && match($0, /[ *][a-z][a-z_0-9]*\(/) {
    name = substr($0, RSTART + 1, RLENGTH - 2)
    if (FILENAME ~ /\.h$/) { declared[++n] = name; header[n] = FILENAME; line[n] = FNR }
}
/^\{/ && name != "" && FILENAME ~ /\.c$/ { defined[name] = defined[name] " " FILENAME " " }
/[;{}]$/ { name = "" }
END {
    for (file in includes) circle(file, "")
    for (i = 1; i <= n; i++) {
        own = header[i]
        sub(/(_priv)?\.h$/, ".c", own)
        if (declared[i] in defined && !index(defined[declared[i]], " " own " ")) {
            print header[i] ":" line[i] ": declares " declared[i] " of" defined[declared[i]]
            bad++
        }
    }
    if (bad) print "headers: " bad " break the rules"
    exit bad > 0
}' "${files[@]}" || exit 1

find common server worker web schema tests deploy -name node_modules -prune -o -type f -regex '.*\.\(m?js\|[ch]\|sql\|sh\|py\)' -print |
    awk '{ sub(/\/[^\/]*$/, ""); if (++held[$0] == 25) { print $0 ": holds more than 24 files"; bad++ } } END { exit bad > 0 }'

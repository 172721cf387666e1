#!/bin/bash
# Checks that includes and imports go downwards. Three tables: which of the project's headers a file may include (the
# first row that matches the file decides), the few files that may include a vendor's header, and which of the page's
# modules a module may import.
set -u
cd "$(dirname "$0")/../.." || exit 70

# file (regular expression)                         what it may include
rooms='
common/base/                                         common/base/
common/names\.[ch]                                   common/(base/|names\.h)
common/json/                                         common/(base/|names\.h|json/)
common/philox\.[ch]                                  common/(base/|philox\.h)
common/spec/                                         common/(base/|names\.h|json/|spec/)
common/sweep/                                        common/(base/|names\.h|json/|spec/|sweep/)
common/audit/                                        common/(base|spec|audit)/
common/corpus/                                       common/(base/|json/|philox\.h|spec/|corpus/)
common/wire/                                         common/(base/|names\.h|json/|wire/)
server/base/                                        common/|server/base/
server/data/                                        common/|server/(base|data)/
server/filter/                                      common/|server/filter/
server/coding/                                      common/|server/coding/
server/store/                                       common/|server/(base|filter|store)/
server/jobs/                                        common/|server/(base|data|store|jobs)/
server/backup/                                      common/|server/(base|data|store|backup)/
server/query/                                       common/|server/(base|data|store|jobs|query)/
server/feed/                                        common/|server/(base|data|store|objects|jobs|feed)/
server/runs/                                        common/|server/(base|data|store|objects|jobs|runs)/
server/retention/                                   common/|server/(base|data|store|objects|jobs|runs|retention)/
server/notices/                                     common/|server/(base|data|store|objects|jobs|notices)/
server/objects/                                     common/|server/(store|objects)/
server/verdict/                                     common/|server/(store|objects|verdict)/
server/report/                                      common/|server/(base|store|objects|verdict|report)/|server/export/csv\.h
server/capsule/                                     common/|server/(store|objects|verdict|report|capsule)/
server/export/                                      common/|server/(store|objects|export)/
server/http/httpd\.[ch]                              common/|server/(base|data|store|jobs|http)/
server/http/exchange/                               common/|server/(base|coding|data|store|jobs)/|server/http/(exchange/|(assets|auth|endpoint|gate|linger|peers|refusals|reply|route)\.h)
server/http/                                        common/|server/(base|coding|data|store|jobs)/|server/http/([a-z]+|exchange/state)\.h
server/api/                                         common/|server/(base|coding|data|store|objects|jobs|query|feed|runs|retention|verdict|report|capsule|export|api)/|server/http/(endpoint|reply|auth|httpd|exchange/exchange_request)\.h
server/client/                                      common/|server/client/
server/[a-z]+\.[ch]                                 common/|server/
worker/base/                                         common/|worker/base/
worker/ops/                                          common/|worker/(base|ops)/
worker/attn/                                         common/|worker/(base|ops|attn)/
worker/moe/                                          common/|worker/(base|ops|moe)/
worker/optim/                                        common/|worker/(base|ops|optim)/
worker/data/                                         common/|worker/(base|data)/
worker/model/                                        common/|worker/(base|ops|attn|moe|data|model)/
worker/files/                                        common/|worker/(base|data|files)/
worker/process/                                      common/|worker/(base|ops|process)/
worker/audit/                                        common/|worker/(base|ops|attn|moe|optim|data|model|files|process|audit)/
worker/train/                                        common/|worker/(base|ops|attn|moe|optim|data|model|files|process|audit|train)/
worker/capsule/                                      common/|worker/(base|ops|attn|moe|optim|data|model|files|process|audit|train|capsule)/
worker/main\.c                                       common/|worker/
'
# header                                            files that may include it
vendors='
sqlite3\.h                                          server/store/
microhttpd\.h                                       server/http/
cblas\.h                                            worker/ops/gemm\.c
linux/landlock\.h                                    common/base/confine\.c
seccomp\.h                                           common/base/confine\.c|worker/process/sandbox\.c|server/query/walls\.c
uv\.h                                               server/(main\.c|base/watch\.c|jobs/|http/(exchange/|(httpd|linger)\.[ch])|query/quer(ies|y_run)\.c|notices/|runs/|feed/stream\.[ch])
curl/curl\.h                                        server/client/(where|http|deliver|transfer)\.c
zlib\.h                                             server/coding/
nettle/.*                                           common/base/digest\.[ch]
fontconfig/.*                                       server/report/figure_parts\.c
utf8proc\.h                                          common/names\.c
'

grep -rnE --include='*.[ch]' '^ *# *include' common server worker | awk -v rooms="$rooms" -v vendors="$vendors" '
BEGIN {
    rows = split(rooms, row, "\n")
    for (i = 1; i <= rows; i++)
        if (split(row[i], cell, " ") == 2) { room[++n] = "^" cell[1]; may[n] = "^(" cell[2] ")" }
    rows = split(vendors, row, "\n")
    for (i = 1; i <= rows; i++)
        if (split(row[i], cell, " ") == 2) { vendor[++m] = "^" cell[1] "$"; files[m] = "^" cell[2] }
}
{
    split($0, part, ":")
    place = part[1] ":" part[2]
    match($0, /[<"][^>"]*/)
    header = substr($0, RSTART + 1, RLENGTH - 1)
    if ($0 ~ /"/) {
        for (i = 1; i <= n && part[1] !~ room[i]; i++) ;
        if (i > n || header !~ may[i]) { print place ": may not include " header; bad++ }
    }
    for (i = 1; i <= m; i++)
        if (header ~ vendor[i] && part[1] !~ files[i]) { print place ": may not include " header; bad++ }
}
END {
    if (bad) print "layers: " bad " includes break the rules"
    exit bad > 0
}' || exit 1

# module                                            what it may import
modules='
web/base/                                           web/base/
web/feed/                                           web/(base|feed)/
web/attention/                                      web/(base|attention)/
web/editor/                                         web/(base|editor)/
web/parts/                                          web/(base|parts|lib)/
web/charts/                                         web/(base|parts|charts|lib)/
web/views/                                          web/(base|attention|editor|parts|charts|views)/
web/app\.js                                         web/
'
grep -rnE --include='*.js' --exclude-dir=node_modules '(from |import\()["`]\.' web | awk -v rooms="$modules" '
BEGIN {
    rows = split(rooms, row, "\n")
    for (i = 1; i <= rows; i++)
        if (split(row[i], cell, " ") == 2) { room[++n] = "^" cell[1]; may[n] = "^" cell[2] }
}
{
    split($0, part, ":")
    match($0, /(from |import\()["`]\.[^"`]*/)
    path = substr($0, RSTART, RLENGTH)
    sub(/^[^.]*/, "", path)
    folder = part[1]
    sub(/\/[^\/]*$/, "", folder)
    while (sub(/^\.\//, "", path) || (sub(/^\.\.\//, "", path) && sub(/\/[^\/]*$/, "", folder))) ;
    for (i = 1; i <= n && part[1] !~ room[i]; i++) ;
    if (i > n || folder "/" path !~ may[i]) { print part[1] ":" part[2] ": may not import " folder "/" path; bad++ }
}
END {
    if (bad) print "layers: " bad " imports break the rules"
    exit bad > 0
}'

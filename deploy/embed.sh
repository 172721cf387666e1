#!/bin/sh
# Prints assembly that holds the files named on standard input ("path-in-program file", a line each) and
# the table embedded[] of server/base/embed.h, sorted by path. Works with any GNU-compatible assembler.
set -eu
LC_ALL=C sort | awk '
BEGIN { print "\t.section .rodata" }
{
    path[NR] = $1
    printf "data%d:\n\t.incbin \"%s\"\nend%d:\n\t.byte 0\npath%d:\n\t.asciz \"%s\"\n", NR, $2, NR, NR, $1
}
END {
    print "\t.section .data.rel.ro,\"aw\"\n\t.balign 8\n\t.global embedded\nembedded:"
    for (i = 1; i <= NR; i++)
        printf "\t.quad path%d\n\t.quad data%d\n\t.quad end%d - data%d\n", i, i, i, i
    printf "\t.section .rodata\n\t.balign 8\n\t.global embedded_n\nembedded_n:\n\t.quad %d\n", NR
    print "\t.section .note.GNU-stack,\"\",%progbits"
}'

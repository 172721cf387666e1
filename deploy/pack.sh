#!/bin/sh
# Prepares the page's files among those that deploy/embed.sh is to hold ("path-in-program file", a line each, on standard
# input) in the folder named, and prints the list for it: each file of web/ once more, packed, as path.gz; web/digest, 16
# hexadecimal digits of all of them; and web/index.html, in which they are named by that digest (page/DIGEST/app.js), so
# that a browser keeps them until there are others.
set -eu
folder=$1
rm -rf "$folder"
mkdir -p "$folder"
list=$(LC_ALL=C sort)
page=$(printf '%s\n' "$list" | grep '^web/')
printf '%s\n' "$list" | grep -v '^web/'
digest=$(printf '%s\n' "$page" | while read -r path file; do echo "$path"; cat "$file"; done | sha256sum | cut -c 1-16)
echo "$digest" > "$folder/digest"
echo "web/digest $folder/digest"
printf '%s\n' "$page" | while read -r path file; do
    to=$folder/$path
    mkdir -p "$(dirname "$to")"
    if [ "$path" = web/index.html ]; then
        sed -E "s#(href|src)=\"(/?)([A-Za-z][A-Za-z0-9/._-]*\\.(js|css|svg))\"#\\1=\"\\2page/$digest/\\3\"#g" "$file" > "$to"
        file=$to
    fi
    gzip -9nc "$file" > "$to.gz"
    echo "$path $file"
    echo "$path.gz $to.gz"
done

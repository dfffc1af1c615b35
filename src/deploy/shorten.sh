# shellcheck shell=sh disable=SC2154 # all variables come in the environment
# Leaves out the middle of a transcript, with a note in its place.
umask 077
{ head -c "$begin" "$file"; printf '\n%s\n\n' "$note"; tail -c "$half" "$file"; } >"$file.new" && mv "$file.new" "$file"
rm -f "$file.new"

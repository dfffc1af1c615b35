# shellcheck shell=sh disable=SC2154 # file and pid come in the environment
# Asks for the end of a deploy when its terminal sends the signal of Ctrl-C.
trap 'printf Ctrl-C >"$file.tmp" && mv -f "$file.tmp" "$file"' INT
while kill -0 "$pid" 2>/dev/null; do sleep 1; done

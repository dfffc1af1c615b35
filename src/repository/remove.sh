# shellcheck shell=sh
# Removes the files of which the names come, ended by NUL, and the folders that become empty. A folder that has such a
# name stays, but for a submodule where $1 is `modules`.
# shellcheck disable=SC2016 # for the inner shell
xargs -0 sh -c 'for name; do
  if [ "$0" = modules ] && [ -e "$name/.git" ] && [ ! -L "$name" ]; then rm -rf -- "$name"; fi
  if [ -d "$name" ] && [ ! -L "$name" ]; then continue; fi
  rm -f -- "$name"
  case $name in */*) rmdir -p --ignore-fail-on-non-empty -- "${name%/*}" 2>/dev/null || : ;; esac
done' "$1"

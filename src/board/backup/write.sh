# shellcheck shell=sh disable=SC2154 # stage, root and patience come in the environment
# Writes a backup to stdout: the members named by the arguments, then all files of the list, then
# the seal. Follows watch.sh.
set -e
mkfifo "$stage/copy"
sha256sum <"$stage/copy" >"$stage/sum" &
summing=$!
watch_mover </dev/null >/dev/null 2>&1 &
watcher=$!
{
  { tar -cS --ignore-failed-read -C "$stage/files" "$@" -C "$root" --no-recursion --null --verbatim-files-from -T "$stage/list" \
      2>"$stage/errors" || [ $? = 1 ] || echo tar >"$stage/failed"
  } | gzip || echo gzip >"$stage/failed"
} | sh -c 'echo $$ >"$stage/mover"; exec tee "$stage/copy"' || echo tee >"$stage/failed"
kill "$watcher" || :
wait "$summing"
if grep -vE 'No such file or directory$|file changed as we read it$|File removed before we read it$|File shrank|: Exiting' "$stage/errors" >&2
then exit 1; fi
[ ! -e "$stage/failed" ] && printf '\037\213\010\020\0\0\0\0\0\003piku backup 1 sha256 %s\0\003\0\0\0\0\0\0\0\0\0' "$(cut -c -64 "$stage/sum")"

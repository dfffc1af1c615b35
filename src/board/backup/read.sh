# shellcheck shell=sh disable=SC2154 # stage, file and patience come in the environment
# Unpacks a backup, from stdin or a file, into files/ and leaves beside it its checksum, its seal and
# the first file that no backup has. Arguments: the only members to unpack. Follows watch.sh.
cd "$stage" && mkfifo whole end || exit
[ -z "$file" ] || exec <"$file"
head -c -106 <whole | sha256sum >sum & summing=$!
tail -c 106 <end >seal & sealing=$!
watch_mover </dev/null >/dev/null 2>&1 &
watcher=$!
sh -c 'echo $$ >mover; exec tee whole end' | tar -xzp --no-same-owner -C files "$@" 2>errors
status=$?
kill "$watcher"
wait "$summing" "$sealing"
# What a stranger packed must not run as another user.
find files -type f -perm /6000 -exec chmod ug-s -- {} + || status=1
own='files/((apps|data)/[^/]+|plugins|hooks|acme)/.+'
kept='files/((repos|envs|releases)/[^/]+/.+|(nginx|sockets)/[^/]+|piku\.json|ENV|authorized_keys)'
find files -regextype posix-extended ! -type d ! \( -type f -regex "$own|$kept" \) ! \( -type l -regex "$own" \) \
  -print -quit >strange || status=1
exit $status

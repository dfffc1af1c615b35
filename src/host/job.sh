# shellcheck shell=sh
# STATUS LOG COMMAND...: descriptor 3 is what `start` waits for, so that the session and its .pid file
# exist once that is done. The traps, which the command does not inherit, let this shell outlive a
# TERM to the group and write the status down.
trap : TERM INT HUP
exec 3>&1 </dev/null >>"$2" 2>&1
echo "$$" >"$1.pid" || exit
exec 3>&-
(shift 2; exec "$@")
echo "$?" >"$1.tmp" && mv -f "$1.tmp" "$1"

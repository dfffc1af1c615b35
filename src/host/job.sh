# shellcheck shell=sh
# STATUS LOG COMMAND...: whoever has started it waits for the .pid file. The traps, which the command does
# not inherit, let this shell outlive a TERM to the group and write the status down.
trap : TERM INT HUP
exec >>"$2" 2>&1
echo "$$" >"$1.pid" || exit
(shift 2; exec "$@")
echo "$?" >"$1"

# Starts the worker, "$@", for the first connection to the socket that the emperor holds and hands
# over as stdin; brings connections from there to the worker's port; and lets it go when there was
# none for so long. What arrives meanwhile waits in the socket. The values stand above.
# shellcheck disable=SC2154 # they are set there

# They were for uWSGI until now, which another one takes the place of.
unset UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
exec 3<&0 </dev/null
# The app may write there, so no link is followed. To be woken is not to be restarted.
set -C
rm -f "$starts"

proxy=
# The emperor has its children ignore SIGTERM, which no shell can change.
trap '[ -z "$proxy" ] || kill -KILL "$proxy" 2>/dev/null; exit 0' USR1
{
  "$@" 3<&-
  kill -USR1 $$
} &

listens() { grep -qs ":$hex 0*:0000 0A " /proc/net/tcp /proc/net/tcp6; }
# One that ends again and again is down, and whoever waits is told so. Nothing of the app's is opened.
until listens || [ "$(find "$starts" -prune -type f -size +2c 2>/dev/null)" ]; do sleep 0.1; done
if listens; then rm -f "$ready" && : >"$ready"; fi

# An emperor of an earlier version holds no socket, and then nothing sleeps.
# shellcheck disable=SC2016 # for perl
serve='use POSIX; use Socket; my $path = shift;
unless (-S STDIN) {
  unlink $path;
  socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($path)) && listen(S, 100) or die "$path: $!";
  chmod 0666, $path;
  POSIX::dup2(fileno(S), 0);
}
POSIX::dup2(0, 3);
@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
exec @ARGV;'
[ -S /proc/self/fd/3 ] || seconds=infinity
for proxyd in /usr/lib/systemd/systemd-socket-proxyd /lib/systemd/systemd-socket-proxyd; do
  [ ! -x "$proxyd" ] || break
done
until
  perl -e "$serve" "$socket" "$proxyd" --connections-max=1000 "--exit-idle-time=$seconds" "$to" <&3 3<&- &
  proxy=$!
  wait "$proxy"
do sleep 1; done

# Command 22 of uWSGI's emperor: back to holding the socket. It has the worker end.
perl -e 'open my $emperor, ">&=", $ENV{UWSGI_EMPEROR_FD} or die $!; syswrite $emperor, "\026"'
wait

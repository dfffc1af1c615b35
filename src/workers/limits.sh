# Runs "$@" within limits, whose values stand above: in a control group (cgroup v2) as far as the
# kernel has one for them, each process by itself (setrlimit(2)) as far as not.
# shellcheck disable=SC2154 # they are set above

# They were for uWSGI until now, which another one takes the place of.
unset UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME

put() { [ -z "$2" ] || [ ! -e "$1" ] || echo "$2" >"$1"; }

limit() { # FOLDER MEMORY PROCESSES CPU
  put "$1/memory.max" "$2" &&
    # It is to be ended rather than to wear out the card.
    put "$1/memory.swap.max" "${2:+0}" &&
    put "$1/pids.max" "$3" &&
    put "$1/cpu.max" "${4:+$(($4 * $(nproc) * 1000)) 100000}" &&
    put "$1/cpu.weight" "$4"
}

# Processes lie in leaves only (cgroups(7)), so the emperor and all that it has started move into one.
clear_unit() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(cat "$unit/cgroup.procs") && [ -n "$pids" ] || return 0
    for pid in $pids; do echo "$pid" >"$unit/emperor/cgroup.procs"; done
  done
}

join() {
  mkdir -p "$unit/emperor" "$unit/$group/$worker" && clear_unit &&
    echo "$on" >"$unit/cgroup.subtree_control" &&
    echo "$on" >"$unit/$group/cgroup.subtree_control" &&
    limit "$unit/$group" "$app_memory" "$app_processes" "$app_cpu" &&
    limit "$unit/$group/$worker" "$memory" "$processes" "$cpu" &&
    echo $$ >"$unit/$group/$worker/cgroup.procs"
}

own=$(sed -n 's/^0:://p' /proc/self/cgroup)
unit=/sys/fs/cgroup${own%/emperor}
on=
# A service that systemd has handed over to its user (Delegate=). Root may write everywhere.
case $unit in
  *.service)
    if [ -w "$unit/cgroup.procs" ] && [ "$(id -u)" != 0 ]; then
      for controller in $wanted; do
        case " $(cat "$unit/cgroup.controllers") " in *" $controller "*) on="$on +$controller" ;; esac
      done
    fi
    ;;
esac
if [ -n "$on" ]; then join 2>/dev/null || join || on=; fi

case $on in *cpu*) ;; *) [ -z "$app_cpu$cpu" ] || echo "piku: PIKU_CPU has no effect; doctor tells why" >>"$log" ;; esac
# shellcheck disable=SC3045 # dash and busybox have it
case $on in *memory*) ;; *) [ -z "$each_memory" ] || ulimit -d "$each_memory" ;; esac
case $on in
  *pids*) ;;
  *) [ -z "$each_processes" ] || set -- unshare --user --map-current-user prlimit --nproc="$each_processes" "$@" ;;
esac
exec "$@"

#!/bin/sh
# Whole Debian machines with their own systemd and network, to try on them what only a real board shows. For root on Debian;
# `test/setup.sh machines` installs what this needs. By hand:
#
#   machine.sh create NAME [--suite SUITE] [--arch ARCH] [--baked | --openrc | --board] [--from MACHINE]
#       a fresh machine: bookworm, trixie, forky or sid; amd64, arm64, armhf or armel (emulated unless it is this machine's).
#       --baked: what install.sh installs is there already. --openrc: that, and OpenRC is its init. --board: that,
#       and what the original needs. --from: as that one is, which must not run, now or later
#   machine.sh boot NAME [MEMORY]           until its init is up; MEMORY is a cap such as 512M
#   machine.sh exec NAME COMMAND...         as root inside, with nothing of this environment; gives its exit status
#   machine.sh copy NAME FILE... FOLDER     puts files into it
#   machine.sh root NAME | address NAME     its root folder, its address
#   machine.sh cable NAME OTHER             one network for two machines that run, so that they hear each other's multicasts
#   machine.sh init NAME | memory NAME      its first process, as seen from here; most bytes that it used, where there is a cap
#   machine.sh stop NAME | cut NAME         shuts it down; takes away its power
#   machine.sh destroy NAME | list
#   machine.sh sweep                        destroys the machines whose owner is gone
#   machine.sh system SUITE ARCH            makes the system that machines begin as, unless it is there, and prints its folder
#
# A machine belongs to the process that called `create`; PIKU_MACHINE_OWNER names another by its id, such as 1 for one that stays
# until it is destroyed. Machines lie below PIKU_MACHINES (/var/lib/piku-machines), the systems that they begin as in the cache
# of the build. Each has a network of its own, 10.213.N.0/30, and reaches by NAT what this machine reaches.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
home=${PIKU_MACHINES:-/var/lib/piku-machines}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/piku-build/machines
native=$(dpkg --print-architecture)
network=10.213
PATH=$PATH:/usr/sbin:/sbin

die() {
  printf '%s\n' "machine.sh: $*" >&2
  exit 1
}

# Runs the rest while nobody else runs what has this name.
alone() {
  mkdir -p "$home"
  exec 9>"$home/.$1.lock"
  flock 9
  shift
  "$@" 9>&-
  exec 9>&-
}

# ---- what machines begin as ----

# The names of variables that tell programs which certificates to trust and which registry or proxy to ask.
handed_on() {
  env | grep -iE '^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO|PIP_(CERT|INDEX_URL|DEFAULT_TIMEOUT|DISABLE_PIP_VERSION_CHECK)|UV_[A-Z_]*|GOPROXY|CARGO_HTTP_[A-Z_]*|npm_config_(registry|cafile)|(https?|no|all)_proxy)=' || :
}

# What install.sh installs on Debian.
packages_of_board() { sed -n 's/^debian[^ ]* .* \(git openssh-server .*\)/\1/p' "$here/../../install.sh"; }

# Where this machine's own packages come from.
# shellcheck disable=SC2016 # for apt-get
mirror() { apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 2>/dev/null | sed -n 's/ \(bookworm\|trixie\) main$//p' | head -n 1; }

# A fresh system: `base SUITE ARCH FOLDER`.
base() {
  [ "$2" = "$native" ] || test -e "/proc/sys/fs/binfmt_misc/qemu-$(emulated "$2")" || die "$2 cannot be run here: test/setup.sh machines $2"
  script=$1
  # What Debian 12 does not know yet is made as its sid.
  [ -e "/usr/share/debootstrap/scripts/$script" ] || script=sid
  from=$(mirror)
  debootstrap --arch="$2" --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps "$1" "$3" "${from:-http://deb.debian.org/debian}" "$script" ||
    die "debootstrap failed: see $3.log"
  # A mirror may be behind what changes each day.
  case $1 in forky | sid) echo 'Acquire::Check-Valid-Until "false";' >"$3/etc/apt/apt.conf.d/mirror" ;; esac
  rm -f "$3"/var/cache/apt/archives/*.deb "$3/etc/machine-id"
}

emulated() { case $1 in arm64) echo aarch64 ;; armhf | armel) echo arm ;; *) echo "$1" ;; esac; }

# What else is installed.
more_packages() { case $1 in openrc) echo openrc ;; board) echo python3-click virtualenv ;; esac; }

# The same with the packages of a board, and more: `bake SUITE ARCH FOLDER baked|openrc|board`.
bake() {
  [ -n "$(packages_of_board)" ] || die "install.sh has no packages for Debian where they were"
  from=$(system "$1" "$2" '')
  cp -a --reflink=auto "$from" "$3"
  give_certificates "$3"
  # shellcheck disable=SC2046 # lists of words
  systemd-nspawn --quiet --register=no --keep-unit --pipe --resolv-conf=copy-host -D "$3" --setenv=DEBIAN_FRONTEND=noninteractive \
    sh -c 'apt-get -q update && exec apt-get -q -y --no-install-recommends install "$@"' sh $(packages_of_board) $(more_packages "$4") || die "packages could not be installed: see $3.log"
  rm -f "$3"/var/cache/apt/archives/*.deb "$3/etc/machine-id"
}

# The folder of a system, which is made unless it is there: `system SUITE ARCH baked|openrc|board|''`.
system() {
  place=$cache/$1-$2
  way=base
  if [ -n "$3" ]; then
    way=bake
    place=$place-$3-$({ packages_of_board; more_packages "$3"; } | sha256sum | cut -c 1-12)
  fi
  # Only what is whole has its name.
  if [ ! -d "$place" ]; then
    mkdir -p "$cache"
    rm -rf --one-file-system "$place.new"
    ("$way" "$1" "$2" "$place.new" "$3") >"$place.new.log" 2>&1 || { tail -n 5 "$place.new.log" >&2; exit 1; }
    mv "$place.new" "$place"
  fi
  printf '%s\n' "$place"
}

# A machine trusts what this one trusts.
give_certificates() {
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$1/usr/local/share/ca-certificates/" \; 2>/dev/null || :
}

# ---- machines ----

started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
owner() {
  id=${PIKU_MACHINE_OWNER:-$PPID}
  echo "$id $(started "$id")"
}
has_owner() {
  # shellcheck disable=SC2046 # two words
  set -- $(cat "$home/$1/owner" 2>/dev/null)
  id=${1:-} since=${2:-}
  [ "$(started "$id")" = "$since" ]
}

create() {
  name=$1 suite=bookworm arch=$native baked='' openrc='' from=''
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --suite) suite=$2 && shift ;;
      --arch) arch=$2 && shift ;;
      --from) from=$2 && shift ;;
      --baked) baked=baked ;;
      --openrc) baked=openrc openrc=1 ;;
      --board) baked=board ;;
      *) die "create has no option '$1'" ;;
    esac
    shift
  done
  case $name in '' | *[!a-z0-9-]*) die "'$name' cannot be a name: small letters, digits and - only" ;; esac
  [ ! -e "$home/$name" ] || die "there is a machine $name already"
  if [ -n "$from" ]; then
    [ -e "$home/$from/layers" ] || die "there is no machine $from"
    [ -z "$(init_of "$from")" ] || die "$from runs"
    layers=$home/$from/upper:$(cat "$home/$from/layers")
  else
    layers=$(alone "system-$suite-$arch" system "$suite" "$arch" "$baked")
  fi
  new=$home/$name
  mkdir -p "$new/upper" "$new/work" "$new/root"
  owner >"$new/owner"
  printf '%s\n' "$layers" >"$new/layers"
  [ -z "$openrc" ] || : >"$new/openrc"
  show "$name"
  give_certificates "$new/root"
  if [ -z "$from" ]; then
    handed_on >>"$new/root/etc/environment"
    # Without one systemd takes it for the very first boot, and turns services on that no board has on.
    tr -d - </proc/sys/kernel/random/uuid >"$new/root/etc/machine-id"
  fi
  if [ "$arch" != "$native" ]; then
    # An emulator knows nothing of the system call by which services are given credentials.
    mkdir -p "$new/root/etc/systemd/system/service.d"
    printf '%s\n' '[Service]' LoadCredential= SetCredential= >"$new/root/etc/systemd/system/service.d/emulated.conf"
  fi
  printf '%s\n' "$name" >"$new/root/etc/hostname"
  printf '%s\n' '127.0.0.1 localhost' "127.0.1.1 $name" >"$new/root/etc/hosts"
}

# What is under a machine is shared and never changes; what it writes lies over it. (To copy 530 MB took 15 s here, this takes none.)
show() {
  mountpoint -q "$home/$1/root" && return
  mount -t overlay "piku-$1" -o "redirect_dir=on,metacopy=off,lowerdir=$(cat "$home/$1/layers"),upperdir=$home/$1/upper,workdir=$home/$1/work" "$home/$1/root" ||
    die "no overlay can be mounted at $home/$1"
}

# The first process of the machine: the one child of the systemd-nspawn that boot started.
init_of() {
  pid=$(cat "$home/$1/pid" 2>/dev/null) || return 0
  case $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) in systemd-nspawn*"=$1 "*) ;; *) return 0 ;; esac
  children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || return 0
  echo "${children%% *}"
}

# A pair of devices, of which one lies in a namespace of the machine's own. What leaves it is translated.
wire() {
  n=1
  while [ -e "/sys/class/net/piku$n" ] || ip -o -4 address | grep -qF " $network.$n."; do n=$((n + 1)); done
  [ $n -le 250 ] || die "no network is free: machine.sh list"
  ip netns add "piku-$1"
  ip link add "piku$n" type veth peer name host0 netns "piku-$1"
  ip address add "$network.$n.1/30" dev "piku$n"
  ip link set "piku$n" up
  ip -n "piku-$1" address add "$network.$n.2/30" dev host0
  ip -n "piku-$1" link set host0 up
  ip -n "piku-$1" link set lo up
  ip -n "piku-$1" route add default via "$network.$n.1"
  [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || sysctl -qw net.ipv4.ip_forward=1
  nft list table ip piku-machines >/dev/null 2>&1 ||
    nft "table ip piku-machines { chain out { type nat hook postrouting priority 100; ip saddr $network.0.0/16 ip daddr != $network.0.0/16 masquerade; }; }"
  printf '%s\n' "$network.$n.2" >"$home/$1/address"
}

# Each machine has a network of its own, over which no multicast goes to another.
cable() {
  [ -d "$home/$2" ] || die "there is no machine $2"
  ip link add lan0 netns "piku-$1" type veth peer name lan0 netns "piku-$2"
  last=1
  for name in "$1" "$2"; do
    ip -n "piku-$name" address add "$network.255.$last/24" dev lan0
    ip -n "piku-$name" link set lan0 up
    last=$((last + 1))
  done
}

unwire() {
  ip netns del "piku-$1" 2>/dev/null || :
  # The devices of a namespace go a while after it.
  if [ -e "$home/$1/address" ]; then
    n=$(cut -d . -f 3 "$home/$1/address")
    ip link del "piku$n" 2>/dev/null || :
    rm "$home/$1/address"
  fi
}

# Where the control groups of processes and of memory are: one tree, or two of the former kind.
trees() { for place in /sys/fs/cgroup /sys/fs/cgroup/unified; do [ ! -e $place/cgroup.procs ] || echo $place; done; }
memory_tree() { for place in /sys/fs/cgroup/memory $(trees); do [ ! -e "$place/cgroup.procs" ] || { echo "$place" && return; }; done; }
groups_of() { for place in $(printf '%s\n' "$(trees)" "$(memory_tree)" | sort -u); do [ ! -d "$place/piku-$1" ] || echo "$place/piku-$1"; done; }

make_groups() {
  for place in $(trees); do mkdir -p "$place/piku-$1"; done
  [ -n "$2" ] || return 0
  group=$(memory_tree)/piku-$1
  mkdir -p "$group"
  # What is not there can have no cap: better no machine than one without.
  for file in memory.max memory.limit_in_bytes; do [ ! -e "$group/$file" ] || { echo "$2" >"$group/$file" && return; }; done
  die "this machine's kernel cannot cap memory"
}

most_memory() {
  for group in "$(memory_tree)/piku-$1" "/sys/fs/cgroup/machine.slice/machine-$(systemd-escape "$1").scope"; do
    for file in memory.peak memory.max_usage_in_bytes; do [ ! -e "$group/$file" ] || { cat "$group/$file" && return; }; done
  done
  die "no memory of $1 is counted here"
}

# A group takes a moment to be empty.
remove_groups() {
  for i in 1 2 3 4 5 6 7 8 9 10; do
    find /sys/fs/cgroup/*/"piku-$1" /sys/fs/cgroup/"piku-$1" -depth -type d -exec rmdir {} + 2>/dev/null || :
    [ -n "$(groups_of "$1")" ] || return 0
    sleep 0.1
  done
}

boot() {
  name=$1 memory=${2:-}
  [ -e "$home/$name/layers" ] || die "there is no machine $name"
  [ -z "$(init_of "$name")" ] || die "$name runs already"
  show "$name"
  unwire "$name"
  alone network wire "$name"
  set -- systemd-nspawn --quiet -D "$home/$name/root" --machine="$name" --network-namespace-path="/run/netns/piku-$name" \
    --resolv-conf=replace-host --link-journal=no
  # Where no systemd runs there is nobody to ask for control groups, so we make them.
  if [ -d /run/systemd/system ]; then
    [ -z "$memory" ] || set -- "$@" --property="MemoryMax=$memory"
  else
    set -- "$@" --register=no --keep-unit
    make_groups "$name" "$memory"
  fi
  if [ ! -e "$home/$name/openrc" ]; then
    set -- "$@" --boot
  else
    # systemd-nspawn leaves the settings of a network read-only that it has not made itself.
    net=/proc/sys/net
    set -- "$@" /bin/sh -c "mount --bind $net $net && mount -o remount,bind,rw $net && exec /sbin/openrc-init"
  fi
  # As today's boards have it, also where this machine has the former control groups.
  # shellcheck disable=SC2016 # for the inner shell
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid sh -c 'groups=$1 && shift && for group in $groups; do echo $$ >"$group/cgroup.procs"; done && exec "$@"' \
    sh "$(groups_of "$name")" "$@" </dev/null >"$home/$name/console" 2>&1 9>&- &
  pid=$!
  echo $pid >"$home/$name/pid"
  i=0
  while [ $i -lt 1200 ]; do
    kill -0 $pid 2>/dev/null || { tail -n 5 "$home/$name/console" >&2; die "$name did not boot"; }
    ! is_up "$name" || return 0
    sleep 0.1
    i=$((i + 1))
  done
  die "$name is not up after two minutes: $home/$name/console"
}

is_up() {
  # shellcheck disable=SC2016 # for the inner shell
  if [ -e "$home/$1/openrc" ]; then
    (enter "$1" sh -c '[ "$(cat /run/openrc/softlevel)" = default ] && [ ! -e /run/openrc/rc.starting ]') 2>/dev/null
  else
    case $(enter "$1" systemctl is-system-running 2>/dev/null) in running | degraded) ;; *) return 1 ;; esac
  fi
}

enter() {
  init=$(init_of "$1")
  [ -n "$init" ] || die "$1 does not run"
  shift
  # What is run inside counts as the machine's.
  sed -n 's/^[0-9]*:\(memory\)\{0,1\}:/\1 /p' "/proc/$init/cgroup" | while IFS=' ' read -r kind path; do
    case $kind in memory) group=/sys/fs/cgroup/memory$path ;; *) group=$(trees | tail -n 1)$kind ;; esac
    echo $$ 2>/dev/null >"$group/cgroup.procs" || :
  done
  # shellcheck disable=SC2016 # for the inner shell
  nsenter -t "$init" -m -u -i -n -p -C -r -w -- /usr/bin/env -i TERM=dumb HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c 'set -a; [ ! -r /etc/environment ] || . /etc/environment; set +a; exec "$@"' sh "$@"
}

# Waits until the machine has gone, for at most so many seconds.
gone() {
  i=0
  while [ -n "$(init_of "$1")" ] && [ $i -lt $(($2 * 10)) ]; do
    sleep 0.1
    i=$((i + 1))
  done
  [ -z "$(init_of "$1")" ]
}

stop() {
  # Not by a signal: an emulator gives the one that means this another number, and it would be rescue mode.
  off='systemctl poweroff'
  [ ! -e "$home/$1/openrc" ] || off='openrc-shutdown -p now'
  # shellcheck disable=SC2086 # a command and its words
  [ -z "$(init_of "$1")" ] || enter "$1" $off >/dev/null 2>&1 || :
  gone "$1" 90 || printf '%s\n' "machine.sh: $1 did not shut down within 90 s, so its power is cut" >&2
  cut_power "$1"
}

cut_power() {
  init=$(init_of "$1")
  [ -z "$init" ] || { kill -9 "$init" 2>/dev/null; gone "$1" 10; } || die "$1 cannot be ended"
  rm -f "$home/$1/pid"
  unwire "$1"
  remove_groups "$1"
}

destroy() {
  cut_power "$1"
  ! mountpoint -q "$home/$1/root" || umount "$home/$1/root" || umount -l "$home/$1/root"
  rm -rf --one-file-system "${home:?}/$1"
}

machines() { for folder in "$home"/*/layers; do [ ! -e "$folder" ] || basename "$(dirname "$folder")"; done; }

sweep() {
  for name in $(machines); do has_owner "$name" || destroy "$name" || :; done
}

verb=${1:-}
[ $# = 0 ] || shift
case $verb in
  create | boot | exec | copy | root | address | cable | init | memory | stop | cut | destroy)
    [ $# -ge 1 ] || die "$verb needs the name of a machine"
    mkdir -p "$home"
    case $verb in create | root) ;; *) [ -d "$home/$1" ] || die "there is no machine $1" ;; esac
    ;;
esac
case $verb in
  create | boot | cable | stop | destroy) "$verb" "$@" ;;
  system) alone "system-$1-$2" system "$1" "$2" '' ;;
  sweep) alone sweep sweep ;;
  exec) enter "$@" ;;
  cut) cut_power "$1" ;;
  root) printf '%s\n' "$home/$1/root" ;;
  address) cat "$home/$1/address" ;;
  init) init_of "$1" ;;
  memory) most_memory "$1" ;;
  copy)
    name=$1
    shift
    for last in "$@"; do :; done
    while [ $# -gt 1 ]; do
      cp -a "$1" "$home/$name/root/$last"
      shift
    done
    ;;
  list) machines ;;
  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
    exit 2
    ;;
esac

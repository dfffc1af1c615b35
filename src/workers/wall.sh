#!/bin/sh
# Written by piku; changes are lost.
# Runs a command of an app behind a wall: it sees of piku's folder and of the home only what is the app's, and no
# process but its own. Nothing of it needs root.
#
#   wall.sh KIND ROOT HOME APP RUN [WORD...] -- COMMAND...
#
# KIND: `serve` a worker's uWSGI, which handles signals by itself; `build` a step of a build, which may write into the
# build tree; `tree` what piku itself does with the trees; `run` anything else. RUN: the folder of the worker's files and
# its name in it (…/run-7/web.1), or `-`.
# WORD: `socket=NAME` of a socket that it will make; `held=NAME` of one that the emperor hands it, where it can;
# `env=FILE` of settings, a shell script; `file=FILE` of piku's that it writes; `limit=OPTION` for prlimit.
#
# Outside it becomes `unshare`, which waits for the command, ends as it ends, and takes it along when it is killed.
# What is set here must come from piku: settings of an app, such as PATH or LD_PRELOAD, count only behind the wall.
set -eu
if [ "$1" != in ]; then
  root=$2 app=$4
  WALL_PATH=${PATH-}
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export PATH WALL_PATH
  # The emperor's log, for one, comes along; what it tells a worker by does as well, and has to.
  for open in 3 4 5 6 7 8 9; do
    case $open in "${UWSGI_EMPEROR_FD-}" | "${UWSGI_EMPEROR_FD_CONFIG-}") ;; *) eval "exec $open>&-" ;; esac
  done
  own=$root/releases/$app/wall
  mkdir -p "$own/home" "$own/tmp" "$root/sockets/$app~" "$root/data/$app" "$root/logs/$app"
  # A socket is reached from outside by a second name of it, which the app cannot turn into a link to somewhere else.
  names=
  for word in "$@"; do
    case $word in
      --) break ;;
      socket=*) names="$names ${word#*=}" ;;
      held=*) [ "${PIKU_ON_DEMAND-}" ] || names="$names ${word#*=}" ;;
    esac
  done
  for name in $names; do rm -f "$root/sockets/$app~/$name" "$root/sockets/$name"; done
  [ -z "$names" ] || (
    for name in $names; do
      until [ -S "$root/sockets/$app~/$name" ]; do
        kill -0 $$ 2>/dev/null || exit 0
        sleep 0.05
      done
      ln -P "$root/sockets/$app~/$name" "$root/sockets/$name"
      # It is the app's again if it was a link.
      { [ -S "$root/sockets/$name" ] && [ ! -L "$root/sockets/$name" ]; } || rm -f "$root/sockets/$name"
    done
  ) </dev/null >/dev/null 2>&1 &
  # systemd may allow no such namespace.
  if unshare --user --ipc true 2>/dev/null; then ipc=--ipc; else ipc=--mount; fi
  exec unshare --user --map-current-user --keep-caps --mount --pid "$ipc" --fork --kill-child sh "$0" in "$@"
fi

kind=$2 root=$3 home=$4 app=$5 run=$6
shift 6
env='' files='' limits=''
while [ "$1" != -- ]; do
  case $1 in
    env=*) env=${1#*=} ;;
    file=*) files="$files ${1#*=}" ;;
    limit=*) limits="$limits ${1#*=}" ;;
  esac
  shift
done
shift
here=$(pwd -P)
own=$root/releases/$app/wall
# The number that it has outside; /proc is still that of there.
read -r outer rest </proc/self/stat
[ "$kind" != serve ] || echo "$outer" >"$run.pid"

# ---- what is seen, put together below /dev/shm ----

quietly() { "$@" 2>/dev/null || :; }
# Whatever is mounted here is read-only.
ro=bind,ro,nosuid,nodev
mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev tmpfs /dev/shm
new=/dev/shm/.wall
mkdir $new
mount -t tmpfs -o size=4m,mode=755,nosuid,nodev tmpfs $new
mkdir $new/root $new/home $new/tmp $new/none
mount --bind "$own/home" $new/home
mount --bind "$own/tmp" $new/tmp
[ "$kind" != build ] || quietly find $new/tmp -xdev -mindepth 1 -mtime +10 -delete

# PATH below ROOT, which may be a link to another disk, where it is to be seen, and how. What is mounted below it comes
# along: the kernel would not show what lies under it.
show() {
  [ -e "$root/$1" ] || return 0
  if [ -d "$root/$1" ]; then mkdir -p "$new/root/${2-$1}"; else mkdir -p "$new/root/${1%/*}" && : >"$new/root/$1"; fi
  mount -o "${3-rbind}" "$root/$1" "$new/root/${2-$1}"
}
keep() { show "$1" "$1" $ro; }
# Git's own files of a work tree, which tell git what to run.
tree() {
  [ -e "$root/$1" ] || return 0
  show "$1"
  if [ -L "$new/root/$1/.git" ] || [ ! -d "$new/root/$1/.git" ]; then
    echo "wall.sh: $root/$1 has no .git" >&2
    exit 70
  fi
  mount -o $ro "$new/root/$1/.git" "$new/root/$1/.git"
}
if [ "$kind" = tree ]; then
  show "apps/$app"
  show "releases/$app/tree"
  keep "repos/$app"
else
  tree "apps/$app"
  [ "$kind" != build ] || tree "releases/$app/tree"
  show "data/$app"
  show "logs/$app"
  show "sockets/$app~" sockets
  keep "repos/$app/objects"
  keep "envs/$app"
  # Dependencies, and what cargo makes on the way.
  for folder in "$root/envs/$app"/.[0-9a-f]* "$root/envs/$app/cargo"; do
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then mount --bind "$folder" "$new/root${folder#"$root"}"; fi
  done
fi
for file in $files; do show "${file#"$root/"}"; done
if [ "$run" != - ]; then
  folder=releases/$app/${run##*"/releases/$app/"}
  folder=${folder%/*}
  show "$folder"
  # What is started next time, and by whom it is known.
  for file in "$new/root/$folder/$app"_*.ini* "$new/root/$folder"/*.limits "$new/root/$folder"/*.sleep "$new/root/$folder"/*.pid; do
    if [ -f "$file" ] && [ ! -L "$file" ]; then mount -o $ro "$file" "$file"; fi
  done
fi
[ -z "$env" ] || keep "${env#"$root/"}"

# Programs of the board's own.
for folder in bin .local/bin .local/lib .local/pipx .local/share/pipx .local/share/pypoetry .bun .deno .nvm .cargo/bin .rustup go/bin; do
  [ -d "$home/$folder" ] || continue
  mkdir -p "$new/home/$folder"
  mount -o $ro "$home/$folder" "$new/home/$folder"
done

mount -o remount,$ro $new

# ---- what is not seen ----

# Where an administrator has linked folders of piku's to.
for link in "$root" "$root"/* "$root"/apps/* "$root"/data/* "$root"/envs/* "$root"/repos/* "$root"/releases/* "$root"/logs/* "$root"/cache/*; do
  if [ ! -L "$link" ] || [ ! -d "$link" ]; then continue; fi
  aim=$(readlink -f "$link")
  case $aim/ in "$root"/*) continue ;; esac
  mount --bind $new/none "$aim"
done
# What runs for this user elsewhere, such as systemd, takes orders there.
[ ! -d /run/user ] || mount --bind $new/none /run/user
while read -r _ _ _ _ place rest; do
  case $place in /sys/fs/cgroup*) quietly mount -o remount,$ro,noexec "$place" ;; esac
done </proc/self/mountinfo
mount --rbind $new/tmp /tmp
mount --rbind $new/tmp /var/tmp
mkdir -p "$home"
mount --rbind $new/home "$home"
mkdir -p "$root"
mount --rbind $new/root "$root"
umount -l $new
rmdir $new
quietly mount -t devpts -o ptmxmode=0666,mode=620 devpts /dev/pts
# A container hides parts of /proc, and then the kernel lets nobody have another: it is read-only there.
if mount -t proc -o nosuid,nodev,noexec proc /proc 2>/dev/null; then
  quietly eval 'echo 0 >/proc/sys/user/max_user_namespaces'
else
  mount --rbind /proc /proc
  mount -o remount,$ro,noexec /proc
fi
cd "$here" 2>/dev/null || cd /

# ---- the command, without the rights of who built the wall ----

PATH=$WALL_PATH
unset WALL_PATH UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
# shellcheck disable=SC2086 # a list of options
[ -z "$limits" ] || set -- prlimit $limits -- "$@"
# The first process of a namespace is deaf to most signals, so a program that does not handle them is the second.
# shellcheck disable=SC2016 # for the inner shell
case $kind in
  # uWSGI keeps what it wrote to before it has opened its log: that of the emperor.
  serve) exec >"$run.out" 2>&1 ;;
  *) set -- sh -c '[ -z "$0" ] || . "$0"; "$@"; exit "$?"' "$env" "$@" ;;
esac
exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"

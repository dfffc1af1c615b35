#!/bin/sh
# Puts piku on this machine, or on the card of another one.
#
#   curl -fsSL URL/install.sh | sh -s -- [--key FILE] [...]     as root; run it again to upgrade
#   sh install.sh --root /mnt/card --key id.pub                 prepares a card; it comes up by itself
#   curl -fsSL URL/install.sh | sh -s -- --client               on a laptop with Linux or macOS, without root
#
# POSIX sh, nothing else. All of it is in braces, so that a download that was cut short does nothing.
# shellcheck disable=SC2016 # what is in single quotes is for an inner shell
# shellcheck disable=SC2018,SC2019,SC2020 # not every busybox knows classes of characters
{
set -eu
umask 022
LC_ALL=C
# A plain `su` leaves root without the folders of its own programs, and a service of Alpine's finds busybox's before those of packages.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL PATH DEBIAN_FRONTEND=noninteractive

# Where the release is; `npm run build` writes it into dist/install.sh when it is told (PIKU_RELEASES).
release=
# The public keys one of which has signed the release, a line each; the build writes them.
release_keys=
user=piku
mark="# Written by piku's install.sh; changes are lost."
units=/etc/systemd/system
place=/usr/local/lib/piku
# A folder of units that /etc goes before.
vendor=/usr/local/lib/systemd/system
nginx_drop_in=$units/nginx.service.d/piku.conf
until_boot="the former piku's services go on until the next boot"

usage() {
  cat <<'END'
Usage: sh install.sh [options]
  --from URL|DIR     where SHA256SUMS and the executables are
  --key FILE         public keys that may push; else those of root, or of whoever called sudo
  --target NAME      another executable than the one that fits (linux-armv7, linux-x64-lite, ...)
  --hostname NAME    the machine's name
  --domain NAME      an app without a server name gets APP.NAME
  --default-site     turns off the distribution's welcome site
  --class            walls between all apps, and limits for each: for a board of many people
  --root DIR         prepares the mounted root of a Debian or Raspberry Pi OS card
  --force            takes an older release too
  --no-check         does not push an app at the end to see that it works
  --client           puts the client on this computer, for whoever calls it: no root
  --uninstall        takes away what this script put there; apps and their data stay
END
}

# IDs of os-release; tried or not; package manager; nginx's user; folder of nginx's http files; service of sshd; packages.
distributions() {
  cat <<'END'
debian,raspbian,ubuntu tried apt www-data /etc/nginx/conf.d ssh git openssh-server openssh-client nginx uwsgi-core uwsgi-plugin-python3 python3-venv openssl curl ca-certificates
fedora,rhel,centos untried dnf nginx /etc/nginx/conf.d sshd git-core openssh-server openssh-clients nginx uwsgi uwsgi-plugin-python3 python3 openssl curl ca-certificates tar
alpine untried apk nginx /etc/nginx/http.d sshd git openssh-server openssh-client-default nginx uwsgi uwsgi-python3 python3 openssl curl ca-certificates util-linux coreutils findutils tar
END
}

say() { printf '%s\n' "-----> $*"; }
warn() { printf '%s\n' "Warning: $*" >&2; }
die() {
  printf '%s\n' "Error: $1" >&2
  [ -z "${2:-}" ] || printf '%s\n' "Hint: $2" >&2
  exit 1
}

read_options() {
  from='' key='' target='' root='' hostname='' domain='' default_site='' class='' uninstall='' first_boot='' go_over='' client='' no_check='' force=''
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --key | --target | --root | --hostname | --domain)
        [ -n "${2:-}" ] || die "$1 needs a value" "sh install.sh --help"
        eval "${1#--}=\$2"
        shift
        ;;
      --default-site) default_site=1 ;;
      --class) class=1 ;;
      --uninstall) uninstall=1 ;;
      --client) client=1 ;;
      --no-check) no_check=1 ;;
      --force) force=1 ;;
      --first-boot) first_boot=1 ;;
      --go-over) go_over=1 ;;
      --help) usage && exit 0 ;;
      *) die "there is no option '$1'" "sh install.sh --help" ;;
    esac
    shift
  done
  from=${from%/} root=${root%/}
  [ -n "$client" ] || [ "$(id -u)" = 0 ] || die "this must run as root" "sudo sh install.sh ..."
  if [ -n "$key" ]; then [ -r "$key" ] || die "there is no key file '$key'"; fi
  is_name "$hostname" || die "'$hostname' is not a valid host name" "letters, digits and -, at most 63, with neither - nor . at an end; such as classroom"
  is_name "$domain" || die "'$domain' is not a valid domain" "such as school.lan"
  if [ -z "$from" ]; then
    # Beside this script, when it is a file.
    beside=$(dirname "$0")
    if [ -n "$release" ]; then from=$release; elif [ -r "$beside/SHA256SUMS" ]; then from=$beside; fi
  fi
  case $from in
    '') [ -n "$uninstall$go_over" ] || die "no address of a release is known" "--from https://..., or a folder with SHA256SUMS" ;;
    https://*) ;;
    http://*) is_near "$from" || die "$from is not an address of a private network, and plain http can be changed on the way from others" "use https://; or get the release yourself, and --from its folder" ;;
    *)
      [ -d "$from" ] || die "there is no folder '$from'"
      from=$(cd "$from" && pwd)
      ;;
  esac
}

# Whether a URL leads to a private network, or its name says so.
is_near() {
  near=${1#*://}
  printf '%s\n' "${near%%/*}" | grep -qiE '^((localhost|[a-z0-9.-]+\.(local|lan|internal|home\.arpa)|(10|127)(\.[0-9]+){3}|(192\.168|169\.254|172\.(1[6-9]|2[0-9]|3[01])|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))(\.[0-9]+){2})|\[(::1|(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):[0-9a-f:]*)\])(:[0-9]+)?$'
}

# RFC 1123, and Linux takes no longer one than 64.
is_name() {
  case $1 in *[!a-zA-Z0-9.-]*) return 1 ;; esac
  [ "${#1}" -le 64 ] && printf '%s\n' "$1" | grep -qE '^(([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)?$'
}

# ---- what this machine, or the card, is ----

find_distribution() {
  [ -r "$root/etc/os-release" ] || die "${root:-this machine} has no /etc/os-release, so its distribution is not known"
  words=$(sed -n 's/^\(ID\|ID_LIKE\)=//p' "$root/etc/os-release" | tr -d "\"'" | tr '\n' ' ')
  for word in $words; do
    line=$(distributions | grep -E "^([a-z]+,)*$word(,[a-z]+)* ") || continue
    # shellcheck disable=SC2086 # the line is words
    set -- $line
    tried=$2 manager=$3 web=$4 http_files=$5 sshd=$6
    shift 6
    packages=$*
    case $manager in apt) keygen=openssh-client ;; dnf) keygen=openssh ;; apk) keygen=openssh-keygen ;; esac
    return
  done
  die "there are no package names for this distribution ($words)" "there are: $(distributions | cut -d' ' -f1 | tr '\n' ' ')"
}

bytes_of() { od -An -tu1 -j "$2" -N "$3" "$1" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'; }

# A program of this machine, or of the card: links in it lead within it.
follow() {
  file=$1
  for _ in 1 2 3 4 5 6 7 8 9; do
    [ -L "$root$file" ] || break
    to=$(readlink "$root$file")
    case $to in /*) file=$to ;; *) file=${file%/*}/$to ;; esac
  done
  printf '%s\n' "$root$file"
}

# The loader that an ELF program names (PT_INTERP), such as /lib/ld-musl-x86_64.so.1; nothing for a static one.
loader_of() {
  od -An -v -tu1 -N 4096 "$1" | awk '
    function number(at, size) { for (sum = 0; size--;) sum = sum * 256 + byte[at + size]; return sum }
    { for (i = 1; i <= NF; i++) byte[count++] = $i }
    END {
      wide = byte[4] == 2
      at = wide ? number(32, 8) : number(28, 4)
      for (left = wide ? number(56, 2) : number(44, 2); left--; at += wide ? 56 : 32)
        if (number(at, 4) == 3) { print wide ? number(at + 8, 8) : number(at + 4, 4), wide ? number(at + 32, 8) : number(at + 16, 4); exit }
    }' | while read -r from_byte length; do dd if="$1" bs=1 skip="$from_byte" count="$length" 2>/dev/null | tr -d '\000'; done
}

# The userland decides, not the kernel: a 64-bit kernel may carry a 32-bit system. Gives the targets that fit, the best first.
find_targets() {
  for shell in /usr/bin/sh /bin/sh; do
    program=$(follow $shell)
    [ ! -f "$program" ] || break
  done
  [ -f "$program" ] || die "${root:-this machine} has no /bin/sh to see its processor from"
  # Which C library: another one may lie in /lib as well, for other programs.
  musl=
  case $(loader_of "$program") in */ld-musl-*) musl=-musl ;; esac
  case "$(bytes_of "$program" 4 1) $(bytes_of "$program" 18 2)" in
    "2 62 0") big=linux-x64 ;;
    "2 183 0") big=linux-arm64 ;;
    "1 40 0")
      targets="linux-armv7 linux-armv6"
      if [ -n "$root" ] || is_armv6; then targets=linux-armv6; fi
      return
      ;;
    *) die "there is no piku for this processor ($(uname -m))" "there is one for x86-64, 64-bit ARM, ARMv7 and ARMv6" ;;
  esac
  targets="$big-lite"
  # A card may come into any board.
  [ -z "$root" ] || return 0
  memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  # Bun's wants libraries on musl that may not be there.
  if [ "$memory" -lt 1000 ] || [ -n "$musl" ]; then targets="$big-lite $big$musl"; else targets="$big$musl $big-lite"; fi
}

# dpkg says armhf for a Pi Zero's ARMv6 as well.
is_armv6() {
  case $(uname -m) in armv6*) return 0 ;; esac
  architecture=$(sed -n 's/^CPU architecture[^0-9]*\([0-9]*\).*/\1/p' /proc/cpuinfo | head -n 1)
  [ "${architecture:-8}" -lt 7 ]
}

# Megabytes that an executable may have: those on QuickJS have 2, those on Bun 111.
size_of() { case $1 in *-lite | linux-armv*) echo 10 ;; *) echo 130 ;; esac; }

need_space() {
  there=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  [ "$there" -ge "$2" ] || die "$1 has only $there MB left, and $2 MB are needed" "make room, then run this again"
}

# What may not be trusted runs as nobody, in a folder of its own.
as_nobody() { su -s /bin/sh -c 'cd "$1" && shift && HOME=$PWD exec "$@"' -- nobody sh "$trial" "$@"; }
make_trial() {
  [ -z "$trial" ] || return 0
  trial=$(mktemp -d)
  chown nobody "$trial"
}

# ---- the release ----

# Downloads a file of the release into $work, and checks it by SHA256SUMS, whose signature is checked.
fetch() {
  case $from in
    # What is asked for over https comes over nothing else.
    http*://*) curl -fsSL --proto "=${from%%:*}" --proto-redir =https --retry 3 --connect-timeout 20 -o "$work/$1" "$from/$1" 2>"$work/why" ;;
    *) cp "$from/$1" "$work/$1" 2>"$work/why" ;;
  esac || die "could not download $1 from $from: $(tail -n 1 "$work/why")" "look at the network and the address, then run this again"
  case $1 in SHA256SUMS*) return 0 ;; esac
  wanted=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$1\$/\1/p" "$work/SHA256SUMS")
  [ -n "$wanted" ] || die "the release at $from has no $1"
  # macOS has shasum only.
  if command -v sha256sum >/dev/null; then sum=$(sha256sum "$work/$1"); else sum=$(shasum -a 256 "$work/$1"); fi
  [ "${sum%% *}" = "$wanted" ] ||
    die "checksum mismatch: $1" "the download may have been cut short: run this again"
}

# Gets what the release says of itself: nothing of it is run before it is known who has signed that.
read_release() {
  [ -n "$release_keys" ] || die "this install.sh is not from a release, so it knows no key that may sign one" "npm run build, then dist/install.sh"
  case $from in http:*) warn "plain http can be read and changed on the way; who signed the release is checked all the same" ;; esac
  need_tools
  fetch SHA256SUMS
  fetch SHA256SUMS.sig
  printf '%s\n' "$release_keys" | sed 's/^/piku namespaces="piku-release" /' >"$work/signers"
  ssh-keygen -Y verify -f "$work/signers" -I piku -n piku-release -s "$work/SHA256SUMS.sig" <"$work/SHA256SUMS" >"$work/why" 2>&1 ||
    die "the release at $from is not signed with a key that this install.sh knows: $(tail -n 1 "$work/why")" \
      "run this again, the download may have been cut short; else somebody has changed the release, or it is of other people than this install.sh"
  offered=$(sed -n '1s/^# piku \([0-9A-Za-z.-]*\)$/\1/p' "$work/SHA256SUMS")
  [ -n "$offered" ] || die "the release at $from does not say its version"
}

# What a release is fetched and checked with; on this machine they are installed, as they will be anyhow.
need_tools() {
  early=
  command -v ssh-keygen >/dev/null || early=$keygen
  case $from in http*) command -v curl >/dev/null || early="$early curl ca-certificates" ;; esac
  [ -n "$early" ] || return 0
  [ -z "$root$client" ] || die "curl and ssh-keygen are needed to get the release, and to check who signed it" "install them (Debian: curl and openssh-client), then run this again"
  # shellcheck disable=SC2086 # a list of words
  install_packages $early
}

# Refuses a release that is older than the piku at hand, by what that prints as its version.
refuse_older() {
  has=$(printf '%s\n' "$1" | awk '$1 == "piku" { print $2; exit }')
  if [ -z "$has" ] || [ -n "$force" ] || ! is_older "$offered" "$has"; then return 0; fi
  die "the release at $from is piku $offered, and here is $has, which is newer" "to go back all the same: --force"
}

# Whether a version is older than another (semver.org).
is_older() {
  printf '%s\n' "$1" "$2" | awk '
    function compare(one, other,  a, b, n, i) {
      n = split(one, a, "."); i = split(other, b, "."); if (i > n) n = i
      for (i = 1; i <= n; i++) {
        if (a[i] "" == b[i] "") continue
        if (a[i] ~ /^[0-9]+$/ && b[i] ~ /^[0-9]+$/) { if (a[i] + 0 != b[i] + 0) return a[i] + 0 < b[i] + 0 ? -1 : 1 }
        else return a[i] "" < b[i] "" ? -1 : 1
      }
      return 0
    }
    { sub(/[+].*/, ""); at = index($0, "-"); main[NR] = at ? substr($0, 1, at - 1) : $0; tag[NR] = at ? substr($0, at + 1) : "" }
    END {
      is = compare(main[1], main[2])
      if (!is && tag[1] != tag[2]) is = tag[1] == "" ? 1 : tag[2] == "" ? -1 : compare(tag[1], tag[2])
      exit is >= 0
    }'
}

# Gets the first of these targets that the release has and, unless it is for a card, that runs here.
get_executable() {
  for name in "$@"; do
    grep -q " [ *]piku-$name\$" "$work/SHA256SUMS" || continue
    # A card has some of a release only.
    case $from in http*) ;; *) [ -e "$from/piku-$name" ] || [ -z "$first_boot" ] || continue ;; esac
    say "Getting piku-$name from $from"
    fetch "piku-$name"
    chmod 755 "$work/piku-$name"
    chosen=$name
    [ -z "$root" ] || return 0
    if version=$(try_executable "$work/piku-$name" 2>"$work/why"); then return; fi
    warn "piku-$name does not run here: $(tail -n 1 "$work/why")"
  done
  die "the release at $from has no executable that runs here (tried: $*)" "--target names another"
}

# What it says of itself: root does not run what it is about to give to others.
try_executable() {
  if [ -n "$client" ]; then
    "$1" --version
    return
  fi
  ln "$1" "$trial/piku"
  status=0
  as_nobody ./piku --version || status=$?
  rm -f "$trial/piku"
  return $status
}

# ---- this machine ----

install_packages() {
  missing=
  for package in "$@"; do is_installed "$package" || missing="$missing $package"; done
  [ -n "$missing" ] || return 0
  need_space / 350
  say "Installing packages:$missing"
  log=/var/log/piku-install.log
  # shellcheck disable=SC2086 # a list of words
  case $manager in
    # What was cut short by a power cut stops every apt-get until it is configured.
    apt) dpkg --configure -a && apt-get -q -o DPkg::Lock::Timeout=600 update && apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install $missing ;;
    dnf) dnf -q -y install $missing ;;
    apk) apk -q add $missing ;;
  esac >"$log" 2>&1 </dev/null || die "the packages could not be installed: $(grep -i -E '^E:|err|fail|unable|no space' "$log" | tail -n 1)" "all of it is in $log; then run this again"
}

is_installed() {
  case $manager in
    # As itself or by another that stands for it, as uwsgi does for uwsgi-core after Debian 13.
    apt) dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides},\n' 2>/dev/null | grep -qE "^installed (.*, )?$1[ ,]" ;;
    dnf) rpm -q "$1" >/dev/null 2>&1 ;;
    apk) apk info -e "$1" >/dev/null 2>&1 ;;
  esac
}

home_of() { sed -n "s/^$1:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd; }
password_of() { sed -n "s/^$1:\([^:]*\):.*/\1/p" /etc/shadow; }
has_systemd() { [ -d /run/systemd/system ]; }
has_openrc() { command -v rc-update >/dev/null; }

make_user() {
  if ! id "$user" >/dev/null 2>&1; then
    say "Making the user $user"
    make_group
    if command -v useradd >/dev/null; then useradd --create-home --gid "$user" --shell /bin/sh "$user"
    else adduser -D -G "$user" -s /bin/sh "$user"; fi
    chmod 750 "$(home_of "$user")"
  fi
  # No password fits, so that only keys do; a locked account would keep those out as well.
  case $(password_of "$user") in '!' | '!!') printf '%s\n' "$user:*" | chpasswd -e ;; esac
  home=$(home_of "$user")
  [ -n "$home" ] || die "the user $user has no home folder"
  # A power cut may have left the user without a home.
  [ -d "$home" ] || install -d -m 750 -o "$user" -g "$(id -gn "$user")" "$home"
}

join_group() { if command -v usermod >/dev/null; then usermod -aG "$1" "$user"; else addgroup "$user" "$1"; fi; }
leave_group() { if command -v gpasswd >/dev/null; then gpasswd -d "$user" "$1" >/dev/null; else delgroup "$user" "$1"; fi; }
is_member() { id -Gn "$user" | tr ' ' '\n' | grep -qxF "$1"; }
make_group() {
  if grep -q "^$user:" /etc/group; then return; fi
  if command -v groupadd >/dev/null; then groupadd "$user"; else addgroup "$user"; fi
}

# What was there before, for --uninstall; the first word on each thing counts.
note() {
  [ -n "$2" ] || return 0
  mkdir -p "$place"
  grep -qs "^$1=" "$place/before" || printf '%s\n' "$1=$2" >>"$place/before"
}
noted() { sed -n "s/^$1=//p" "$place/before" 2>/dev/null || :; }

# Puts a file in its place whole: from stdin, with a mode.
put() {
  cat >"$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
}

# The same with our mark, below a first line that names an interpreter; another's file in its place is kept beside it.
put_marked() {
  if [ -e "$1" ] && ! is_ours "$1" && [ ! -e "$1.original" ]; then cp -p "$1" "$1.original"; fi
  awk -v mark="$mark" 'NR == 1 && /^#!/ { print; print mark; next } NR == 1 { print mark } { print }' | put "$@"
}
is_ours() { grep -qsF "$mark" "$1"; }

# Removes what `put_marked` put there, or brings back what was there before.
take_away() {
  for file in "$@"; do
    is_ours "$file" || continue
    if [ -e "$file.original" ]; then mv -f "$file.original" "$file"; else rm -f "$file"; fi
  done
}

# ---- piku's home: whatever lies there is in piku's hands, so root has piku read and write it ----

as_user() { su -s /bin/sh -c 'cd && exec "$@"' -- "$user" sh "$@"; }

piku() {
  status=0
  as_user timeout 60 "$home/piku" "$@" || status=$?
  [ $status != 124 ] || die "$home/piku $1 did not end within a minute" "a pipe in $home/.piku would have it wait: find $home/.piku -type p"
  return $status
}

# The same with the right to listen on port 80.
as_web() {
  setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups --no-new-privs --bounding-set -all,+net_bind_service \
    --inh-caps +net_bind_service --ambient-caps +net_bind_service \
    env -i HOME="$home" USER="$user" LOGNAME="$user" PATH="$PATH" sh -c 'cd && exec setsid -w "$@"' sh "$@" </dev/null
}

# The beginning of a regular file.
user_file() { as_user sh -c '[ -f "$1" ] && timeout 10 head -c 100000 "$1"' sh "$1" 2>/dev/null || :; }
is_script() { [ "$(user_file "$1" | head -c 2)" = '#!' ]; }

# Sets former scripts aside: the original is called piku.py or piku; the other one may be anything.
keep_former() {
  for script in piku.py piku; do
    is_script "$home/$script" || continue
    aside=$home/piku.py.original
    if [ "$script" = piku ] && [ -e "$aside" ]; then aside=$home/piku.original; fi
    say "Keeping the former $script as $aside"
    as_user sh -c 'rm -rf "$2.new" && cp -p "$1" "$2.new" && mv -f "$2.new" "$2"' sh "$home/$script" "$aside"
    # Until the next boot: a run that is cut off here is followed by one that still waits for it.
    [ "$script" = piku ] || { mkdir -p "$place" && : >"$place/former"; }
  done
}

# `piku` for people who are logged in to the board. It runs as piku's user only: the executable is in that user's hands, so
# nobody else runs it, root least of all.
in_path=/usr/local/bin/piku
put_command() {
  mkdir -p "${in_path%/*}"
  put_marked "$in_path" 755 <<END
#!/bin/sh
if [ "\$(id -un)" != $user ]; then
  echo "Error: piku runs as its user; type: sudo -u $user piku \$*" >&2
  exit 1
fi
HOME=$home
export HOME
cd && exec $home/piku "\$@"
END
}

put_executable() {
  say "Putting piku into $home: $version"
  keep_former
  as_user sh -c 'rm -rf "$1" && set -C && cat >"$1" && chmod 755 "$1"' sh "$home/.piku.new" <"$work/piku-$chosen"
  # A name may reach the disk before what it stands for.
  sync
  as_user mv -f "$home/.piku.new" "$home/piku"
  if [ -e "$home/piku.py.original" ]; then
    as_user sh -c 'rm -rf "$1" && ln -s piku "$1" && mv -f "$1" "$2"' sh "$home/.piku.py.new" "$home/piku.py"
  fi
  piku setup
  case $from in http*) setting PIKU_RELEASES "$from" ;; esac
  [ -z "$domain" ] || setting PIKU_DOMAIN "$domain"
}

# ---- a board of many people ----

# What walls need of the emperor's service: a /proc of their own, which the kernel gives only where nothing of it is hidden.
# Its name comes after walls.conf's, so that it counts.
write_class_unit() {
  [ -n "$class" ] || return 0
  mkdir -p "$units/uwsgi-piku.service.d"
  put_marked "$units/uwsgi-piku.service.d/z-class.conf" 644 <<END
[Service]
ProtectKernelTunables=no
ProtectKernelLogs=no
RestrictNamespaces=ipc
END
}

# The board's own settings, which no app can loosen: what is set already stays.
set_class() {
  [ -n "$class" ] || return 0
  total=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
  share=$((total / 4))
  [ $share -ge 128 ] || share=128
  for line in PIKU_ISOLATION=true "PIKU_MEMORY=${share}M" "PIKU_MEMORY_BUILD=$((share * 3))M" PIKU_PROCESSES=100; do
    if [ -n "$(board_setting "${line%%=*}")" ]; then setting "${line%%=*}" "${line#*=}"
    elif piku config:set --global "$line" >"$work/class" 2>&1; then say "For a class: $line, for all apps"
    else warn "$line is not set: $(grep -v '^----' "$work/class" | tr '\n' ' ')"; fi
  done
  [ ! -d "$home/.piku/apps" ] || [ -z "$(ls "$home/.piku/apps")" ] || say "Apps that run already have it from their next deploy or restart on"
}

# The value of a setting in the board's ENV.
board_setting() {
  user_file "$home/.piku/ENV" | tr -cd ' -~\n' | sed -n "s/^\(export \)\{0,1\}$1=[\"']\{0,1\}\([^\"']*\).*/\2/p" | tail -n 1
}

# A line in the board's ENV, unless it is set.
setting() {
  was=$(board_setting "$1")
  if [ -z "$was" ]; then
    change_setting "$1" "$2"
  elif [ "$was" != "$2" ]; then
    warn "$home/.piku/ENV says $1=$was, and that stays. To change it: $home/piku config:set --global $1=$2, as the user $user"
  fi
}

# Gives a setting this value; without one, removes it.
change_setting() {
  as_user sh -c 'umask 077 && rm -rf "$1.new" && set -C && {
    [ ! -f "$1" ] || timeout 10 grep -v "^$2=" "$1" || :
    [ -z "$3" ] || printf "%s=%s\n" "$2" "$3"
  } >"$1.new" && mv -f "$1.new" "$1"' sh "$home/.piku/ENV" "$1" "${2:-}"
}

add_keys() {
  if [ -n "$key" ]; then
    piku setup:ssh - <"$key" || die "$key does not contain a valid public key"
    return
  fi
  ! user_file "$home/.ssh/authorized_keys" | grep -q '^[^#]' || return 0
  for file in "$(home_of root)/.ssh/authorized_keys" "$(home_of "${SUDO_USER:-root}")/.ssh/authorized_keys"; do
    # Lines with options in front would bring rights of their own.
    if grep -E '^(ssh-|ecdsa-|sk-)' "$file" >"$work/keys" 2>/dev/null; then
      say "Letting in the keys of $file"
      piku setup:ssh - <"$work/keys"
      return
    fi
  done
  warn "no key was added. Add yours: $home/piku setup:ssh id_ed25519.pub, as the user $user"
}

# ---- whose nginx ----

# nginx's configuration into $work/dump; root's own files of it into $work/nginx, read one by one, since piku's sites can forge a heading.
read_nginx() {
  try_nginx "$nginx_drop_in" -T >"$work/dump" 2>/dev/null ||
    printf '# configuration file %s:\n' /etc/nginx/nginx.conf "$http_files"/*.conf /etc/nginx/sites-enabled/* >"$work/dump"
  sed -n 's/^# configuration file \(.*\):$/\1/p' "$work/dump" | while read -r file; do
    case $file in /proc/* | /sys/* | /dev/* | "$home"/* | "$http_files/piku.conf") continue ;; esac
    if [ -f "$file" ] && [ "$(stat -L -c %U "$file")" = root ]; then
      printf '%s\n' "# configuration file $file:"
      cat "$file"
    fi
  done >"$work/nginx"
}

# Those with a site in them.
other_sites() {
  awk '
    /^# configuration file / { file = substr($0, 22); sub(/:$/, "", file); next }
    { sub(/#.*/, "") }
    /(^|[ \t{};])server[ \t]*(\{|$)/ && !seen[file]++ { print file }' "$work/nginx" |
    while read -r file; do is_welcome "$file" || printf '%s\n' "$file"; done
}

# Whether a file is the distribution's welcome site, unchanged, or as the original's instructions change it.
is_welcome() {
  if [ "$manager" = dnf ]; then ! rpm -Vf "$1" | grep -q " $1\$" && return; fi
  [ -z "$(find /var/www/html -mindepth 1 -maxdepth 1 ! -name 'index.*debian.html' 2>/dev/null)" ] || return
  ! sed 's/#.*//' "$1" | tr '\n' ' ' | tr ';{}' '\n\n\n' | sed 's/[[:space:]]\{1,\}/ /g; s/^ //; s/ $//' | grep -qvxE \
    "|server|listen (\[::\]:)?(80|443 ssl)( default_server)?|server_name _|root /var/www/html|index .*|location (= /404.html|/)|try_files .uri .uri/ =404|return 404|internal|ssl_reject_handshake on|include $home/.piku/nginx/\*.conf"
}

# The app whose site answers for unknown names by being the first one.
default_app() {
  awk -v sites="$home/.piku/nginx/" '
    /^# configuration file / { file = substr($0, 22); sub(/:$/, "", file) }
    $1 == "listen" && $2 ~ /^([^;]*:)?80;?$/ { if (!first) first = file; if (/default_server/) given = 1 }
    END { if (!given && index(first, sites) == 1) { sub(/.*\//, "", first); sub(/\.conf$/, "", first); print first } }' "$work/dump"
}

# Who else listens on a TCP port: `apache2 (pid 123)`. nginx counts only when it is a `rival`.
sockets_on() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$(printf ':%04X' "$1")" '
    $4 == "0A" && substr($2, length($2) - 4) == port { print "socket:[" $10 "]" }'
}
listener() {
  sockets=$(sockets_on "$1")
  [ -n "$sockets" ] || return 0
  # shellcheck disable=SC2012 # no other tool of every system shows where links lead
  ls -l /proc/[0-9]*/fd 2>/dev/null | awk '/^\/proc/ { folder = $1 } / -> socket:/ { print folder, $NF }' | grep -F "$sockets" |
    while read -r folder _; do
      process=${folder%/fd:}
      name=$(cat "$process/comm" 2>/dev/null) || continue
      [ "$(stat -c %U "$process")" != "$user" ] || continue
      [ "$name" != nginx ] || [ -n "$rival" ] || continue
      printf '%s\n' "$name (pid ${process#/proc/})"
      break
    done
}

# Decides whether nginx is piku's own or shared, and, where another program has a port, which one it is instead.
choose_nginx() {
  read_nginx
  wanted=$(board_setting PIKU_NGINX)
  # What was decided here is decided anew.
  if [ "$wanted" = shared ] && [ -e "$place/shared-because" ]; then wanted=; fi
  others=$(other_sites | tr '\n' ' ')
  rival='' taken='' because='' failed='' nginx=own
  [ -z "$others" ] || [ "$wanted" != own ] || rival=1
  choose_port http 80 8080
  http_port=$port
  choose_port https 443 8443
  https_port=$port
  # An nginx that is off, or cannot have its ports, serves none of its sites.
  if has_systemd && [ -z "$go_over" ] && ! systemctl is-active --quiet nginx; then
    if [ -n "$taken" ] || ! systemctl is-enabled --quiet nginx 2>/dev/null; then others=; fi
  fi
  if [ "$wanted" = shared ]; then nginx=shared
  elif has_systemd && [ -z "$go_over" ] && { [ -e "$place/former" ] || [ -e "$units/piku-go-over.service" ]; }; then
    nginx=shared because=$until_boot
  elif [ -n "$others" ] && [ -z "$rival$taken" ]; then
    nginx=shared because="nginx has other sites than piku's: ${others% }. With PIKU_NGINX=own in $home/.piku/ENV piku has one of its own, on other ports"
  fi
}

choose_port() {
  name=PIKU_$(printf %s "$1" | tr a-z A-Z)_PORT
  port=$(board_setting "$name" | tr -cd 0-9)
  who=$(listener "${port:-$2}")
  if [ -z "$who" ]; then
    port=${port:-$2}
  elif [ -n "$port" ]; then
    warn "port $port, which $name says in $home/.piku/ENV, is taken by $who"
  else
    port=$3
    while [ -n "$(sockets_on "$port")" ]; do port=$((port + 1)); done
    taken="$taken $2"
    say "Port $2 is taken by $who, so sites are at port $port ($name in $home/.piku/ENV): $1://$(uname -n):$port/"
    change_setting "$name" "$port"
  fi
}

# ---- nginx of piku's own ----

has_own() { is_ours "$units/piku-web.service" || is_ours /etc/init.d/piku-web; }

# Whether nginx is at least 1.19 with this patch level.
nginx_is_1_19() { nginx -v 2>&1 | awk -F'[/.]' -v patch="$1" '/version/ { exit !($2 > 1 || $3 > 19 || ($3 == 19 && $4 + 0 >= patch)) }'; }

# Older ones have no -e, and complain of a log in /var/log that they may not open.
web_command() {
  ! nginx_is_1_19 5 || printf '%s ' -e stderr
  printf '%s\n' "-c $home/.piku/web/nginx.conf"
}

# Folders for caches besides piku's own (PIKU_FOLDERS).
other_folders() {
  board_setting PIKU_FOLDERS | tr : '\n' | grep -E '^/[A-Za-z0-9._/+@-]+$' | grep -vE '/\.\.(/|$)' | sed 's/^/ -/' | tr -d '\n'
}

# What neither apps nor nginx need.
walls="NoNewPrivileges=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native"
# For piku's own services only.
user_walls="ProtectProc=invisible
RemoveIPC=yes
KeyringMode=private
SystemCallErrorNumber=EPERM"
# nginx's regular expressions are compiled into memory that is written and executed, so MemoryDenyWriteExecute is not among them.
nginx_walls="$walls
ProtectSystem=strict
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"

# A service of systemd's that runs as piku's user: its name, what it is; more lines of it from stdin.
write_systemd_service() {
  {
    cat <<END
[Unit]
Description=$2
After=network.target nss-lookup.target
StartLimitIntervalSec=0

[Install]
WantedBy=multi-user.target

[Service]
User=$user
Group=$group
Environment=HOME=$home
KillSignal=SIGQUIT
KillMode=mixed
Restart=always
RestartSec=1
END
    cat
  } | put_marked "$units/$1.service" 644
}

write_web_unit() {
  write_systemd_service piku-web "piku's nginx" <<END
# A site that nginx refuses, or whose port is taken, is set aside.
ExecStartPre=-$home/piku web
ExecStart=$(command -v nginx) $(web_command) -g "daemon off;"
ExecReload=/bin/kill -HUP \$MAINPID
TimeoutStartSec=300
TimeoutStopSec=10
UMask=0077
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
$nginx_walls
$user_walls
ReadWritePaths=$home/.piku$(other_folders)
PrivateTmp=yes
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
END
}

# A service of OpenRC's: its name, what it is, what it depends on, its program and arguments; more lines from stdin.
write_openrc_service() {
  {
    cat <<END
#!/sbin/openrc-run
description="$2"
supervisor=supervise-daemon
command=$(command -v "$4")
command_args="$5"
respawn_delay=1
respawn_max=0
depend() { $3; }
END
    cat
  } | put_marked "/etc/init.d/$1" 755
}

remove_openrc_service() {
  is_ours "/etc/init.d/$1" || return 0
  rc-service -q "$1" stop || :
  rc-update -q del "$1" || :
  take_away "/etc/init.d/$1"
}

write_web_openrc() {
  # Without it every user of the machine may listen on port 80.
  if supervise-daemon --help 2>&1 | grep -q -e --capabilities && setpriv --help 2>&1 | grep -q -e --reuid; then
    right='capabilities="^cap_net_bind_service"'
    prepare="setpriv --reuid $user --regid $group --init-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service env HOME=$home $home/piku web"
  else
    # Not every OpenRC has a service that reads it at boot.
    right='' prepare="sysctl -q -p /etc/sysctl.d/piku.conf; su -s /bin/sh $user -c '$home/piku web'"
    echo net.ipv4.ip_unprivileged_port_start=80 | put_marked /etc/sysctl.d/piku.conf 644
    sysctl -q -p /etc/sysctl.d/piku.conf
  fi
  write_openrc_service piku-web "piku's nginx" "use net" nginx "$(web_command) -g 'daemon off;'" <<END
command_user=$user:$group
$right
extra_started_commands=reload
# A site that nginx refuses, or whose port is taken, is set aside.
start_pre() { $prepare || :; }
reload() { supervise-daemon \$RC_SVCNAME --signal HUP; }
END
}

# Goes over to it when all sites that are there would do; else nginx stays shared, and it is said why.
go_own() {
  group=$(id -gn "$user")
  [ "$group" != "$web" ] || { make_group && group=$user; }
  if ! has_own; then
    say "Giving piku an nginx of its own"
    app=$(default_app)
    [ -z "$app" ] || setting PIKU_DEFAULT_APP "$app"
    if ! as_web timeout 60 "$home/piku" web --try 2>"$work/why"; then
      stay_shared "$(sed 's/^Error: //' "$work/why" | tr '\n' ' ')"
      return
    fi
  fi
  start_own
}

stay_shared() {
  nginx=shared because=$1 failed=1
  warn "nginx stays shared: $because"
}

start_own() {
  if has_systemd; then start_own_unit
  elif ! has_openrc; then
    warn "neither systemd nor OpenRC runs here: start nginx $(web_command) yourself, as $user, with the right to listen on port $http_port"
  else
    write_web_openrc
    if rc-service -q piku-web status >/dev/null 2>&1; then
      rc-service -q piku-web reload 2>/dev/null || rc-service -q piku-web restart || warn "piku's nginx does not start: rc-service piku-web restart"
    else
      [ -n "$others" ] || { rc-service -q --ifstarted nginx stop && rc-update -q del nginx 2>/dev/null && note nginx enabled; } || :
      rc-update -q add piku-web
      rc-service -q piku-web start || { remove_openrc_service piku-web && stay_shared "nginx of piku's own does not start: rc-service piku-web start"; }
    fi
  fi
  if [ "$nginx" = own ]; then leave_shared; fi
}

start_own_unit() {
  [ -n "$others" ] || note nginx "$(systemctl is-enabled nginx 2>/dev/null || :)"
  folders=$(grep -s ^ReadWritePaths= "$units/piku-web.service" || :)
  write_web_unit
  rm -rf /run/systemd/system/piku-web.service.d
  systemctl daemon-reload
  if systemctl is-active --quiet piku-web; then
    if [ "$folders" = "$(grep ^ReadWritePaths= "$units/piku-web.service")" ]; then systemctl reload piku-web; else systemctl restart piku-web; fi
  elif [ -n "$go_over" ]; then
    # At boot systemd is busy with what starts; this goes before all of it.
    systemctl start --no-block piku-web
  else
    [ -n "$others" ] || stop_nginx
    systemctl start piku-web || :
    rm -rf /run/systemd/system/piku-web.service.d
    systemctl daemon-reload
    if ! answers; then
      systemctl stop piku-web
      journalctl -u piku-web -n 20 -o cat --no-pager >"$work/why" 2>/dev/null || :
      take_away "$units/piku-web.service"
      systemctl daemon-reload
      stay_shared "nginx of piku's own did not answer on port $http_port: $(grep -E 'emerg|Failed' "$work/why" | tail -n 1)"
      [ -n "$others" ] || systemctl start nginx || :
      return 0
    fi
  fi
  systemctl enable --quiet piku-web
  # Also when this was cut off before.
  if [ -z "$others" ]; then
    systemctl disable --quiet nginx
    systemctl stop ${go_over:+--no-block} nginx
  fi
}

# It closes its ports at once, and ends when its last request has. In between nobody answers, so what may take long is done before.
stop_nginx() {
  master=$(systemctl show -p MainPID --value nginx)
  mkdir -p /run/systemd/system/piku-web.service.d
  printf '%s\n' '[Service]' ExecStartPre= >/run/systemd/system/piku-web.service.d/first.conf
  systemctl daemon-reload
  [ "${master:-0}" = 0 ] || kill -QUIT "$master"
  wait_for_port
}

# Any answer will do, and so will a connection that is closed without one.
answers() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    curl -s -o /dev/null --noproxy '*' --max-time 5 "http://127.0.0.1:$http_port/" && return
    [ $? != 52 ] || return 0
    sleep 0.5
  done
  return 1
}

# It closes its ports at once. Another nginx could not reach its caches, nor write them; they fill again.
stop_own() {
  has_own || return 0
  if has_systemd; then systemctl disable --quiet piku-web && systemctl stop --no-block piku-web; fi
  remove_openrc_service piku-web
  wait_for_port
  as_user sh -c 'chmod go+rx .piku/cache/*; rm -rf .piku/cache/*/[0-9a-f] .piku/cache/*/nginx/[0-9a-f]' 2>/dev/null || :
  take_away "$units/piku-web.service" /etc/sysctl.d/piku.conf
}

wait_for_port() {
  tries=0
  while [ -n "$(sockets_on "$http_port")" ] && [ $tries -lt 200 ]; do sleep 0.01 && tries=$((tries + 1)); done
}

# Takes away what tied piku to the distribution's nginx.
leave_shared() {
  remove_reloader
  http_file=$http_files/piku.conf
  for file in $(other_includes); do
    welcome=$(describe_welcome "$file")
    ! is_welcome "$file" || note welcome "$welcome"
    if [ "$(noted welcome)" = "$welcome" ]; then turn_off_welcome "$welcome"
    else warn "$file includes piku's sites still: take that line out of it"; fi
  done
  if is_ours "$http_file"; then
    note welcome "$(noted_welcome)"
    take_away "$http_file"
    [ -z "$others" ] || reload_nginx
  fi
  if [ "$(id -gn "$user")" != "$web" ]; then
    [ -z "$(noted member)" ] || ! is_member "$web" || leave_group "$web"
  elif command -v usermod >/dev/null; then
    note group "$web"
    usermod -g "$user" "$user"
  fi
  set_sockets "$group" g-s 600
  if [ -e "$place/shared-because" ]; then
    rm -f "$place/shared-because"
    change_setting PIKU_NGINX
  fi
}

# What has the distribution's nginx read piku's sites, and its walls.
remove_reloader() {
  retire_path
  remove_openrc_service piku-nginx
  if is_ours "$units/piku-nginx.socket" && has_systemd; then systemctl disable --quiet --now piku-nginx.socket; fi
  take_away "$units/piku-nginx.socket" "$units/piku-nginx@.service" "$nginx_drop_in" "$place/reload"
  rmdir "$units/nginx.service.d" 2>/dev/null || :
}

# Version 1, and the original, had a path unit.
retire_path() {
  [ -e "$units/piku-nginx.path" ] && has_systemd || return 0
  systemctl disable --quiet --now piku-nginx.path
  for file in "$units/piku-nginx.path" "$units/piku-nginx.service"; do
    # What was kept of the original's comes back with --uninstall.
    if is_ours "$file" && [ ! -e "$file.original" ]; then rm -f "$file"; fi
  done
  systemctl daemon-reload
}

# ---- the distribution's nginx, shared ----

go_shared() {
  say "Sharing the distribution's nginx${because:+: $because}"
  # What failed is a fault to doctor, and what is so on purpose is none.
  if [ -n "$failed" ]; then change_setting PIKU_NGINX; else change_setting PIKU_NGINX shared; fi
  mkdir -p "$place"
  if [ -n "$because" ]; then printf '%s\n' "$because" | put "$place/shared-because" 644; fi
  group=$(id -gn "$user")
  is_member "$web" || { note member "$web" && join_group "$web"; }
  set_sockets "$web" g+sx 660
  # nginx goes through the home folder to the sites' sockets and files.
  su -s /bin/sh -c 'test -x "$0"' -- "$web" "$home/.piku/nginx" 2>/dev/null || chmod g+x,o+x "$home"
  stop_own
  make_walls
  write_nginx
  if has_systemd; then write_shared_units; elif has_openrc; then write_shared_openrc; fi
}

# Sockets of workers: their GROUP, MODE of their folder, MODE. Workers' files keep their times, so that none restarts now, and name no
# group, since the emperor could not give it.
set_sockets() {
  as_user sh -c 'cd .piku
    find uwsgi-enabled uwsgi-available releases/*/run-* -type f -name "*.ini" 2>/dev/null | while read -r file; do
      sed -e "/^gid *=/d" -e "s/^chmod-socket *=.*/chmod-socket = $3/" "$file" >"$file.new" && touch -r "$file" "$file.new" &&
        chmod 600 "$file.new" && if cmp -s "$file" "$file.new"; then rm "$file.new"; else mv -f "$file.new" "$file"; fi
    done
    chgrp "$1" sockets && chmod "$2" sockets
    find sockets nginx -type s -user "$4" -exec chgrp "$1" {} + -exec chmod "$3" {} +' sh "$1" "$2" "$3" "$user"
}

# A request on the socket has nginx read its files, and is answered with what it says of them.
write_shared_units() {
  retire_path
  errors=$(awk '$1 == "error_log" && $2 ~ /^\// { sub(/;$/, "", $2); print $2; exit }' /etc/nginx/nginx.conf)
  errors=${errors:-/var/log/nginx/error.log}
  put_marked "$place/reload" 755 <<END
#!/bin/sh
# Answers one HTTP request on stdin, whatever it is: nginx reads its files again; 500 with its own words when it does not take them.
set -u
answer() {
  printf 'HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %s\r\n\r\n%s' "\$1" "\${#2}" "\$2"
  exit 0
}
# Those that are not leaving.
workers() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v master="\$master" '{ pid = \$1; sub(/^.*\) /, ""); if (\$2 == master) print pid }' |
    while read -r pid; do
      case \$(tr -d '\0' <"/proc/\$pid/cmdline") in 'nginx: worker process') echo "\$pid" ;; esac
    done 2>/dev/null
}
while read -r line && [ "\${#line}" -gt 1 ]; do :; done
exec 9>/run/piku/reload.lock
flock -w 60 9 || answer '500 Busy' 'other reloads of nginx take too long'
master=\$(systemctl show -p MainPID --value nginx)
[ "\${master:-0}" != 0 ] || answer '500 Down' 'nginx does not run; on the board: sudo systemctl start nginx'
# nginx itself tries its files, within its own walls, and goes on with the old ones when it refuses them.
from=\$(wc -c <$errors)
before=\$(workers)
kill -HUP "\$master"
tries=0
while [ \$tries -lt 100 ]; do
  sleep 0.1
  # It tries a port that is taken for some seconds.
  said=\$(tail -c +\$((from + 1)) $errors | grep -F '[emerg]' | grep -v ' bind() to ' | head -n 1)
  [ -z "\$said" ] || answer '500 Refused' "\$said"
  now=\$(workers)
  if [ -n "\$now" ] && ! printf '%s\n' "\$now" | grep -qxF "\$before"; then answer '200 OK' ''; fi
  tries=\$((tries + 1))
done
answer '500 Silent' 'nginx did not read its files within 10 seconds; $errors may tell why'
END
  put_marked "$units/piku-nginx.socket" 644 <<END
[Unit]
Description=piku asks here that nginx reads its sites

[Socket]
ListenStream=/run/piku/nginx.sock
SocketUser=$user
SocketMode=0600
Accept=yes
MaxConnections=256
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
END
  put_marked "$units/piku-nginx@.service" 644 <<END
[Unit]
Description=nginx reads piku's sites
CollectMode=inactive-or-failed

[Service]
ExecStart=$place/reload
StandardInput=socket
StandardOutput=socket
StandardError=journal
RuntimeMaxSec=120
$nginx_walls
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
ReadWritePaths=/run/piku
END
  systemctl daemon-reload
  systemctl enable --quiet nginx
  systemctl enable --quiet --now piku-nginx.socket
  harden_nginx
}

# Where the logs and caches of nginx's other sites are.
folders_of_others() {
  awk '
    $1 ~ /^((access|error)_log|[a-z_]+_path)$/ {
      path = $2; sub(/;$/, "", path); if ($1 ~ /_log$/) sub(/\/[^\/]*$/, "", path)
      if (path ~ /^\/[A-Za-z0-9._\/+@-]+$/) print " -" path
    }' "$work/nginx" | sort -u | tr -d '\n'
}

# The walls around a shared nginx, into $work/walls.
make_walls() {
  piku_folders='' real=''
  for folder in "$home/.piku/logs" "$home/.piku/cache"; do
    # systemd would follow a link that an app puts there, and open another folder to root's nginx.
    if [ -L "$folder" ]; then warn "$folder is a link, so a shared nginx may not write there"; continue; fi
    piku_folders="$piku_folders -$folder"
    real="${real}ConditionPathIsSymbolicLink=!$folder
"
  done
  cat >"$work/walls" <<END
[Unit]
$real
[Service]
$nginx_walls
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE
ReadWritePaths=/var/log/nginx /var/lib/nginx /run$piku_folders$(folders_of_others)
ReadOnlyPaths=-/run/systemd -/run/udev -/run/tmpfiles.d
END
}

# nginx within the walls of this drop-in.
in_walls() {
  # An app may have put a link there since, which systemd would follow.
  for folder in "$home/.piku/logs" "$home/.piku/cache"; do
    [ ! -L "$folder" ] || printf '%s\n' "s, -$folder\\( \\|\$\\),\\1,"
  done >"$work/links"
  sed -f "$work/links" "$1" | sed -n '/^\[Service\]/,$ s/^[A-Z].*=/--property=&/p' >"$work/properties"
  shift
  set -- "$(command -v nginx)" "$@"
  while read -r property; do set -- "$property" "$@"; done <"$work/properties"
  systemd-run --quiet --wait --collect --pipe "$@" </dev/null
}

# The same once its service has walls: even when it only reads its files, nginx makes the logs and caches that piku's sites name.
try_nginx() {
  if [ -e "$nginx_drop_in" ]; then in_walls "$@"; else shift && nginx "$@"; fi
}

# A former piku's nginx goes on without walls until the next boot.
harden_nginx() {
  ! sed 1d "$nginx_drop_in" 2>/dev/null | cmp -s - "$work/walls" || return 0
  if ! in_walls "$work/walls" -t -q >"$work/why" 2>&1; then
    warn "nginx would not start within walls, so it has none: $(tail -n 1 "$work/why")"
    return
  fi
  mkdir -p "$units/nginx.service.d"
  put_marked "$nginx_drop_in" 644 <"$work/walls"
  systemctl daemon-reload
  [ "$because" != "$until_boot" ] && [ -z "$go_over" ] || return 0
  systemctl restart nginx || { take_away "$nginx_drop_in" && systemctl daemon-reload && systemctl restart nginx; }
}

write_shared_openrc() {
  put_marked "$place/reload" 755 <<END
#!/bin/sh
exec rc-service nginx reload
END
  write_openrc_service piku-nginx "nginx reads piku's sites when they have changed" "need nginx" busybox \
    "inotifyd $place/reload $home/.piku/nginx:yn" </dev/null
  rc-update -q add nginx && rc-update -q add piku-nginx
  { rc-service -q nginx start && rc-service -q piku-nginx restart; } || warn "nginx does not start: rc-service nginx start"
}

# Answers unknown names over https, in place of the first app. The default by being first, so that NGINX_DEFAULT can take its place.
https_server() {
  printf '%s\n' 'server {' "  listen $https_port ssl;"
  [ ! -e /proc/net/if_inet6 ] || printf '%s\n' "  listen [::]:$https_port ssl;"
  if nginx_is_1_19 4; then
    printf '%s\n' '  ssl_reject_handshake on;'
  else
    # The certificate is written after its key.
    [ -s /etc/nginx/piku-default.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
      -subj /CN=invalid -keyout /etc/nginx/piku-default.key -out /etc/nginx/piku-default.crt 2>/dev/null
    printf '  %s;\n' 'ssl_certificate /etc/nginx/piku-default.crt' 'ssl_certificate_key /etc/nginx/piku-default.key' 'return 444'
  fi
  printf '%s\n' '}'
}

# Files of nginx's, but ours, that include piku's sites: the original's instructions say the default site.
other_includes() {
  grep -RlsF "$home/.piku/nginx/*.conf" /etc/nginx | grep -v -e "^$http_files/piku.conf" -e '\.original$' -e /sites-available/ || :
}

# The distribution's welcome site, on and off, by what it is: `FILE`, or `LINK -> FILE`. There is a note of it.
noted_welcome() { sed -n 's/^# turned off: //p' "$http_file" 2>/dev/null || :; }
describe_welcome() { if [ -L "$1" ]; then printf '%s\n' "$1 -> $(readlink "$1")"; elif [ -f "$1" ]; then printf '%s\n' "$1"; fi; }
turn_off_welcome() {
  case $1 in
    '') ;;
    *' -> '*) rm -f "${1%% -> *}" ;;
    # Beside it nginx could include it still.
    *) mkdir -p "$place" && mv -f "$1" "$place/welcome" ;;
  esac
}
turn_on_welcome() {
  case $1 in
    '') ;;
    *' -> '*) ln -sfn "${1#* -> }" "${1%% -> *}" ;;
    *) for aside in "$1.original" "$place/welcome"; do [ ! -e "$aside" ] || mv -f "$aside" "$1"; done ;;
  esac
}

write_nginx() {
  http_file=$http_files/piku.conf
  welcome=
  case $http_files in */http.d) file=$http_files/default.conf ;; *) file=/etc/nginx/sites-enabled/default ;; esac
  [ -z "$default_site" ] || welcome=$(describe_welcome "$file")
  kept=${welcome:-$(noted_welcome)}
  include="include $home/.piku/nginx/*.conf;"
  other=$(other_includes)
  if [ -n "$other" ]; then
    say "nginx includes piku's sites already, by $(printf %s "$other" | tr '\n' ' ')"
    include=
  fi
  [ ! -e "$http_file" ] || cp -p "$http_file" "$work/piku.conf"
  {
    [ -z "$kept" ] || printf '%s\n' "# turned off: $kept"
    # nginx's own is too small for a long name.
    grep -q '^[[:space:]]*server_names_hash_bucket_size' "$work/nginx" || printf '%s\n' 'server_names_hash_bucket_size 512;'
    https_server
    printf '%s\n' "$include"
  } | put_marked "$http_file" 644
  turn_off_welcome "$welcome"
  if ! try_nginx "$work/walls" -t -q 2>"$work/why"; then
    if [ -e "$work/piku.conf" ]; then mv "$work/piku.conf" "$http_file"; else rm "$http_file"; fi
    turn_on_welcome "$welcome"
    die "nginx refuses its configuration: $(grep emerg "$work/why" | head -n 1)" "what was there before is in place again; mend it, then run this again"
  fi
  reload_nginx
}

reload_nginx() {
  # It starts behind this.
  if [ -n "$go_over" ]; then return
  elif has_systemd; then systemctl reload-or-restart nginx || die "nginx does not start" "journalctl -u nginx; then run this again"
  elif has_openrc; then
    { rc-service -q nginx status >/dev/null 2>&1 && rc-service -q nginx reload; } || rc-service -q nginx start ||
      warn "nginx does not start: rc-service nginx start"
  else nginx -s reload 2>/dev/null || warn "nginx does not run: start it"; fi
}

# ---- the emperor ----

# The emperors of this piku that run: ours, the original's, or one of the distribution's service.
emperors() {
  for file in /proc/[0-9]*/cmdline; do
    line=$({ tr '\0' ' ' <"$file"; } 2>/dev/null) || continue
    case $line in *uwsgi*"$home/.piku/uwsgi/uwsgi.ini"* | *uwsgi*"$home/.piku/uwsgi-enabled"* | *uwsgi*/piku.ini*) printf '%s\n' "$line" ;; esac
  done
}

write_services() {
  say "Writing the services"
  # Before anything of the kind runs there is none to leave alone.
  running=$(emperors)
  foreign=
  [ "$(stat -c %h "$home/.piku/uwsgi/uwsgi.ini" 2>/dev/null || echo 1)" = 1 ] || foreign=1
  case $running in *"$home/.piku/"*) ;; *piku.ini*) foreign=1 ;; esac
  [ -z "$foreign" ] || warn "another service runs the emperor, by a file that is shared with it; it is left as it is"
  if has_systemd; then write_units; elif has_openrc; then write_openrc; else
    warn "neither systemd nor OpenRC runs here: start uwsgi --ini $home/.piku/uwsgi/uwsgi.ini yourself, as $user"
  fi
}

# Units of the original's under other names than ours, which would do the same a second time.
other_units() {
  for unit in "$units"/*.service "$units"/*.path; do
    case ${unit##*/} in uwsgi-piku.service | piku-*) continue ;; esac
    if grep -qsE "$home/\.piku/(uwsgi/uwsgi\.ini|nginx\$)" "$unit"; then printf '%s\n' "${unit##*/}"; fi
  done
}

write_units() {
  before=$(cat "$units/uwsgi-piku.service" 2>/dev/null || :)
  for unit in $(other_units); do
    systemctl is-enabled --quiet "$unit" || continue
    say "Turning off $unit, which ours takes the place of, from the next boot on"
    systemctl disable --quiet "$unit"
  done
  # The former piku's emperor tells by a child of its own.
  notify=main
  [ "$because" != "$until_boot" ] || notify=all
  # The emperor alone gets the signal, and ends the apps, each by its own.
  write_systemd_service uwsgi-piku "piku's uWSGI emperor" <<END
ExecStartPre=-$home/piku recover
ExecStart=$(command -v uwsgi) --ini $home/.piku/uwsgi/uwsgi.ini
TimeoutStopSec=60
Type=notify
NotifyAccess=$notify
Delegate=memory pids cpu
END
  # What a shared nginx serves of an app's files it reads as another user.
  hidden=
  [ "$nginx" = shared ] || hidden=UMask=0027
  mkdir -p "$vendor/uwsgi-piku.service.d"
  put_marked "$vendor/uwsgi-piku.service.d/walls.conf" 644 <<END
# Without these, for sudo in apps for example:
#   mkdir -p $units/uwsgi-piku.service.d && ln -s /dev/null $units/uwsgi-piku.service.d/walls.conf && reboot
[Service]
$walls
$user_walls
CapabilityBoundingSet=
ProtectSystem=full
RestrictNamespaces=user mnt pid
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_BLUETOOTH AF_CAN AF_PACKET
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
TasksMax=50%
MemoryHigh=85%
$hidden
END
  write_class_unit
  systemctl daemon-reload
  systemctl enable --quiet "$sshd"
  [ -n "$foreign" ] || systemctl enable --quiet uwsgi-piku.service
  [ -z "$go_over" ] || return 0
  systemctl start "$sshd"
  later=
  [ -n "$foreign" ] || [ "$before" = "$(cat "$units/uwsgi-piku.service")" ] || later="; the new service takes over at the next boot"
  if [ -n "$running" ]; then say "The emperor that runs goes on, so that no app stops$later"
  elif [ -z "$foreign" ]; then systemctl start uwsgi-piku.service || die "the emperor does not start" "journalctl -u uwsgi-piku"; fi
}

write_openrc() {
  write_openrc_service uwsgi-piku "piku's uWSGI emperor" "use net" uwsgi "--ini $home/.piku/uwsgi/uwsgi.ini" <<END
command_user=$user:$group
start_pre() { su -s /bin/sh $user -c "$home/piku recover" || :; }
END
  rc-update -q add "$sshd" && rc-service -q "$sshd" start
  [ -n "$foreign" ] || rc-update -q add uwsgi-piku
  [ -n "$running$foreign" ] || rc-service -q uwsgi-piku start
}

# ---- sshd ----

# Many clients at once, and no passwords for piku's user. What sshd refuses is taken back.
write_sshd() {
  sshd_file=/etc/ssh/sshd_config.d/piku.conf
  if ! grep -qisE '^[[:space:]]*include[[:space:]].*sshd_config\.d/\*' /etc/ssh/sshd_config; then
    say "sshd_config does not include sshd_config.d, so how sshd lets clients in stays as it is"
    return
  fi
  # Debian's default drops clients of a class that push at once. The administrator's own number stays.
  many='MaxStartups 100:30:200'
  if ! grep -qsx "$many" $sshd_file && sshd_says | grep '^maxstartups ' | grep -qvx 'maxstartups 10:30:100'; then many=; fi
  put_marked $sshd_file 644 <<END
$many
Match User $user
  PasswordAuthentication no
  KbdInteractiveAuthentication no
Match all
END
  if ! sshd -t 2>"$work/why"; then
    take_away $sshd_file
    warn "sshd refuses $sshd_file, so it is away again: $(head -n 1 "$work/why")"
    return
  fi
  reload_sshd
}

# Where systemd listens for it, sshd could not listen again after a reload, and ended. A restart leaves sessions alone as well.
reload_sshd() {
  if has_systemd && systemctl is-active --quiet "$sshd.socket"; then systemctl try-restart "$sshd"
  elif has_systemd; then systemctl try-reload-or-restart "$sshd"
  elif has_openrc; then rc-service -q --ifstarted "$sshd" reload; fi
}

# Warns of what keeps all keys of piku's user out, as sshd says; sets the port that it listens on.
check_sshd() {
  kept_out=
  sshd_says >"$work/sshd"
  ssh_port=$(sed -n 's/^port //p' "$work/sshd" | head -n 1)
  groups=$(id -Gn "$user")
  # shellcheck disable=SC2086 # a list of words
  if grep -qx 'pubkeyauthentication no' "$work/sshd"; then why="PubkeyAuthentication is no"
  elif matches denyusers "$user"; then why="DenyUsers names $user"
  elif matches denygroups $groups; then why="DenyGroups names a group of $user"
  elif has_pattern allowusers && ! matches allowusers "$user"; then why="AllowUsers does not name $user"
  elif has_pattern allowgroups && ! matches allowgroups $groups; then why="AllowGroups names no group of $user"
  else return 0; fi
  kept_out=1
  warn "no key can let anybody in as $user: $why in sshd's configuration. Change that in /etc/ssh/sshd_config, then: systemctl reload $sshd"
}
has_pattern() { grep -q "^$1 " "$work/sshd"; }

# What sshd goes by for piku's user, its keywords in small letters: since OpenSSH 10.6 they have capitals.
sshd_says() { sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2>/dev/null | awk '{ $1 = tolower($1); print }'; }

# Whether one of sshd's patterns for a keyword fits one of these names.
matches() {
  patterns=$(sed -n "s/^$1 //p" "$work/sshd" | tr ' ' '\n')
  shift
  for name in "$@"; do
    while read -r pattern; do
      # shellcheck disable=SC2254 # a pattern it is
      case $name in ${pattern%@*}) return 0 ;; esac
    done <<END
$patterns
END
  done
  return 1
}

name_machine() {
  [ -n "$hostname" ] || return 0
  old=$(cat "$root/etc/hostname" 2>/dev/null || :)
  # Other names on that line, and on other lines, are somebody's.
  { cat "$root/etc/hosts" 2>/dev/null || :; } | awk -v old="$old" -v new="$hostname" '
    $1 == "127.0.1.1" { for (i = 2; i <= NF; i++) if ($i == new) done = 1; else if ($i == old) { $i = new; done = 1 } }
    { print }
    END { if (!done) print "127.0.1.1\t" new }' | put "$root/etc/hosts" 644
  printf '%s\n' "$hostname" | put "$root/etc/hostname" 644
  if [ -z "$root" ]; then hostname "$hostname" 2>/dev/null || warn "the new name counts from the next boot on"; fi
}

install_here() {
  find_distribution
  if [ -n "$target" ]; then targets=$target; else find_targets; fi
  [ "$tried" = tried ] || warn "this distribution is untried: please tell how it went"
  home=$(home_of "$user")
  if [ -n "$home" ] && [ -d "$home/piku" ]; then
    die "$home/piku is a folder, and the executable is to have that place" "mv $home/piku $home/piku-folder, then run this again"
  fi
  need_space "${TMPDIR:-/tmp}" "$(size_of "${targets%% *}")"
  set_clock
  read_release
  if [ -n "$home" ] && [ -x "$home/piku" ] && ! is_script "$home/piku"; then
    refuse_older "$(piku --version 2>/dev/null)"
    piku update --help 2>/dev/null | grep -q -e --force || say "The piku that is here takes a release that nobody has signed; the next one does not"
  fi
  make_trial
  # shellcheck disable=SC2086 # a list of words
  get_executable $targets
  name_machine
  # shellcheck disable=SC2086 # a list of words
  install_packages $packages
  make_user
  need_space "$home" "$(size_of "$chosen")"
  put_executable
  put_command
  add_keys
  choose_nginx
  go
  # The former piku's services end with the machine; what takes their place is made before any of it starts again.
  if [ "$because" = "$until_boot" ]; then wait_for_boot; fi
  rm -f "$place/former"
  write_sshd
  check_sshd
  set_class
  announce_board
  [ -z "$first_boot" ] || rm -f "$place/first-boot"
  address=$(ip -o route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
  mkdir -p "$place"
  printf '%s\n' "$offered" | put "$place/version" 644
  prove
  [ ! -e "$home/piku.py.original" ] || say "The way back to the former piku: sh install.sh --uninstall"
  sync
  say_done
}

# The client, in the folder where people's own programs are.
install_client() {
  case "$(uname -s) $(uname -m)" in
    'Darwin arm64') targets=darwin-arm64 ;;
    'Darwin x86_64') targets=darwin-x64 ;;
    Linux*)
      find_targets
      # The small one starts at once, and a laptop's user waits for each command.
      case $targets in linux-arm[v]*) ;; *) targets="$big-lite $big$musl" ;; esac
      ;;
    *) die "there is no client for $(uname -s) on $(uname -m)" "there is one for Linux, macOS and Windows (docs/guides/laptop.md)" ;;
  esac
  bin=${XDG_BIN_HOME:-$HOME/.local/bin}
  mkdir -p "$bin"
  need_space "$bin" "$(size_of "${targets%% *}")"
  read_release
  [ ! -x "$bin/piku" ] || refuse_older "$("$bin/piku" --version 2>/dev/null)"
  # shellcheck disable=SC2086 # a list of words
  get_executable ${target:-$targets}
  # Another file system may be between the two.
  cp "$work/piku-$chosen" "$bin/.piku.new" && mv -f "$bin/.piku.new" "$bin/piku"
  say "$bin/piku: $version"
  case :$PATH: in *":$bin:"*) ;; *) say "For your shell to find it: export PATH=\"$bin:\$PATH\"" ;; esac
  say "In the directory of an app: piku init board.local"
}

go() {
  if [ "$nginx" = own ]; then go_own; fi
  if [ "$nginx" = shared ]; then go_shared; fi
  write_services
}

wait_for_boot() {
  fetch install.sh
  put "$place/install.sh" 755 <"$work/install.sh"
  put_marked "$units/piku-go-over.service" 644 <<END
[Unit]
Description=piku gets an nginx of its own
Before=piku-web.service nginx.service uwsgi-piku.service
ConditionPathExists=$place/install.sh

[Service]
Type=oneshot
ExecStart=/bin/sh $place/install.sh --go-over
# Whatever holds it up, the board starts.
TimeoutStartSec=600

[Install]
WantedBy=multi-user.target
END
  systemctl daemon-reload
  systemctl enable --quiet piku-go-over
}

# What was put off until a boot.
go_over_here() {
  find_distribution
  home=$(home_of "$user")
  choose_nginx
  go
  # Not before: nginx waits for it.
  systemctl disable --quiet piku-go-over
  rm -f "$units/piku-go-over.service"
}

# Where avahi runs: `piku init` on a laptop finds the board, and apps may have names below .local.
avahi_file=/etc/avahi/services/piku.service
announce_board() {
  [ -d "${avahi_file%/*}" ] || return 0
  put "$avahi_file" 644 <<END
<?xml version="1.0" standalone="no"?>
<!-- $mark -->
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name replace-wildcards="yes">piku on %h</name>
  <service><type>_piku._tcp</type><port>${ssh_port:-22}</port></service>
</service-group>
END
  # It is asked for by the new name from now on.
  [ -z "$hostname" ] || ! has_systemd || systemctl try-restart avahi-daemon || :
  if ! grep -qs '^PIKU_DOMAIN=' "$home/.piku/ENV"; then
    say "For each app to be at APP.local on this network: ssh $user@$(uname -n).local config:set --global PIKU_DOMAIN=local"
  fi
}

# The name by which the network knows this machine, where avahi runs: another machine may have had the first choice.
local_name() {
  [ -e /run/avahi-daemon/pid ] || return 0
  name=$(timeout 10 busctl call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetHostNameFqdn 2>/dev/null | sed -n 's/^s "\(.*\)"$/\1/p')
  printf '%s\n' "${name:-$(uname -n).local}"
}

# With what works from the next laptop: the name below .local, or else the address.
say_done() {
  name=$(local_name)
  best=${name:-${address:-$(uname -n)}}
  other=
  if [ -n "$name" ] && [ -n "$address" ]; then other="   (or $address in place of $name)"
  elif [ -n "$address" ]; then
    case $(uname -n) in '(none)' | localhost*) ;; *) other="   (or $(uname -n) in place of $address, where that name is known)" ;; esac
  fi
  at=$user@$best:APP
  [ "${ssh_port:-22}" = 22 ] || at=ssh://$user@$best:$ssh_port/APP
  say "Done. On your machine: git remote add piku $at && git push piku main$other"
}

# ---- the proof ----

# Pushes a small app with a key of its own, as somebody does who has one, asks nginx for it, and removes both.
prove() {
  if [ -n "$no_check$kept_out" ] || ! { has_systemd || has_openrc; }; then return 0; fi
  say "Pushing a small app, to see that it works"
  make_trial
  remove_proof
  proof=1
  as_nobody ssh-keygen -q -t ed25519 -N '' -C piku-check -f id >"$work/said" 2>&1 || fail_proof "no key could be made"
  as_nobody cat id.pub | piku keys:add piku-check --apps piku-check >"$work/said" 2>&1 || fail_proof "its key was not added"
  as_nobody timeout 240 sh -c "$push_script" sh "$trial" "$user@${address:-127.0.0.1}:${ssh_port:-22}" >"$work/said" 2>&1 </dev/null ||
    fail_proof "its push failed"
  listens=$(board_setting NGINX_IPV4_ADDRESS | tr -cd 0-9.)
  tries=0
  until [ "$(curl -s --noproxy '*' --max-time 10 -H 'Host: piku-check.invalid' "http://${listens:-127.0.0.1}:$http_port/" 2>&1 | tee "$work/said")" = "$trial" ]; do
    tries=$((tries + 1))
    [ $tries -lt 10 ] || fail_proof "nginx does not show it"
    sleep 1
  done
  end_proof
}

# The board's own settings that would keep visitors out are not meant here.
push_script='cd "$1" && mkdir app && cd app || exit
echo "wsgi: app:application" >Procfile
printf "%s\n" NGINX_SERVER_NAME=piku-check.invalid NGINX_HTTPS_ONLY=false NGINX_CLOUDFLARE_ACL=false PIKU_PASSWORD= PIKU_BRANCH=main >ENV
cat >app.py <<END
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"$1"]
END
export HOME="$1" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_SSH_COMMAND="ssh -F none -i ../id -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=30"
git init -q && git add . && git -c user.name=piku -c user.email=piku@localhost commit -q -m Check && git push -q "ssh://$2/piku-check" HEAD:main'

fail_proof() {
  sed 's/^/       /' "$work/said" >&2
  die "piku is installed, but a small app that was pushed to see that it works did not come up: $1" \
    "look at what is above, and at: sudo -u $user piku doctor; then run this again, or with --no-check"
}

# Removes the app and its key, also those of a run that was cut off.
end_proof() {
  [ -n "$proof" ] || return 0
  proof=
  remove_proof
}
remove_proof() {
  if as_user test -d "$home/.piku/repos/piku-check"; then piku destroy piku-check --force --purge >/dev/null 2>&1 || :; fi
  if user_file "$home/.ssh/authorized_keys" | grep -q 'piku-check'; then piku keys:remove piku-check --force >/dev/null 2>&1 || :; fi
  # Without apps there is no daily run, nor a process for it.
  as_user sh -c 'cd "$1" && rmdir data/piku-check; [ -n "$(ls apps)" ] || { rm -f uwsgi-enabled/\~daily.ini && kill -WINCH "$(cat uwsgi/emperor.pid)"; }' sh "$home/.piku" 2>/dev/null || :
}

# ---- the time ----

# A board without a battery begins in the past, where no package and no certificate is valid yet.
set_clock() {
  if [ -n "$first_boot" ] && keeps_time; then
    tries=0
    until is_synchronized || [ $tries -ge 60 ]; do
      [ $tries != 0 ] || say "Waiting for the time"
      sleep 1
      tries=$((tries + 1))
    done
  fi
  ! is_synchronized || return 0
  : >"$work/now"
  # What was written in the future shows that it is.
  [ -n "$(find "$0" "$place" /etc/os-release /var/lib/dpkg/status -newer "$work/now" 2>/dev/null)" ] || return 0
  mirror=$(sed -n 's,^\(deb\|URIs:\)\{0,1\} *\(\[.*\] *\)\{0,1\}\(https\{0,1\}://[^ /]*\).*,\3/,p' /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apk/repositories 2>/dev/null | head -n 1)
  is=$(curl -skI --max-time 30 "${mirror:-http://deb.debian.org/}" 2>/dev/null | read_date)
  was=$(date -u '+%Y-%m-%d %H:%M:%S')
  if [ -n "$is" ] && [ "$(printf '%s\n' "$was" "$is" | sort | tail -n 1)" = "$is" ] && date -u -s "$is" >/dev/null 2>&1; then
    say "The clock was at $was; now it is $is, as ${mirror:-deb.debian.org} says"
  else
    warn "the clock says $was, which is in the past. To set it: date -u -s '2030-12-31 12:00:00', or connect the board to a network with a time server"
  fi
}
is_synchronized() { has_systemd && [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" = yes ]; }
keeps_time() {
  has_systemd || return 1
  for unit in systemd-timesyncd chrony chronyd ntpsec ntp ntpd openntpd; do ! systemctl is-active --quiet $unit || return 0; done
  return 1
}

# `Date: Thu, 26 Nov 2026 13:00:00 GMT` in an answer's head, as `2026-11-26 13:00:00`.
read_date() {
  awk 'tolower($1) == "date:" && $7 ~ /^GMT/ && $6 ~ /^[0-9:]+$/ && $5 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ {
    month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $4) + 2) / 3
    printf "%04d-%02d-%02d %s\n", $5, month, $3, $6; exit }'
}

# ---- a card ----

prepare_card() {
  [ -d "$root/etc" ] || die "'$root' is not the root of a system" "mount the card's second partition and name its folder"
  find_distribution
  [ -e "$root/lib/systemd/systemd" ] || [ -e "$root/usr/lib/systemd/systemd" ] || die "the system in $root has no systemd"
  if [ -z "$key" ]; then warn "no key is on the card: nobody can push to it until one is added (--key FILE)"; fi
  find_targets
  read_release
  # shellcheck disable=SC2086 # a list of words
  get_executable ${target:-$targets}
  need_space "$root" $(($(size_of "$chosen") * 2))
  place=$root$place
  say "Putting piku into $place"
  mkdir -p "$place"
  fetch install.sh
  files="install.sh piku-$chosen"
  # Every board runs the armv6 one; most would rather have the other.
  if [ "$chosen" = linux-armv6 ] && [ -z "$target" ] && grep -q ' [ *]piku-linux-armv7$' "$work/SHA256SUMS"; then
    fetch piku-linux-armv7
    files="$files piku-linux-armv7"
  fi
  for name in $files; do put "$place/$name" 755 <"$work/$name"; done
  # Whole, or its signature would not fit.
  for name in SHA256SUMS SHA256SUMS.sig; do put "$place/$name" 644 <"$work/$name"; done
  set -- --first-boot --from /usr/local/lib/piku
  if [ -n "$key" ]; then
    put "$place/key.pub" 644 <"$key"
    set -- "$@" --key /usr/local/lib/piku/key.pub
  fi
  [ -z "$domain" ] || set -- "$@" --domain "$domain"
  [ -z "$default_site" ] || set -- "$@" --default-site
  [ -z "$class" ] || set -- "$@" --class
  name_machine
  : >"$place/first-boot"
  put_marked "$root/etc/systemd/system/piku-first-boot.service" 644 <<END
[Unit]
Description=piku is installed, once the network is up
Wants=network-online.target
After=network-online.target
ConditionPathExists=/usr/local/lib/piku/first-boot
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh /usr/local/lib/piku/install.sh $*
StandardOutput=journal+console
StandardError=journal+console
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
END
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -sf ../piku-first-boot.service "$root/etc/systemd/system/multi-user.target.wants/piku-first-boot.service"
  sync
  name=$(cat "$root/etc/hostname" 2>/dev/null || :)
  at=
  if [ -n "$name" ] && [ -e "$root/usr/sbin/avahi-daemon" ]; then at=". Then, on your machine: git remote add piku $user@$name.local:APP && git push piku main"; fi
  say "Done. Put the card into the board, and the board into a network: it installs the rest at its first boot$at"
}

# ---- the way back ----

uninstall_here() {
  find_distribution
  home=$(home_of "$user")
  [ -n "$home" ] || die "there is no user $user here"
  if [ ! -x "$home/piku" ] || is_script "$home/piku"; then die "piku is not installed here"; fi
  # This may have been cut off before: the original in its place says the same as the one that was kept.
  original=
  if [ -e "$home/piku.py.original" ]; then
    say "Bringing back the former piku"
    as_user mv -f "$home/piku.py.original" "$home/piku.py"
  fi
  if is_script "$home/piku.py"; then original=1; fi
  say "Taking away keys, hooks and the timer of piku"
  piku setup --undo
  say "Taking away the services"
  if has_systemd; then uninstall_units; elif has_openrc; then uninstall_openrc; fi
  if is_ours /etc/ssh/sshd_config.d/piku.conf; then
    take_away /etc/ssh/sshd_config.d/piku.conf
    reload_sshd
  fi
  [ ! -e "$place/shared-because" ] || change_setting PIKU_NGINX
  take_away "$in_path" "$avahi_file"
  as_user rm -rf "$home/piku.old"
  [ -z "$original" ] || as_user "$home/piku.py" setup >/dev/null
  rm -rf "$place"
  # Last, since this goes by it when it is run again.
  if [ -e "$home/piku.original" ]; then as_user mv -f "$home/piku.original" "$home/piku"; else as_user rm "$home/piku"; fi
  if [ -n "$original" ]; then
    say "Done. Apps go on as they are, and the former piku has them again"
  else
    say "Done. The apps and their data are left in $home/.piku, and so are the user $user and the packages"
  fi
}

uninstall_units() {
  if [ -e "$units/piku-go-over.service" ]; then systemctl disable --quiet piku-go-over; fi
  if [ -z "$original" ] && [ -e "$units/uwsgi-piku.service" ]; then systemctl disable --quiet --now uwsgi-piku; fi
  for unit in $(other_units); do [ -z "$original" ] || systemctl enable --quiet "$unit"; done
  remove_reloader
  rm -f "$units"/multi-user.target.wants/piku-first-boot.service
  take_away "$units/uwsgi-piku.service" "$units/piku-go-over.service" "$units/piku-first-boot.service" "$units/piku-nginx.path" \
    "$units/piku-nginx.service" "$vendor/uwsgi-piku.service.d/walls.conf" "$units/uwsgi-piku.service.d/z-class.conf"
  rmdir "$vendor/uwsgi-piku.service.d" "$units/uwsgi-piku.service.d" 2>/dev/null || :
  systemctl daemon-reload
  give_back_nginx
  systemctl daemon-reload
  if [ -n "$original" ] && [ -e "$units/piku-nginx.path" ]; then systemctl enable --quiet --now piku-nginx.path; fi
}

uninstall_openrc() {
  remove_reloader
  # With an original the emperor goes on until the machine ends.
  if [ -z "$original" ]; then remove_openrc_service uwsgi-piku; else take_away /etc/init.d/uwsgi-piku; fi
  give_back_nginx
}

# The distribution's nginx as it was; with an original, which goes on by it, its group and its sites as well.
give_back_nginx() {
  http_file=$http_files/piku.conf
  http_port=$(board_setting PIKU_HTTP_PORT | tr -cd 0-9)
  http_port=${http_port:-80}
  turn_on_welcome "$(noted_welcome)"
  turn_on_welcome "$(noted welcome)"
  if [ -n "$original" ]; then
    if [ -n "$(noted group)" ]; then usermod -g "$web" "$user"; fi
    set_sockets "$web" g+sx 660
  elif [ -n "$(noted member)" ] && is_member "$web"; then leave_group "$web"; fi
  if [ -n "$original" ] && [ -e "$http_file" ] && [ -z "$(other_includes)" ]; then
    say "Leaving $http_file, by which nginx knows the apps"
  else
    take_away "$http_file"
    rm -f /etc/nginx/piku-default.crt /etc/nginx/piku-default.key
  fi
  stop_own
  if has_systemd; then
    if [ "$(noted nginx)" = enabled ]; then
      systemctl enable --quiet nginx
      systemctl start nginx || warn "nginx does not start: journalctl -u nginx"
    elif nginx -t -q; then systemctl try-reload-or-restart nginx; fi
  else
    if [ "$(noted nginx)" = enabled ]; then rc-update -q add nginx; fi
    if nginx -t -q; then reload_nginx; fi
  fi
}

# One run does one of four things.
main() {
  read_options "$@"
  work=$(mktemp -d)
  trial='' proof=''
  trap 'end_proof; rm -rf "$work" "$trial"' EXIT
  trap 'exit 1' HUP INT TERM
  if [ -n "$client" ]; then install_client
  elif [ -n "$uninstall" ]; then uninstall_here
  elif [ -n "$go_over" ]; then go_over_here
  elif [ -n "$root" ]; then prepare_card
  else install_here; fi
}

main "$@"
}

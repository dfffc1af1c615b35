#!/bin/sh
# Puts piku on this machine, or on the card of another one.
#
#   curl -fsSL URL/install.sh | sh -s -- [--key FILE] [...]     as root; run it again to upgrade
#   sh install.sh --root /mnt/card --key id.pub                 prepares a card; it comes up by itself
#
# POSIX sh, nothing else. All of it is in functions, so that a download that was cut short does nothing.
set -eu
umask 022
LC_ALL=C
export LC_ALL DEBIAN_FRONTEND=noninteractive

# Where the release is; `npm run build` writes it into dist/install.sh when it is told (PIKU_RELEASES).
release=
user=piku
mark="# Written by piku's install.sh; changes are lost."
units=/etc/systemd/system

usage() {
  cat <<'END'
Usage: sh install.sh [options]
  --from URL|DIR     where SHA256SUMS and the executables are
  --key FILE         public keys that may push; else those of root, or of whoever called sudo
  --target NAME      another executable than the one that fits (linux-armv7, linux-x64-lite, ...)
  --hostname NAME    the machine's name
  --domain NAME      an app without a server name gets APP.NAME
  --default-site     turns off the distribution's welcome site
  --root DIR         prepares the mounted root of a Debian or Raspberry Pi OS card
  --uninstall        takes away what this script put there; apps and their data stay
END
}

# The words of os-release; tried or not; the package manager; nginx's user; where nginx reads http files; the service of sshd;
# what is installed.
distributions() {
  cat <<'END'
debian,raspbian,ubuntu tried apt www-data /etc/nginx/conf.d ssh git openssh-server nginx uwsgi-core uwsgi-plugin-python3 python3-venv openssl curl ca-certificates
fedora,rhel,centos untried dnf nginx /etc/nginx/conf.d sshd git-core openssh-server nginx uwsgi uwsgi-plugin-python3 python3 openssl curl ca-certificates tar
alpine untried apk nginx /etc/nginx/http.d sshd git openssh-server nginx uwsgi uwsgi-python3 python3 openssl curl ca-certificates util-linux coreutils findutils tar
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
  from='' key='' target='' root='' hostname='' domain='' default_site='' uninstall='' first_boot=''
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --key | --target | --root | --hostname | --domain)
        [ -n "${2:-}" ] || die "$1 needs a value" "sh install.sh --help"
        case $1 in
          --from) from=${2%/} ;;
          --key) key=$2 ;;
          --target) target=$2 ;;
          --root) root=${2%/} ;;
          --hostname) hostname=$2 ;;
          --domain) domain=$2 ;;
        esac
        shift
        ;;
      --default-site) default_site=1 ;;
      --uninstall) uninstall=1 ;;
      --first-boot) first_boot=1 ;;
      --help) usage && exit 0 ;;
      *) die "there is no option '$1'" "sh install.sh --help" ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || die "this must run as root" "sudo sh install.sh ..."
  if [ -n "$key" ]; then [ -r "$key" ] || die "there is no key file '$key'"; fi
  case $hostname$domain in *[!a-zA-Z0-9.-]*) die "'$hostname$domain' cannot be a name: letters, digits, - and . only" ;; esac
  if [ -z "$from" ]; then
    # Beside this script, when it is a file.
    beside=$(dirname "$0")
    if [ -n "$release" ]; then from=$release; elif [ -r "$beside/SHA256SUMS" ]; then from=$beside; fi
  fi
  case $from in
    '') [ -n "$uninstall" ] || die "it is not known where the release is" "--from https://..., or a folder with SHA256SUMS" ;;
    http://* | https://*) ;;
    *)
      [ -d "$from" ] || die "there is no folder '$from'"
      from=$(cd "$from" && pwd)
      ;;
  esac
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
    return
  done
  die "there are no package names for this distribution ($words)" "there are: $(distributions | cut -d' ' -f1 | tr '\n' ' ')"
}

bytes_of() { od -An -tu1 -j "$2" -N "$3" "$1" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'; }

# The userland decides, not the kernel: a 64-bit kernel may carry a 32-bit system. Gives the targets that fit, the best first.
find_targets() {
  program=
  for file in bin/busybox usr/bin/dash bin/dash usr/bin/bash bin/bash; do
    if [ -f "$root/$file" ] && [ ! -L "$root/$file" ]; then program=$root/$file && break; fi
  done
  [ -n "$program" ] || die "${root:-this machine} has no shell to see its processor from"
  musl=
  for file in "$root"/lib/ld-musl-*; do if [ -e "$file" ]; then musl=-musl; fi; done
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
  if [ "$memory" -lt 1000 ]; then targets="$big-lite $big$musl"; else targets="$big$musl $big-lite"; fi
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

# ---- the release ----

fetch() {
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl -fsSL --retry 3 --connect-timeout 20 -o "$work/$1" "$from/$1" 2>"$work/why"
      elif command -v wget >/dev/null; then
        wget -q -T 20 -O "$work/$1" "$from/$1" 2>"$work/why"
      else
        die "neither curl nor wget is here to get $from/$1 with" "install curl; or get the release yourself, and --from its folder"
      fi
      ;;
    *) cp "$from/$1" "$work/$1" 2>"$work/why" ;;
  esac || die "$1 could not be got from $from: $(tail -n 1 "$work/why")" "look at the network and the address, then run this again"
}

verify() {
  wanted=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$1\$/\1/p" "$work/SHA256SUMS")
  [ -n "$wanted" ] || die "the release at $from has no $1"
  [ "$(sha256sum "$work/$1" | cut -d' ' -f1)" = "$wanted" ] ||
    die "$1 is not the file that SHA256SUMS speaks of" "the download may have been cut short: run this again"
}

# Gets the first of these targets that the release has and, unless it is for a card, that runs here.
get_executable() {
  fetch SHA256SUMS
  for name in "$@"; do
    grep -q " [ *]piku-$name\$" "$work/SHA256SUMS" || continue
    say "Getting piku-$name from $from"
    fetch "piku-$name"
    verify "piku-$name"
    chmod 755 "$work/piku-$name"
    chosen=$name
    [ -z "$root" ] || return 0
    if version=$("$work/piku-$name" --version 2>"$work/why"); then return; fi
    warn "piku-$name does not run here: $(tail -n 1 "$work/why")"
  done
  die "the release at $from has no executable that runs here (tried: $*)" "--target names another"
}

# ---- this machine ----

install_packages() {
  missing=
  for package in $packages; do is_installed "$package" || missing="$missing $package"; done
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
  esac >"$log" 2>&1 </dev/null || die "the packages could not be installed: $(grep -i -E 'err|fail|unable|no space' "$log" | tail -n 1)" "all of it is in $log; then run this again"
}

is_installed() {
  case $manager in
    apt) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    dnf) rpm -q "$1" >/dev/null 2>&1 ;;
    apk) apk info -e "$1" >/dev/null 2>&1 ;;
  esac
}

home_of() { sed -n "s/^$1:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd; }

make_user() {
  if ! id "$user" >/dev/null 2>&1; then
    say "Making the user $user"
    if command -v useradd >/dev/null; then useradd --create-home --gid "$web" --shell /bin/sh "$user"
    else adduser -D -G "$web" -s /bin/sh "$user"; fi
    chmod 750 "$(home_of "$user")"
  fi
  # No password fits, so that only keys do; a locked account would keep those out as well.
  case $(password_of "$user") in '!' | '!!') printf '%s\n' "$user:*" | chpasswd -e ;; esac
  home=$(home_of "$user")
  [ -n "$home" ] || die "the user $user has no home folder"
  # A power cut may have left the user without it.
  [ -d "$home" ] || install -d -m 750 -o "$user" -g "$web" "$home"
}

password_of() { sed -n "s/^$1:\([^:]*\):.*/\1/p" /etc/shadow; }

as_user() { su -s /bin/sh -c 'cd && exec "$@"' -- "$user" sh "$@"; }

# Puts a file in its place whole: from stdin, with a mode.
put() {
  cat >"$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
}

# The same for a file that has our mark: what somebody else put there is kept beside it.
put_marked() {
  if [ -e "$1" ] && ! grep -qF "$mark" "$1" && [ ! -e "$1.original" ]; then cp -p "$1" "$1.original"; fi
  put "$@"
}

is_script() { [ -f "$1" ] && [ "$(head -c 2 "$1")" = '#!' ]; }

# What was called piku.py and piku before. The original is one of them; the other one may be anything.
keep_former() {
  for script in "$home/piku.py" "$home/piku"; do
    is_script "$script" || continue
    aside=$home/piku.py.original
    if [ "$script" = "$home/piku" ] && [ -e "$aside" ]; then aside=$home/piku.original; fi
    say "Keeping the former ${script##*/} as $aside"
    cp -p "$script" "$aside.new"
    mv -f "$aside.new" "$aside"
  done
}

put_executable() {
  say "Putting piku into $home: $version"
  group=$(id -gn "$user")
  keep_former
  cp "$work/piku-$chosen" "$home/.piku.new"
  chown "$user:$group" "$home/.piku.new"
  # A name may reach the disk before what it stands for.
  sync
  mv -f "$home/.piku.new" "$home/piku"
  if [ -e "$home/piku.py.original" ]; then
    ln -sf piku "$home/.piku.py.new"
    chown -h "$user:$group" "$home/.piku.py.new"
    mv -f "$home/.piku.py.new" "$home/piku.py"
  fi
  as_user "$home/piku" setup
  case $from in http*) setting PIKU_RELEASES "$from" ;; esac
  [ -z "$domain" ] || setting PIKU_DOMAIN "$domain"
  # nginx goes through the home folder to the sites' sockets and files.
  # shellcheck disable=SC2016 # for the inner shell
  su -s /bin/sh -c 'test -x "$0"' -- "$web" "$home/.piku/nginx" 2>/dev/null || chmod g+x,o+x "$home"
}

# A line in the ENV file of the machine, unless it is set.
setting() {
  file=$home/.piku/ENV
  was=$(grep "^$1=" "$file" 2>/dev/null | tail -n 1)
  if [ -n "$was" ]; then
    [ "$was" = "$1=$2" ] || warn "$file says $was, and that stays. To change it: $home/piku config:set --global $1=$2, as the user $user"
    return
  fi
  # shellcheck disable=SC2016 # for the inner shell
  { awk 1 "$file" 2>/dev/null || :; printf '%s\n' "$1=$2"; } | as_user sh -c 'cat >"$0.new" && chmod 600 "$0.new" && mv -f "$0.new" "$0"' "$file"
}

add_keys() {
  authorized=$home/.ssh/authorized_keys
  if [ -n "$key" ]; then
    as_user "$home/piku" setup:ssh - <"$key" || die "$key holds what is no public key"
    return
  fi
  ! grep -q '^[^#]' "$authorized" 2>/dev/null || return 0
  for file in "$(home_of root)/.ssh/authorized_keys" "$(home_of "${SUDO_USER:-root}")/.ssh/authorized_keys"; do
    # Lines with options in front would bring rights of their own.
    if grep -E '^(ssh-|ecdsa-|sk-)' "$file" >"$work/keys" 2>/dev/null; then
      say "Letting in the keys of $file"
      as_user "$home/piku" setup:ssh - <"$work/keys"
      return
    fi
  done
  warn "no key was added. Add yours: $home/piku setup:ssh id_ed25519.pub, as the user $user"
}

# The emperors of this piku that run: ours, the original's, or one of the distribution's service.
emperors() {
  for file in /proc/[0-9]*/cmdline; do
    line=$(tr '\0' ' ' <"$file" 2>/dev/null) || continue
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
  if [ -d /run/systemd/system ]; then write_units; elif command -v rc-update >/dev/null; then write_openrc; else
    warn "neither systemd nor OpenRC runs here: start uwsgi --ini $home/.piku/uwsgi/uwsgi.ini yourself, as $user, and reload nginx when $home/.piku/nginx changes"
  fi
}

# Units of the original's under other names than ours, which would do the same a second time.
other_units() {
  for unit in "$units"/*.service "$units"/*.path; do
    case ${unit##*/} in uwsgi-piku.service | piku-nginx.*) continue ;; esac
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
  put_marked "$units/uwsgi-piku.service" 644 <<END
$mark
[Unit]
Description=piku's uWSGI emperor
After=network.target nss-lookup.target

[Service]
User=$user
Group=$(id -gn "$user")
Environment=HOME=$home
ExecStartPre=-$home/piku recover
ExecStart=$(command -v uwsgi) --ini $home/.piku/uwsgi/uwsgi.ini
KillSignal=SIGQUIT
# The emperor ends the apps, each by its own signal.
KillMode=mixed
TimeoutStopSec=60
Restart=always
Type=notify
NotifyAccess=all

[Install]
WantedBy=multi-user.target
END
  put_marked "$units/piku-nginx.path" 644 <<END
$mark
[Unit]
Description=piku's sites have changed

[Path]
PathChanged=$home/.piku/nginx

[Install]
WantedBy=multi-user.target
END
  put_marked "$units/piku-nginx.service" 644 <<END
$mark
[Unit]
Description=nginx reads piku's sites

[Service]
Type=oneshot
ExecStart=$(command -v systemctl) reload nginx
END
  systemctl daemon-reload
  systemctl enable --quiet piku-nginx.path nginx "$sshd"
  [ -n "$foreign" ] || systemctl enable --quiet uwsgi-piku.service
  systemctl start piku-nginx.path "$sshd"
  later=
  [ -n "$foreign" ] || [ "$before" = "$(cat "$units/uwsgi-piku.service")" ] || later="; the new service takes over at the next boot"
  if [ -n "$running" ]; then say "The emperor that runs goes on, so that no app stops$later"
  elif [ -z "$foreign" ]; then systemctl start uwsgi-piku.service || die "the emperor does not start" "journalctl -u uwsgi-piku"; fi
}

write_openrc() {
  put_marked /etc/init.d/uwsgi-piku 755 <<END
#!/sbin/openrc-run
$mark
description="piku's uWSGI emperor"
supervisor=supervise-daemon
command=$(command -v uwsgi)
command_args="--ini $home/.piku/uwsgi/uwsgi.ini"
command_user=$user:$(id -gn "$user")
depend() { need net; }
start_pre() { su -s /bin/sh $user -c "$home/piku recover" || :; }
END
  mkdir -p /usr/local/lib/piku
  put_marked /usr/local/lib/piku/reload 755 <<END
#!/bin/sh
$mark
exec rc-service nginx reload
END
  put_marked /etc/init.d/piku-nginx 755 <<END
#!/sbin/openrc-run
$mark
description="nginx reads piku's sites when they have changed"
supervisor=supervise-daemon
command=/bin/busybox
command_args="inotifyd /usr/local/lib/piku/reload $home/.piku/nginx:yn"
depend() { need nginx; }
END
  rc-update -q add nginx && rc-update -q add "$sshd" && rc-update -q add piku-nginx && rc-service -q "$sshd" start
  [ -n "$foreign" ] || rc-update -q add uwsgi-piku
  [ -n "$running$foreign" ] || rc-service -q uwsgi-piku start
  rc-service -q nginx start && rc-service -q piku-nginx restart
}

# A server of its own for https, since an unknown name would fall to the first app. It is the default by being the first, so that
# an app can take its place (NGINX_DEFAULT).
https_server() {
  sixth=
  [ -e /proc/net/if_inet6 ] && sixth='  listen [::]:443 ssl;'
  if nginx -v 2>&1 | awk -F'[/.]' '/version/ { exit !($2 > 1 || $3 > 19 || ($3 == 19 && $4 + 0 >= 4)) }'; then
    answer='  ssl_reject_handshake on;'
  else
    [ -e /etc/nginx/piku-default.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
      -subj /CN=invalid -keyout /etc/nginx/piku-default.key -out /etc/nginx/piku-default.crt 2>/dev/null
    answer='  ssl_certificate /etc/nginx/piku-default.crt;
  ssl_certificate_key /etc/nginx/piku-default.key;
  return 444;'
  fi
  printf '%s\n' 'server {' '  listen 443 ssl;' ${sixth:+"$sixth"} "$answer" '}'
}

# Files of nginx's, but ours, that include piku's sites: the original's instructions say the default site.
other_includes() {
  grep -RlsF "$home/.piku/nginx/*.conf" /etc/nginx | grep -v -e "^$http_files/piku.conf" -e '\.original$' -e /sites-available/ || :
}

# The distribution's welcome site, on and off, by what it is: `FILE`, or `LINK -> FILE`. Our file for nginx has a note of it.
noted_welcome() { sed -n 's/^# turned off: //p' "$conf" 2>/dev/null || :; }
find_welcome() {
  welcome=/etc/nginx/sites-enabled/default
  case $http_files in */http.d) welcome=$http_files/default.conf ;; esac
  if [ -L "$welcome" ]; then printf '%s\n' "$welcome -> $(readlink "$welcome")"; elif [ -f "$welcome" ]; then printf '%s\n' "$welcome"; fi
}
turn_off_welcome() {
  case $1 in
    '') ;;
    *' -> '*) rm -f "${1%% -> *}" ;;
    *) mv -f "$1" "$1.original" ;;
  esac
}
turn_on_welcome() {
  case $1 in
    '') ;;
    *' -> '*) ln -sfn "${1#* -> }" "${1%% -> *}" ;;
    *) [ ! -e "$1.original" ] || mv -f "$1.original" "$1" ;;
  esac
}

write_nginx() {
  say "Showing nginx the way to piku's sites"
  conf=$http_files/piku.conf
  welcome=
  [ -z "$default_site" ] || welcome=$(find_welcome)
  kept=${welcome:-$(noted_welcome)}
  include="include $home/.piku/nginx/*.conf;"
  other=$(other_includes)
  if [ -n "$other" ]; then
    say "nginx includes piku's sites already, by $(printf %s "$other" | tr '\n' ' ')"
    include=
  fi
  [ ! -e "$conf" ] || cp -p "$conf" "$work/piku.conf"
  {
    printf '%s\n' "$mark"
    [ -z "$kept" ] || printf '%s\n' "# turned off: $kept"
    https_server
    printf '%s\n' "$include"
  } | put_marked "$conf" 644
  turn_off_welcome "$welcome"
  if ! nginx -t -q 2>"$work/why"; then
    if [ -e "$work/piku.conf" ]; then mv "$work/piku.conf" "$conf"; else rm "$conf"; fi
    turn_on_welcome "$welcome"
    die "nginx refuses its configuration: $(grep emerg "$work/why" | head -n 1)" "what was there before is in place again; mend it, then run this again"
  fi
  if [ -d /run/systemd/system ]; then systemctl reload-or-restart nginx; else rc-service -q nginx reload; fi
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
  # shellcheck disable=SC2086 # a list of words
  get_executable $targets
  name_machine
  install_packages
  make_user
  need_space "$home" "$(size_of "$chosen")"
  put_executable
  add_keys
  write_services
  write_nginx
  [ -z "$first_boot" ] || rm -f /usr/local/lib/piku/first-boot
  [ ! -e "$home/piku.py.original" ] || say "The way back to the former piku: sh install.sh --uninstall"
  sync
  say "Done. On your machine: git remote add piku $user@$(uname -n):APP && git push piku main"
}

# ---- a card ----

prepare_card() {
  [ -d "$root/etc" ] || die "'$root' is not the root of a system" "mount the card's second partition and name its folder"
  find_distribution
  [ -e "$root/lib/systemd/systemd" ] || [ -e "$root/usr/lib/systemd/systemd" ] || die "the system in $root has no systemd"
  if [ -z "$key" ]; then warn "no key is on the card: nobody can push to it until one is added (--key FILE)"; fi
  need_space "$root" 20
  find_targets
  # shellcheck disable=SC2086 # a list of words
  get_executable ${target:-$targets}
  place=$root/usr/local/lib/piku
  say "Putting piku into $place"
  mkdir -p "$place"
  executables=piku-$chosen
  # Every board runs the armv6 one; most would rather have the other.
  if [ "$chosen" = linux-armv6 ] && [ -z "$target" ] && grep -q ' [ *]piku-linux-armv7$' "$work/SHA256SUMS"; then
    fetch piku-linux-armv7
    verify piku-linux-armv7
    executables="$executables piku-linux-armv7"
  fi
  for name in $executables; do
    cp "$work/$name" "$place/$name"
    chmod 755 "$place/$name"
    grep " [ *]$name\$" "$work/SHA256SUMS"
  done | put "$place/SHA256SUMS" 644
  fetch install.sh
  put "$place/install.sh" 755 <"$work/install.sh"
  set -- --first-boot --from /usr/local/lib/piku
  if [ -n "$key" ]; then
    put "$place/key.pub" 644 <"$key"
    set -- "$@" --key /usr/local/lib/piku/key.pub
  fi
  [ -z "$domain" ] || set -- "$@" --domain "$domain"
  [ -z "$default_site" ] || set -- "$@" --default-site
  name_machine
  : >"$place/first-boot"
  put_marked "$root/etc/systemd/system/piku-first-boot.service" 644 <<END
$mark
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
  say "Done. Put the card into the board, and the board into a network: it installs the rest at its first boot"
}

# ---- the way back ----

# Removes what `put_marked` put there, or brings back what was there before.
take_away() {
  for file in "$@"; do
    grep -qsF "$mark" "$file" || continue
    if [ -e "$file.original" ]; then mv -f "$file.original" "$file"; else rm -f "$file"; fi
  done
}

uninstall_here() {
  find_distribution
  home=$(home_of "$user")
  [ -n "$home" ] || die "there is no user $user here"
  if [ ! -x "$home/piku" ] || is_script "$home/piku"; then die "piku is not installed here"; fi
  # This may have been cut off before: the original in its place says the same as the one that was kept.
  original=
  if [ -e "$home/piku.py.original" ]; then
    say "Bringing back the former piku"
    mv -f "$home/piku.py.original" "$home/piku.py"
  fi
  if is_script "$home/piku.py"; then original=1; fi
  say "Taking away keys, hooks and the timer of piku"
  as_user "$home/piku" setup --undo
  say "Taking away the services"
  if [ -d /run/systemd/system ]; then
    for unit in uwsgi-piku.service piku-nginx.path; do
      if [ -z "$original" ] && [ -e "$units/$unit" ]; then systemctl disable --quiet --now "$unit"; fi
    done
    for unit in $(other_units); do [ -z "$original" ] || systemctl enable --quiet "$unit"; done
    take_away "$units/uwsgi-piku.service" "$units/piku-nginx.path" "$units/piku-nginx.service" "$units/piku-first-boot.service"
    rm -f "$units"/multi-user.target.wants/piku-first-boot.service
    systemctl daemon-reload
  elif command -v rc-update >/dev/null; then
    for name in uwsgi-piku piku-nginx; do [ -n "$original" ] || { rc-service -q $name stop; rc-update -q del $name; } || :; done
    take_away /etc/init.d/uwsgi-piku /etc/init.d/piku-nginx
  fi
  conf=$http_files/piku.conf
  turn_on_welcome "$(noted_welcome)"
  if [ -n "$original" ] && [ -z "$(other_includes)" ]; then
    say "Leaving $conf, by which nginx knows the apps"
  else
    take_away "$conf"
    rm -f /etc/nginx/piku-default.crt /etc/nginx/piku-default.key
  fi
  nginx -t -q && if [ -d /run/systemd/system ]; then systemctl reload nginx; else rc-service -q nginx reload; fi
  rm -rf "$home/piku.old" /usr/local/lib/piku
  [ -z "$original" ] || as_user "$home/piku.py" setup >/dev/null
  # Last, since this goes by it when it is run again.
  if [ -e "$home/piku.original" ]; then mv -f "$home/piku.original" "$home/piku"; else rm "$home/piku"; fi
  if [ -n "$original" ]; then
    say "Done. Apps go on as they are, and the former piku has them again"
  else
    say "Done. The apps and their data are left in $home/.piku, and so are the user $user and the packages"
  fi
}

main() {
  read_options "$@"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  if [ -n "$uninstall" ]; then uninstall_here
  elif [ -n "$root" ]; then prepare_card
  else install_here; fi
}

main "$@"

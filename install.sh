#!/bin/sh
# Installs piku on a Debian machine: curl -fsSL URL/install.sh | sh -s -- --from URL [--key FILE]
# Run as root. Safe to run again, which upgrades the executable and leaves apps alone.
set -eu

user=piku
from=
key=
target=

say() { printf '%s\n' "-----> $*"; }
die() { printf '%s\n' "Error: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --from) from=${2:?"--from needs a URL or a folder"}; shift 2 ;;
    --key) key=${2:?"--key needs a file"}; shift 2 ;;
    --target) target=${2:?"--target needs a name"}; shift 2 ;;
    *) die "there is no option '$1'; there are --from, --key and --target" ;;
  esac
done

[ "$(id -u)" = 0 ] || die "this must run as root: sudo sh install.sh …"
[ -n "$from" ] || die "say where the release is: --from https://…, or a folder with SHA256SUMS"
command -v apt-get >/dev/null || die "only Debian and its relatives are known to this version"
[ -d /run/systemd/system ] || die "this machine does not run systemd"
[ -z "$key" ] || [ -r "$key" ] || die "there is no key file '$key'"

# The userland decides, not the kernel: a 64-bit kernel may carry a 32-bit system.
if [ -z "$target" ]; then
  memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  case $(dpkg --print-architecture) in
    amd64) target=linux-x64 ;;
    arm64) target=linux-arm64 ;;
    armhf | armel)
      # dpkg says armhf for a Pi Zero's ARMv6 as well.
      target=linux-armv7
      case $(uname -m) in armv6l) target=linux-armv6 ;; esac
      ;;
    *) die "there is no piku for $(dpkg --print-architecture)" ;;
  esac
  case $target in linux-x64 | linux-arm64) [ "$memory" -ge 1000 ] || target=$target-lite ;; esac
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() {
  case $from in
    http://* | https://*) curl -fsSL --retry 2 -o "$work/$1" "$from/$1" ;;
    *) cp "$from/$1" "$work/$1" ;;
  esac || die "'$1' could not be got from $from"
}

say "Installing Debian's packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends git openssh-server nginx-light uwsgi-core uwsgi-plugin-python3 \
  python3-venv openssl curl ca-certificates >/dev/null

say "Getting piku-$target"
fetch SHA256SUMS
fetch "piku-$target"
(cd "$work" && grep " \*\{0,1\}piku-$target\$" SHA256SUMS | sha256sum -c --quiet -) || die "piku-$target is not the file that SHA256SUMS speaks of"
chmod 755 "$work/piku-$target"
"$work/piku-$target" --version || die "piku-$target does not run on this machine; try another --target"

if ! id "$user" >/dev/null 2>&1; then
  say "Making the user $user"
  useradd --create-home --gid www-data --shell /bin/bash "$user"
  # A password that none fits: keys only.
  usermod --password '*' "$user"
fi
home=$(getent passwd "$user" | cut -d: -f6)
# nginx enters by way of the group that it shares with piku.
chmod 750 "$home"

say "Putting piku into $home"
install -o "$user" -g www-data -m 755 "$work/piku-$target" "$home/.piku.new"
mv "$home/.piku.new" "$home/piku"
runuser -u "$user" -- env HOME="$home" "$home/piku" setup

for file in "$key" /root/.ssh/authorized_keys; do
  if [ -z "$file" ] || [ ! -r "$file" ]; then continue; fi
  runuser -u "$user" -- env HOME="$home" "$home/piku" setup:ssh - <"$file" && added=1 && break
done
[ -n "${added:-}" ] || say "No key was added. Add yours: sudo -u $user $home/piku setup:ssh id_ed25519.pub"

say "Writing the services"
cat >/etc/systemd/system/uwsgi-piku.service <<UNIT
[Unit]
Description=piku's uWSGI emperor
After=network.target

[Service]
User=$user
Group=www-data
Environment=HOME=$home
ExecStartPre=-$home/piku recover
ExecStart=/usr/bin/uwsgi --ini $home/.piku/uwsgi/uwsgi.ini
KillSignal=SIGQUIT
Restart=always
Type=notify
NotifyAccess=all

[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/piku-nginx.path <<UNIT
[Unit]
Description=Watch piku's sites

[Path]
PathChanged=$home/.piku/nginx

[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/piku-nginx.service <<UNIT
[Unit]
Description=Have nginx read piku's sites

[Service]
Type=oneshot
ExecStart=/bin/systemctl reload nginx
UNIT
cat >/etc/nginx/conf.d/piku.conf <<CONF
# Without a site of its own for https, an unknown name would fall to the first app. It is the default by being the first,
# so that an app can take its place (NGINX_DEFAULT).
server {
  listen 443 ssl;
  listen [::]:443 ssl;
  ssl_reject_handshake on;
}
include $home/.piku/nginx/*.conf;
CONF
[ -e /proc/net/if_inet6 ] || sed -i '/\[::\]/d' /etc/nginx/conf.d/piku.conf
nginx -t -q || die "nginx does not like its configuration any more"
systemctl daemon-reload
systemctl enable --quiet --now nginx uwsgi-piku.service piku-nginx.path
systemctl reload nginx
say "Done. From your machine: git remote add piku $user@$(hostname):myapp && git push piku main"

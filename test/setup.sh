#!/bin/sh
# Makes a fresh checkout ready: npm packages, Debian packages, the executables for this machine.
# As root it installs what is missing; otherwise it names the packages and the one command to install them.
# `setup.sh tests` also installs what lint needs and, as root, the toolchains that some stories need, `setup.sh long` what makes load and runs exported apps; without them
# these are skipped; `setup.sh machines` what makes whole machines, which `tests` needs as well, and emulators of other processors,
# `setup.sh boards` what emulates whole boards besides.
# `setup.sh bench` installs what measures, and what the original needs.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if [ ! -e node_modules/.package-lock.json ] ||
  [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
  npm ci --no-audit --no-fund
  touch node_modules/.package-lock.json
fi

missing=
needs() { # PACKAGE COMMAND...: the package is missing when the command fails
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
needs git command -v git
needs openssh-server command -v sshd
needs openssh-client command -v ssh-keygen
needs nginx-light command -v nginx
needs uwsgi-core command -v uwsgi
needs uwsgi-plugin-python3 test -e /usr/lib/uwsgi/plugins/python3_plugin.so
needs python3-venv /usr/bin/python3 -c 'import ensurepip, venv'
needs openssl command -v openssl
needs curl command -v curl
[ -z "${1:-}" ] || needs strace command -v strace
[ "${1:-}" != tests ] || needs shellcheck command -v shellcheck
[ "${1:-}" != tests ] || needs zsh command -v zsh
[ "${1:-}" != tests ] || needs fish command -v fish

if [ "${1:-}" = tests ] && [ "$(id -u)" = 0 ]; then
  needs qemu-user command -v qemu-x86_64
  needs uwsgi-plugin-php test -e /usr/lib/uwsgi/plugins/php_plugin.so
  needs uwsgi-plugin-gevent-python3 test -e /usr/lib/uwsgi/plugins/gevent_python3_plugin.so
  needs uwsgi-plugin-asyncio-python3 test -e /usr/lib/uwsgi/plugins/asyncio_python3_plugin.so
  needs uwsgi-plugin-jvm-openjdk-17 test -e /usr/lib/uwsgi/plugins/jvm_plugin.so
  needs uwsgi-plugin-jwsgi-openjdk-17 test -e /usr/lib/uwsgi/plugins/jwsgi_plugin.so
  needs ruby command -v ruby
  needs bundler command -v bundle
  needs uwsgi-plugin-rack-ruby3.1 test -e /usr/lib/uwsgi/plugins/rack_plugin.so
  needs ruby-rack command -v rackup
  needs ruby-webrick ruby -e 'require "webrick"'
  needs golang-go command -v go
  needs dehydrated command -v dehydrated
  needs cargo command -v cargo
  needs default-jdk-headless command -v javac
  needs maven command -v mvn
  needs gradle command -v gradle
  needs leiningen command -v lein
fi

case ${1:-} in
  tests | machines | boards)
    if [ "$(id -u)" = 0 ]; then
      needs systemd-container command -v systemd-nspawn
      needs debootstrap command -v debootstrap
      needs nftables command -v nft
      needs iproute2 command -v ip
    fi
    ;;
esac
emulates=
case ${1:-} in machines | boards) [ "$(id -u)" != 0 ] || emulates=1 ;; esac
if [ -n "$emulates" ]; then
  needs e2fsprogs command -v mke2fs
  needs qemu-user-static command -v qemu-arm-static
  needs binfmt-support command -v update-binfmts
  needs cpio command -v cpio
  needs kmod command -v depmod
  if [ "$1" = machines ]; then
    needs qemu-system-x86 command -v qemu-system-x86_64
  else
    needs qemu-system-arm command -v qemu-system-arm
    needs device-tree-compiler command -v fdtput
  fi
fi

if [ "${1:-}" = long ] && [ "$(id -u)" = 0 ]; then
  needs wrk command -v wrk
  needs qemu-user command -v qemu-arm
  needs podman command -v podman
  needs runc command -v runc
  needs catatonit command -v catatonit
  needs containernetworking-plugins test -e /usr/lib/cni/bridge
  needs iptables command -v iptables
  needs debootstrap command -v debootstrap
fi

if [ "${1:-}" = bench ]; then
  needs time test -x /usr/bin/time
  needs qemu-user command -v qemu-arm
  needs wrk command -v wrk
  [ -z "${PIKU_PEER:-}" ] || needs python3-click /usr/bin/python3 -c 'import click'
  [ -z "${PIKU_PEER:-}" ] || needs python3-virtualenv command -v virtualenv
fi

if [ -n "$missing" ] && [ "$(id -u)" != 0 ]; then
  echo "Error: these Debian packages are missing:$missing" >&2
  echo "Install them with: sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi
if [ -n "$missing" ]; then
  echo "-----> Installing Debian packages:$missing"
  # The services that these packages bring are not for us: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  apt-get update -q
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
  if [ -d /run/systemd/system ]; then
    case $missing in *nginx-light*) systemctl disable nginx ;; esac
    case $missing in *openssh-server*) systemctl disable ssh ;; esac
  fi
fi

# Where no systemd runs, nobody has told the kernel yet who runs the programs of another processor.
if [ -n "$emulates" ] && [ ! -e /proc/sys/fs/binfmt_misc/qemu-arm ]; then
  mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  update-binfmts --enable
fi

exec node_modules/.bin/bun build.ts

#!/bin/sh
# What a program for musl wants, without a system that is made of it: Debian 13's package musl, and the libraries of GCC as wheels
# for musl carry them. `musl.sh x64|arm64` prints the folder, which is made unless it is there. For root on Debian, with
# debootstrap and python3-venv.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
place=${XDG_CACHE_HOME:-$HOME/.cache}/piku-build/musl-$1
case $1 in x64) arch=amd64 processor=x86_64 ;; arm64) arch=arm64 processor=aarch64 ;; *) exit 2 ;; esac
if [ ! -e "$place" ]; then
  system=$("$here/machine.sh" system trixie amd64)
  rm -rf "$place.new"
  mkdir -p "$place.new/usr/lib"
  cd "$place.new"
  ln -s usr/lib lib
  "$here/apt.sh" "$system" "$arch" apt-get update >&2
  "$here/apt.sh" "$system" "$arch" apt-get download musl >&2
  dpkg-deb --fsys-tarfile ./musl_*.deb | tar -x --keep-directory-symlink -f -
  python3 -m venv venv
  venv/bin/pip -q download --no-deps --only-binary=:all: --implementation cp --abi abi3 --python-version 3.12 --platform "musllinux_1_2_$processor" pyzmq
  python3 -m zipfile -e ./*.whl wheel
  cp wheel/pyzmq.libs/libstdc++-* wheel/pyzmq.libs/libgcc_s-* usr/lib/
  ln -s "$(basename usr/lib/libstdc++-*)" usr/lib/libstdc++.so.6
  ln -s "$(basename usr/lib/libgcc_s-*)" usr/lib/libgcc_s.so.1
  rm -r wheel venv apt ./*.whl ./*.deb
  mv "$place.new" "$place"
fi
printf '%s\n' "$place"

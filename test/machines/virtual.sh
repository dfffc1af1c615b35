#!/bin/sh
# A whole virtual machine with a kernel of its own, for what no container shows: control groups of version 2, whatever this
# machine has. A baked system of machine.sh on Debian's own kernel, in qemu; without KVM it is ten times slower. For root on Debian,
# with qemu-system-x86, e2fsprogs, cpio and kmod (`test/setup.sh machines`).
#
#   virtual.sh create FOLDER SUITE TARGET     a disk in this folder, on which FOLDER/release is installed; that is done in a
#                                             container, which takes minutes less. FOLDER/id.pub may log in as root and as piku
#   virtual.sh boot FOLDER SSH HTTP [OPTION]  ports of 127.0.0.1 that lead to its 22 and 80; an option for its kernel
#   virtual.sh stop FOLDER                    takes away its power
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/piku-build/kernels
PATH=$PATH:/usr/sbin:/sbin

die() {
  printf '%s\n' "virtual.sh: $*" >&2
  exit 1
}

create() {
  folder=$1 suite=$2 target=$3
  "$here/kernel.sh" "$("$here/machine.sh" system "$suite" amd64)" amd64 amd64 "$cache/$suite" /dev/vda virtio_pci virtio_blk virtio_net
  cp "$cache/$suite/kernel" "$cache/$suite/initrd" "$folder/"
  name=virtual-$$
  export PIKU_MACHINE_OWNER=$$
  "$here/machine.sh" create "$name" --suite "$suite" --baked
  root=$("$here/machine.sh" root "$name")
  trap '"$here/machine.sh" destroy "$name"' EXIT
  mkdir -p "$root/root/.ssh"
  cp "$folder/id.pub" "$root/root/.ssh/authorized_keys"
  cp -a "$folder/release" "$root/root/"
  "$here/machine.sh" boot "$name"
  "$here/machine.sh" exec "$name" sh /root/release/install.sh --target "$target" --key /root/.ssh/authorized_keys >&2
  "$here/machine.sh" stop "$name"
  rm -f "$root/etc/resolv.conf"
  printf '%s\n' 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
  rm -f "$folder/disk"
  mke2fs -q -t ext4 -d "$root" "$folder/disk" 3G
}

boot() {
  folder=$1 ssh=$2 http=$3 option=${4:-}
  # A kernel that calls itself a virtual machine's often has no KVM to give.
  accelerator=tcg,thread=multi
  [ -z "${PIKU_KVM:-}" ] || accelerator=kvm
  setsid qemu-system-x86_64 -accel "$accelerator" -smp 2 -m 1024 -display none -no-reboot -serial "file:$folder/console" \
    -kernel "$folder/kernel" -initrd "$folder/initrd" -append "console=ttyS0 net.ifnames=0 rw $option" \
    -drive "file=$folder/disk,format=raw,if=virtio,cache=unsafe" -object rng-random,id=r,filename=/dev/urandom -device virtio-rng-pci,rng=r \
    -netdev "user,id=n,hostfwd=tcp:127.0.0.1:$ssh-:22,hostfwd=tcp:127.0.0.1:$http-:80" -device virtio-net-pci,netdev=n,romfile= \
    </dev/null >"$folder/qemu" 2>&1 &
  echo $! >"$folder/pid"
}

stop() {
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  rm "$1/pid"
  case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in qemu-system*"$1/disk"*) kill "$pid" ;; esac
}

[ $# -ge 2 ] || die "see the beginning of $0"
case $1 in create | boot | stop) "$@" ;; *) die "there is no '$1'" ;; esac

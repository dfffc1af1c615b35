#!/bin/sh
# A whole board in qemu: its processor, Debian's kernel for it, and a card that `install.sh --root` has prepared, whose first boot
# does the rest. For root on Debian, with qemu-system-arm, e2fsprogs, device-tree-compiler, cpio, kmod and what machine.sh needs
# for another processor (`test/setup.sh boards`). By hand:
#
#   board.sh create FOLDER armv7|armv6      a card in this folder, prepared from FOLDER/release. FOLDER/id.pub may log in as root
#                                           and as piku. FOLDER/piku.py, where it is there, is the original, for a user `peer`
#   board.sh boot FOLDER SSH HTTP           ports of 127.0.0.1 that lead to its 22 and 80; the board says what it does in
#                                           FOLDER/console
#   board.sh stop FOLDER                    takes away its power
#
# A processor's time there is a count of its instructions, two nanoseconds each, about what a Pi Zero does: so times are the same
# however busy this machine is. What install.sh would install is on the card already, which saves an hour.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
machines=$here/../machines
cache=${XDG_CACHE_HOME:-$HOME/.cache}/piku-build/kernels
PATH=$PATH:/usr/sbin:/sbin

die() {
  printf '%s\n' "board.sh: $*" >&2
  exit 1
}

# Of a board: Debian's name of its processor, its kernel, the device of its card, what drives that and its network.
facts() {
  case $1 in
    armv7) echo armhf armmp /dev/vda virtio_mmio virtio_blk virtio_net virtio_rng ;;
    armv6) echo armel rpi /dev/mmcblk0 bcm2835-rng cdc_ether ;;
    *) die "there is no board '$1'" ;;
  esac
}

create() {
  folder=$1 board=$2 name=board-$$
  # shellcheck disable=SC2046 # a list of words
  set -- $(facts "$board")
  arch=$1 flavour=$2
  shift 2
  export PIKU_MACHINE_OWNER=$$
  "$machines/machine.sh" create "$name" --suite bookworm --arch "$arch" --board
  trap '"$machines/machine.sh" destroy "$name"' EXIT
  root=$("$machines/machine.sh" root "$name")
  "$machines/kernel.sh" "$("$machines/machine.sh" system bookworm "$arch")" "$arch" "$flavour" "$cache/$board" "$@"
  cp "$cache/$board/kernel" "$cache/$board/initrd" "$folder/"
  if [ "$board" = armv6 ]; then
    cp "$cache/$board/trees/bcm2835-rpi-a-plus.dtb" "$folder/tree"
    # qemu has no more of that device than its watchdog.
    fdtput -t s "$folder/tree" /soc/watchdog@7e100000 compatible brcm,bcm2835-pm-wdt
    fdtput -t x "$folder/tree" /soc/watchdog@7e100000 reg 7e100000 28
  fi
  printf '%s\n' "$board" >"$folder/board"
  # That was for the emulator of a processor alone.
  rm -rf "$root/etc/systemd/system/service.d" "$root/etc/resolv.conf"
  printf '%s\n' 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
  install -d -m 700 "$root/root/.ssh"
  cp "$folder/id.pub" "$root/root/.ssh/authorized_keys"
  [ ! -e "$folder/piku.py" ] || cp "$folder/piku.py" "$root/root/"
  sh "$folder/release/install.sh" --root "$root" --key "$folder/id.pub" --hostname board
  mke2fs -q -t ext4 -d "$root" "$folder/card" 2G
}

boot() {
  folder=$1 ssh=$2 http=$3
  net=user,id=n,hostfwd=tcp:127.0.0.1:$ssh-:22,hostfwd=tcp:127.0.0.1:$http-:80
  card=file=$folder/card,format=raw,cache=unsafe
  case $(cat "$folder/board") in
    armv7)
      set -- -M virt -cpu cortex-a7 -m 512 -drive "if=none,id=card,$card" -device virtio-blk-device,drive=card \
        -device virtio-net-device,netdev=n -device virtio-rng-device
      ;;
    armv6)
      set -- -M raspi1ap -dtb "$folder/tree" -drive "if=sd,$card" -device usb-net,netdev=n
      ;;
  esac
  setsid nice -n 19 qemu-system-arm "$@" -icount shift=1 -netdev "$net" -display none -no-reboot -serial "file:$folder/console" \
    -kernel "$folder/kernel" -initrd "$folder/initrd" -append "console=ttyAMA0 rw net.ifnames=0" </dev/null >"$folder/qemu" 2>&1 &
  echo $! >"$folder/pid"
}

stop() {
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  rm "$1/pid"
  case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in qemu-system-arm*"$1/card"*) kill -9 "$pid" ;; esac
}

[ $# -ge 2 ] || [ "${1:-}" = stop ] || die "see the beginning of $0"
case $1 in create | boot | stop) "$@" ;; *) die "there is no '$1'" ;; esac

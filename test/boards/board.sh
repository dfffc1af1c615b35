#!/bin/sh
# A whole board in qemu: the processor, the kernel and the initrd of Debian for it, and a card that `install.sh --root` has prepared,
# whose first boot does the rest. For root on Debian, with qemu-system-arm, e2fsprogs, device-tree-compiler and what machine.sh
# needs for another processor (`test/setup.sh boards`). By hand:
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
machines=$here/../machines/machine.sh
PATH=$PATH:/usr/sbin:/sbin

die() {
  printf '%s\n' "board.sh: $*" >&2
  exit 1
}

# Debian's name of a board's processor; the rest of the board is in `boot`.
arch_of() { case $1 in armv7) echo armhf ;; armv6) echo armel ;; *) die "there is no board '$1'" ;; esac; }

create() {
  folder=$1 board=$2 name=board-$$
  arch=$(arch_of "$board")
  export PIKU_MACHINE_OWNER=$$
  "$machines" create "$name" --suite bookworm --arch "$arch" --board
  root=$("$machines" root "$name")
  trap '"$machines" destroy "$name"' EXIT
  # The emulator that this was for is left.
  rm -rf "$root/etc/systemd/system/service.d" "$root/etc/resolv.conf"
  printf '%s\n' 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
  printf '%s\n' '[Match]' 'Type=ether' '[Network]' DHCP=ipv4 >"$root/etc/systemd/network/board.network"
  systemctl -q --root "$root" enable systemd-networkd systemd-networkd-wait-online serial-getty@ttyAMA0
  install -d -m 700 "$root/root/.ssh"
  cp "$folder/id.pub" "$root/root/.ssh/authorized_keys"
  [ ! -e "$folder/piku.py" ] || cp "$folder/piku.py" "$root/root/"
  sh "$folder/release/install.sh" --root "$root" --key "$folder/id.pub" --hostname board
  cp "$root"/boot/vmlinuz-* "$folder/kernel"
  cp "$root"/boot/initrd.img-* "$folder/initrd"
  if [ "$board" = armv6 ]; then
    cp "$root"/usr/lib/linux-image-*/bcm2835-rpi-a-plus.dtb "$folder/tree"
    # qemu has no more of that device than its watchdog.
    fdtput -t s "$folder/tree" /soc/watchdog@7e100000 compatible brcm,bcm2835-pm-wdt
  fi
  printf '%s\n' "$board" >"$folder/board"
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
      disk=/dev/vda
      ;;
    armv6)
      set -- -M raspi1ap -dtb "$folder/tree" -drive "if=sd,$card" -device usb-net,netdev=n
      disk=/dev/mmcblk0
      ;;
  esac
  setsid nice -n 19 qemu-system-arm "$@" -icount shift=1 -netdev "$net" -display none -no-reboot -serial "file:$folder/console" \
    -kernel "$folder/kernel" -initrd "$folder/initrd" -append "console=ttyAMA0 root=$disk rw net.ifnames=0" </dev/null >"$folder/qemu" 2>&1 &
  echo $! >"$folder/pid"
}

stop() {
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  rm "$1/pid"
  case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in qemu-system-arm*"$1/card"*) kill -9 "$pid" ;; esac
}

[ $# -ge 2 ] || [ "${1:-}" = stop ] || die "see the beginning of $0"
case $1 in create | boot | stop) "$@" ;; *) die "there is no '$1'" ;; esac

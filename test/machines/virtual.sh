#!/bin/sh
# A whole virtual machine with a kernel of its own, for what no container shows: control groups of version 2, whatever this
# machine has. A baked system of machine.sh on Debian's own kernel, in qemu; without KVM it is ten times slower. For root on Debian,
# with qemu-system-x86, e2fsprogs, cpio, kmod and busybox-static (`test/setup.sh machines`).
#
#   virtual.sh create FOLDER SUITE TARGET     a disk in this folder, on which FOLDER/release is installed; that is done in a
#                                             container, which takes minutes less. FOLDER/id.pub may log in as root and as piku
#   virtual.sh boot FOLDER SSH HTTP [OPTION]  ports of 127.0.0.1 that lead to its 22 and 80; an option for its kernel
#   virtual.sh stop FOLDER                    takes away its power
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/piku-build/virtual
PATH=$PATH:/usr/sbin:/sbin

die() {
  printf '%s\n' "virtual.sh: $*" >&2
  exit 1
}

# Debian's kernel for this machine's suite, with what a disk and a network need to be found, in $cache/kernel and $cache/initrd.
kernel() {
  [ ! -e "$cache/initrd" ] || return 0
  rm -rf "$cache"
  mkdir -p "$cache/new/root/bin"
  (
    cd "$cache/new"
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/ *Depends: //p' | head -n 1)
    apt-get -q download "$package" >&2
    dpkg -x ./*.deb files
    version=$(ls files/lib/modules)
    [ -e "files/lib/modules/$version/modules.dep" ] || depmod -b files "$version"
    for module in virtio_pci virtio_blk virtio_net ext4 crc32c_generic; do
      modprobe -d files -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++' | while read -r file; do
      cp "$file" root/
      printf 'insmod /%s\n' "${file##*/}"
    done >load
    cp "$(command -v busybox)" root/bin/busybox
    cat - load <<'END' >root/init
#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /dev /new
mount -t proc proc /proc
mount -t devtmpfs dev /dev
END
    cat <<'END' >>root/init
ip address add 10.0.2.15/24 dev eth0
ip link set lo up
ip link set eth0 up
ip route add default via 10.0.2.2
until mount -t ext4 /dev/vda /new; do sleep 1; done
umount /proc
exec switch_root /new /sbin/init
END
    chmod 755 root/init
    cp "files/boot/vmlinuz-$version" "$cache/kernel"
    (cd root && find . | cpio --quiet -o -H newc | gzip) >initrd
  )
  mv "$cache/new/initrd" "$cache/initrd"
  rm -rf "$cache/new"
}

create() {
  folder=$1 suite=$2 target=$3
  kernel
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
    -kernel "$cache/kernel" -initrd "$cache/initrd" -append "console=ttyS0 net.ifnames=0 rw $option" \
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

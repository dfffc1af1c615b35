#!/bin/sh
# Debian's kernel for a virtual machine, and an initrd that finds its disk and its network: both are made here, whatever processor
# they are for. For root on Debian, with cpio and kmod.
#
#   kernel.sh SYSTEM ARCH FLAVOUR FOLDER DISK MODULE...
#       puts kernel, initrd and, where the flavour has some, trees (what describes its boards) into FOLDER: of the suite of the
#       Debian system in the folder SYSTEM. DISK is its root's device; MODULEs are what drives disk and network.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
system=$1 arch=$2 flavour=$3 folder=$4 disk=$5
shift 5
[ ! -e "$folder/initrd" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/root/bin"
cd "$folder"
"$here/apt.sh" "$system" "$arch" apt-get update >&2
package=$("$here/apt.sh" "$system" "$arch" apt-cache depends "linux-image-$flavour" | sed -n 's/ *Depends: //p' | head -n 1)
for name in "$package" busybox-static; do
  "$here/apt.sh" "$system" "$arch" apt-get download "$name" >&2
  dpkg -x ./"$name"_*.deb files
done
version=$(ls files/lib/modules)
[ -e "files/lib/modules/$version/modules.dep" ] || depmod -b files "$version"
for module in "$@" ext4 crc32c_generic; do
  modprobe -d files -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
  cp "$file" root/
  printf 'insmod /%s\n' "${file##*/}"
done >load
cp files/bin/busybox root/bin/busybox
cat - load <<'END' >root/init
#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /dev /sys /new
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
END
cat <<END >>root/init
# A network on USB comes when it has been found.
until [ -e /sys/class/net/eth0 ] || [ -e /sys/class/net/usb0 ]; do sleep 1; done
for name in eth0 usb0; do [ ! -e /sys/class/net/\$name ] || break; done
ip address add 10.0.2.15/24 dev \$name
ip link set lo up
ip link set \$name up
ip route add default via 10.0.2.2
until mount -t ext4 $disk /new; do sleep 1; done
umount /proc /sys
exec switch_root /new /sbin/init
END
chmod 755 root/init
cp "files/boot/vmlinuz-$version" kernel
[ ! -d "files/usr/lib/linux-image-$version" ] || mv "files/usr/lib/linux-image-$version" trees
(cd root && find . | cpio --quiet -o -H newc | gzip) >initrd.new
rm -rf root files apt load ./*.deb
mv initrd.new initrd

#!/bin/sh
# By hand, as root, in some 10 minutes: the executables on a kernel with pages of 16 KiB, as a Raspberry Pi 5 has it. A whole
# Debian 13 for arm64 is made, and booted on an emulated Cortex-A76:
#   npm run build -- --all && sh test/machines/pages.sh
# Needs qemu-system-arm, qemu-user-static, binfmt-support, debootstrap and e2fsprogs.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d /var/tmp/piku-pages.XXXXXX)
trap 'rm -rf "$work"' EXIT

debootstrap --arch=arm64 --variant=minbase --include=linux-image-arm64-16k trixie "$work/root" >"$work/log" || { tail "$work/log"; exit 1; }
cp dist/piku-linux-arm64 dist/piku-linux-arm64-lite "$work/root/root/"
cat >"$work/root/root/init" <<'END'
#!/bin/sh
mount -t proc none /proc
export HOME=/root/home PATH=/usr/sbin:/usr/bin
echo "RESULT pages of $(getconf PAGESIZE) bytes on $(uname -r)"
for name in piku-linux-arm64 piku-linux-arm64-lite; do
  rm -rf $HOME; mkdir $HOME
  for words in --version setup apps; do
    /root/$name $words >/tmp/out 2>&1
    echo "RESULT $name $words: status $?, $(tail -n 1 /tmp/out)"
  done
done
echo o >/proc/sysrq-trigger
sleep 10
END
chmod 755 "$work/root/root/init"
mke2fs -q -t ext4 -d "$work/root" "$work/disk" 3G
timeout 1200 qemu-system-aarch64 -M virt -cpu cortex-a76 -smp 2 -m 2048 -nographic -no-reboot \
  -kernel "$work"/root/boot/vmlinuz-* -initrd "$work"/root/boot/initrd.img-* -append "root=/dev/vda rw console=ttyAMA0 quiet init=/root/init" \
  -drive "file=$work/disk,format=raw,if=virtio" -nic none </dev/null 2>&1 | tr -d '\r' | grep -a '^RESULT' | tee "$work/said"
[ "$(grep -c 'status 0' "$work/said")" = 6 ]

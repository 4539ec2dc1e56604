#!/bin/busybox sh
# The first process of the virtual machine: our own file system becomes its root, to be read and not to be written.
export PATH=/bin
b=/bin/busybox
$b mount -t proc proc /proc
for module in /modules/*.ko; do $b insmod "$module"; done
# Cached: nothing changes while the machine runs, and Python asks for each of its files several times.
$b mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=512000,cache=loose root /new || {
    echo "the file system could not be mounted"
    $b poweroff -f
}
inside=$($b sed -n 's/.*netnsmgr\.inside=\([^ ]*\).*/\1/p' /proc/cmdline)
$b umount /proc
$b mount -t tmpfs -o mode=755 tmpfs /new/run
exec $b switch_root /new /bin/bash "$inside"

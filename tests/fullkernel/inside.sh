#!/bin/bash
# Makes of the booted kernel a machine in which tests run, runs one command, and switches off.  The folder /run/out is
# the host's: "command" comes from there, "code" goes there.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/console 2>&1
stty -F /dev/console -onlcr
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# What is written there goes to memory.
for folder in /etc /var /root /tmp; do
    mkdir -p "/run/over$folder/upper" "/run/over$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/run/over$folder/upper,workdir=/run/over$folder/work" overlay "$folder"
done
mkdir -p /run/out /run/netns /run/lock /tmp
mount -t 9p -o version=9p2000.L,trans=virtio,access=any,msize=512000 out /run/out

# The kernel loads what links, tables and transforms ask for; these nobody asks for by a name that it knows.
modprobe -a br_netfilter nf_conntrack nf_conntrack_netlink nfnetlink_log tun
hostname fullkernel
ip link set lo up

read -r up _ </proc/uptime
echo "full kernel: $(uname -r), booted in $up s"
bash /run/out/command
echo $? >/run/out/code
dmesg >/run/out/dmesg
sync
echo o >/proc/sysrq-trigger
sleep 60

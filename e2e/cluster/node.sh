#!/bin/bash
# PID 1 of the node's own mount, network, process and host name namespaces; with it ends everything that runs in them. What
# belongs to the machine is covered here: folders of state that containerd and the kubelet share with no other node, and the
# settings of the kernel that the kubelet insists on writing.
# Empty folders stay behind where there were none.
# usage: node.sh FILE     FILE is made when the namespaces are ready
set -euo pipefail
hostname node1
mount --make-rshared /
for folder in /var/log/containers /run/containerd /run/netns /run/runc /var/lib/cni /var/lib/kubelet; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/containerd/sysctl.${setting//\//.}
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
touch "$1"
# Bash reaps the processes whose parents are gone while it waits for its own.
while :; do
  sleep infinity &
  wait || true
done

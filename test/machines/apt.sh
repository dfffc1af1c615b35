#!/bin/sh
# apt.sh SYSTEM ARCH COMMAND...: this machine's own apt for the suites of a Debian system in a folder, whatever processor they are
# for. What it keeps is in the folder apt of the one where it is called.
set -eu
system=$1 arch=$2 command=$3
shift 3
mkdir -p apt/lists/partial apt/archives/partial
exec "$command" -q -o "Dir::State=$PWD/apt" -o "Dir::State::status=$system/var/lib/dpkg/status" -o "Dir::State::lists=$PWD/apt/lists" \
  -o "Dir::Cache=$PWD/apt" -o "Dir::Etc::sourcelist=$system/etc/apt/sources.list" -o Dir::Etc::sourceparts=- \
  -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o APT::Sandbox::User=root "$@"

#!/bin/sh
# Gets QEMU's own analyze-migration.py from Debian's source package, to compare with:
#
#   deno task bench --script "$(bench/fetch_peer.sh [FOLDER])"
#
# Prints the script's path. It is QEMU's and under the GPL: it is run, never read or copied from, and nothing of it
# belongs into this repository. Needs apt, tar with xz, and python3 to run it; no root: APT gets a sources file and
# lists of its own, so that nothing of the system's changes. Downloads about 40 MB.
set -eu

suite=bookworm-backports
folder=${1:-${TMPDIR:-/tmp}/migstream-peer}
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
cd "$folder"
folder=$(pwd)

if [ ! -f analyze-migration.py ]; then
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  signed=
  [ ! -f "$keyring" ] || signed="[signed-by=$keyring] "
  echo "deb-src ${signed}http://deb.debian.org/debian $suite main" >sources.list
  apt_get() {
    apt-get \
      -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
      -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
      -o APT::Sandbox::User= "$@" >&2
  }
  apt_get update
  apt_get source --download-only --only-source --tar-only qemu
  set -- qemu_*.orig.tar.xz
  tar --no-same-owner -xJf "$1" --strip-components=2 --wildcards '*/scripts/analyze-migration.py'
  rm -rf lists cache qemu_*.tar.xz sources.list
fi
echo "$folder/analyze-migration.py"

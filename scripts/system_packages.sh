#!/usr/bin/env bash
# Install Debian packages that a step wants: scripts/system_packages.sh NAME...
# Where this may not be done (not root, or not Debian), prints the command and ends with status 1.
set -euo pipefail

installed() { dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing=()
for name in "$@"; do
  installed "$name" || missing+=("$name")
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

if ! command -v apt-get >/dev/null || [[ "$(id -u)" != 0 ]]; then
  printf 'Please install: apt-get install %s\n' "${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" </dev/null

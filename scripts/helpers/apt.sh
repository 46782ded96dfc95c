# shellcheck shell=bash
# Sourced by the scripts that use Debian's package tools. They set `name` (for messages) first.

say() { echo "${name:?}: $*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a command as root: directly, or through sudo. $as_root is empty, or "sudo".
find_root() {
  as_root=()
  [[ $(id -u) -eq 0 ]] && return
  command -v sudo >/dev/null || return 1
  as_root=(sudo)
}

apt_get() {
  local options=(-qq -o DPkg::Lock::Timeout=120)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@"
}

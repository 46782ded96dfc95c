# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is set here is for those who source it, and they set $scripts
# Sourced with $scripts, the folder of the scripts, set. Sets $environment, the private Python environment: beside the
# scripts, or in the user's own data folder where that place cannot be written, as after an installation by root.
environment=$(dirname "$scripts")/.venv
if [[ ! -e $environment && ! -w $(dirname "$scripts") ]]; then
  environment=${XDG_DATA_HOME:-$HOME/.local/share}/tessera/venv
fi

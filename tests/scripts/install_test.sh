#!/usr/bin/env bash
# cmake --install into a folder of its own, moved afterwards: the program there starts its helpers there. Then whether the
# containers' list of runtime packages covers every library that the program is linked to.
#
#   install_test.sh BUILD_FOLDER
# shellcheck disable=SC2016 # what the stand-in does expands when it runs
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
build=$1

run 0 cmake --install "$build" --prefix "$scratch/first"
mv "$scratch/first" "$scratch/moved"
program=$scratch/moved/bin/tessera
scripts=$scratch/moved/share/tessera/scripts
run 0 "$program" --version
says "tessera "
for file in configs/jobs/smollm2_vptq_2bit.yaml slurm/quantize_70b.slurm scripts/helpers/tokenize_text.py; do
  [[ -f $scratch/moved/share/tessera/$file ]] || fail "$file is not installed"
done
[[ -x $scripts/helpers/run ]] || fail "helpers/run is not installed as a program"

listed=$("$root/containers/runtime-packages" --list)
if command -v ldd >/dev/null && apt-cache show libfmt9 >/dev/null 2>&1; then
  # shellcheck disable=SC2086 # a list of names
  closure=$(apt-cache depends --recurse --important $listed | grep -E '^[a-z0-9]' | sort -u)
  while read -r library; do
    file=$(readlink -f "$library") # dpkg may know it without the /usr that /lib has become
    package=$({ dpkg -S "$file" || dpkg -S "${file#/usr}"; } 2>/dev/null | head -n1 | cut -d: -f1)
    grep -qxF "$package" <<<"$closure" ||
      fail "$library is in $package, which containers/runtime-packages does not install"
  done < <(ldd "$program" | awk '$3 ~ /^\// {print $3}')
fi

# A stand-in for the tokenizer says that it was called, and from where.
model=${TESSERA_TEST_DATA:-$root/../shared/data}/models/stories260K
[[ -d $model ]] || skip "whether the installed program starts the installed helper (there is no $model)"
printf '#!/usr/bin/env bash\necho "the helper in $0 was called" >&2\nexit 1\n' >"$scripts/tokenize"
unset TESSERA_HELPERS
run 1 "$program" generate "$model" --prompt hello
says "the helper in $scripts/tokenize was called"

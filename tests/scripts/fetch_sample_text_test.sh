#!/usr/bin/env bash
# scripts/fetch-sample-text on a stand-in for apt-get that hands out packages made here.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
script=$root/scripts/fetch-sample-text
command -v dpkg-deb >/dev/null || skip "there is no dpkg-deb"

make_package() { # NAME PATH TEXT
  mkdir -p "$scratch/$1/DEBIAN" "$scratch/$1/$(dirname "$2")"
  printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: none\nDescription: none\n' "$1" \
    >"$scratch/$1/DEBIAN/control"
  printf '%s' "$3" | gzip >"$scratch/$1/$2"
  dpkg-deb --build "$scratch/$1" "$scratch/$1"_1_all.deb >/dev/null
}
make_package debian-reference-en usr/share/debian-reference/debian-reference.en.txt.gz $'One\n\ntwo\n'
make_package debian-faq usr/share/doc/debian/FAQ/debian-faq.en.txt.gz $'three\n'
fake apt-get "echo \"\$*\" >>$scratch/calls; cp $scratch/\${*: -1}_1_all.deb ."

export TESSERA_TEST_DATA=$scratch/no-such-folder
run 0 "$script" "$scratch/data"
says "debian-reference.txt (9 bytes)"
printf 'One\n\ntwo\n' | cmp - "$scratch/data/debian-reference.txt" || fail "the text was changed"
[[ $(ls "$scratch/data") == $'debian-faq.txt\ndebian-reference.txt' ]] || fail "other files were left"

# Again: nothing is downloaded. What is missing is, and nothing else.
rm "$scratch/calls"
run 0 "$script" "$scratch/data"
[[ ! -f $scratch/calls ]] || fail "downloaded again"
rm "$scratch/data/debian-faq.txt"
run 0 "$script" "$scratch/data"
[[ $(wc -l <"$scratch/calls") -eq 1 ]] || fail "one package was missing"
run 0 "$script" --force "$scratch/data"
[[ $(wc -l <"$scratch/calls") -eq 3 ]] || fail "--force fetches both"

# Texts at hand are linked, but a file of the user's own stays.
mkdir -p "$scratch/shared/text"
echo wiki >"$scratch/shared/text/wiki.test.raw"
echo calibration >"$scratch/shared/text/calibration_wiki.txt"
echo mine >"$scratch/data/calibration_wiki.txt"
TESSERA_TEST_DATA=$scratch/shared run 0 "$script" "$scratch/data"
[[ $(cat "$scratch/data/wiki.test.raw") == wiki ]] || fail "wiki.test.raw is not linked"
[[ $(cat "$scratch/data/calibration_wiki.txt") == mine ]] || fail "the user's file was replaced"

# No network, and a package without the text.
fake apt-get 'echo "E: Unable to locate package" >&2; exit 100'
run 1 "$script" "$scratch/other"
says "Unable to locate package"
says "cannot download the package debian-reference-en"
[[ -z $(ls "$scratch/other") ]] || fail "something was left"
make_package debian-reference-en usr/share/elsewhere.gz 'x'
rm -r "$scratch/debian-reference-en/usr/share/debian-reference"
dpkg-deb --build "$scratch/debian-reference-en" "$scratch/debian-reference-en_1_all.deb" >/dev/null
fake apt-get "cp $scratch/\${*: -1}_1_all.deb ."
run 1 "$script" "$scratch/other"
says "has no usr/share/debian-reference/debian-reference.en.txt.gz"
run 2 "$script" --wrong
says "unknown option '--wrong'"

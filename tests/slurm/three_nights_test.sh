#!/usr/bin/env bash
# Three nights of slurm/nightly.slurm with the program itself, on a small model: a first one, one in which a layer got
# worse, and one that is good again, which is compared with the first.
# shellcheck source-path=SCRIPTDIR source=../scripts/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/support.sh"
data=${TESSERA_TEST_DATA:-$root/../shared/data}
model=$data/models/stories260K text=$data/text/tinystories_917_ascii.txt
[[ -d $model && -f $text ]] || skip "$model is not there (set TESSERA_TEST_DATA)"
[[ -d $root/.venv || -n ${TESSERA_PYTHON:-} ]] || skip "no Python environment for the tokenizer (scripts/setup-python)"

cd "$scratch"
unset SLURM_JOB_ID
export TESSERA=$TESSERA_PROGRAM
write_job() { # write_job FILE OVERRIDES
  cat >"$1" <<EOF
model: {path: $model}
calibration: {text: [$text], num_samples: 4, max_seq_length: 32, num_shards: 2}
quantize:
  vptq: {vector_len: 4, num_centroids: 64, kmeans_iterations: 5, refine_rounds: 1}
  overrides: [$2]
evaluation: {text: $text, context_length: 64, windows: 2}
output: {dir: out}
runtime: {work_dir: work/own, threads: 1}
EOF
}
nightly() { run "$1" bash "$root/slurm/nightly.slurm" list.txt; }
row() { sed -n "$1p" work/nightly/ledger.jsonl; } # row NUMBER
has() { [[ $(row "$1") == *"$2"* ]] || fail "row $1 has no $2: $(row "$1")"; }

printf 'tiny.yaml # the one\nbroken.yaml\n' >list.txt
write_job tiny.yaml ""
write_job broken.yaml ""
sed -i "s|^model:.*|model: {path: nowhere}|" broken.yaml

# The first night: a model that is not there fails, and does not keep the other from its turn.
nightly 4
says "tiny: first"
says "broken: failed"
says "nowhere"
has 1 '"verdict":{"kind":"first"'
has 1 '"ledger_version":1'
has 2 '"end":"failed","problems":["it ended with 2: tessera: '

# The same again: the same bytes, although everything was made afresh.
echo tiny.yaml >list.txt
nightly 0
says "tiny: same"
says "byte for byte"

# One layer of fewer centroids.
good=$(row 3 | sed 's/^[^T]*"time":"\([^"]*\)".*/\1/')
write_job tiny.yaml "{match: 'layers\\.2\\.mlp\\.down_proj', vptq: {vector_len: 4, num_centroids: 2}}"
nightly 4
says "tiny: worse, compared with $good"
says "the error of layers.2.mlp.down_proj is"
says "note: the recipe changed: quantize.overrides[0].match is"
has 4 '"worse_layers":[{"layer":"layers.2.mlp.down_proj"'
worse=$(row 4 | sed 's/.*"worse_layers":\[\([^]]*\)\].*/\1/')
[[ $worse != *"},{"* ]] || fail "other layers are blamed: $worse"

# As before: compared with the last good night, past the one that was worse.
write_job tiny.yaml ""
nightly 0
says "tiny: same, compared with $good"

# The page tells of all nights, and needs nothing else.
page=work/nightly/history.html
for text in "tiny: same" "broken: failed" "Run 3" "2.mlp.down_proj" "point worse"; do
  grep -qF "$text" $page || fail "$page lacks '$text'"
done
! grep -qE '<script|https?://' $page || fail "$page needs other things"

# The job's own folders are nobody's business; three nights are kept.
[[ ! -e out && ! -e work/own ]] || fail "a night wrote into the job's own folders"
[[ $(find work/nightly/nights -mindepth 1 -maxdepth 1 | wc -l) -eq 3 ]] || fail "kept: $(ls work/nightly/nights)"

# By hand: the same row is not entered twice, an output is compared as far as it tells.
last=$(find work/nightly/nights -mindepth 1 -maxdepth 1 | sort | tail -n 1)/tiny
run 0 "$TESSERA" compare "$last/work" --name tiny --ledger work/nightly/ledger.jsonl --append
[[ $(wc -l <work/nightly/ledger.jsonl) -eq 5 ]] || fail "entered twice"
run 0 "$TESSERA" compare "$last/output" --name tiny --ledger work/nightly/ledger.jsonl
says "tiny: same"
says "no errors of layers"

# A row that was cut short is reported, and left out.
cut_short=$(row 1)
printf '%s' "${cut_short:0:100}" >>work/nightly/ledger.jsonl
run 0 "$TESSERA" compare "$last/work" --name other --ledger work/nightly/ledger.jsonl --append --json
says "line 6 is left out"
says '"appended": true'
has 7 '"name":"other"'

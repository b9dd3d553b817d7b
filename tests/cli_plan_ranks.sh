# hone plan --ranks N [--link GB/s]: what it says of each rank follows from the run, and what it says of memory holds for
# ranks that train. $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

# Large enough that a rank's share of the memory is no rounding of the program's.
make_model good bad film the a was
sed -i 's/"num_hidden_layers": *[0-9]*/"num_hidden_layers": 4/; s/"hidden_size": *[0-9]*/"hidden_size": 480/; s/"intermediate_size": *[0-9]*/"intermediate_size": 1920/' model/config.json
rm model/model.safetensors
make_sentences 3 64 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model, init: random}
task: {type: sequence_classification, labels: [no, yes]}
data: {train: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 1, batch_size: 16, micro_batch_tokens: 128}
checkpoint: {every: 2}
output: run
END_OF_RECIPE
plan() { expect 0 "" "$hone" plan r.yaml --json "$@"; }
# The value behind the key in ./out, the last of that name; of a list the first.
value() { tr -d ' \n' <out | sed -E "s/.*\"$1\":\[?([0-9.e+-]+).*/\1/"; }
holds() { awk "BEGIN { exit !($1) }" || fail "not so: $1 (${*:2})"; }

plan
alone=$(value peak_memory_bytes)
[ "$(grep -c '"ranks"' out)" = 0 ] || fail "ranks of a run that has none"
plan --ranks 1
[ "$(value peak_memory_bytes)" -le $((alone + alone / 50)) ] || fail "one rank takes more than none"

plan --ranks 3
snapshot=$(value snapshot_bytes)
[ "$snapshot" -gt 0 ] || fail "no copy for checkpoints"
[ "$(value count)" = 3 ] || fail "another number of ranks"
first=$(tr -d ' \n' <out | sed -E 's/.*"peak_memory_bytes":\[([0-9]+),([0-9]+),([0-9]+)\].*/\1 \2 \3/')
read -r a b c <<<"$first"
[ $((a - b)) = "$snapshot" ] && [ "$b" = "$c" ] || fail "the first rank alone keeps a copy: $first"
[ "$(value communication_seconds)" = 0.0 ] || fail "communication without a link"
holds "$(value imbalance) >= 1 && $(value imbalance) < 1.34" imbalance
shared=$(value shared_memory_bytes)
[ "$shared" -gt 0 ] || fail "ranks of one machine share no memory"
plan --ranks 3 distributed.transport=mpi
[ "$(value shared_memory_bytes)" = 0 ] || fail "MPI shares memory"
# The program's own share is measured and varies a little.
holds "$(value peak_memory_bytes) - $((a - shared)) < 1000000 && $((a - shared)) - $(value peak_memory_bytes) < 1000000" "MPI"
plan --ranks 3 training.batch_size=1
holds "$(value imbalance) == 3" "one rank does all"

# 2 (N-1)/N of the gradients over the link, and which rows of embeddings have one.
gradients=$(plan --ranks 4 --link 2 && value gradients_bytes)
ring="1.5 * $gradients / 2e9"
holds "$(value communication_seconds) > $ring && $(value communication_seconds) < 1.01 * $ring" "what a ring takes"
# Of a batch of one few rows have a gradient.
holds "$(plan --ranks 4 --link 2 training.batch_size=1 && value communication_seconds) < $ring" "rows of few tokens"
holds "$(value exposed_seconds) <= $(value communication_seconds)" "no more is exposed than is sent"
holds "$(value step_seconds) > $(value exposed_seconds)" "a step is more than communication"
plan --ranks 4 --link 1e-4
holds "$(value exposed_seconds) > 0.9 * $(value communication_seconds)" "nothing hides a slow link"
plan --ranks 4 --link 1e6
holds "$(value exposed_seconds) < 1e-4" "a fast link"
# A quarter of what AdamW remembers on each of four, and the weights to gather.
sent=$(plan --ranks 4 --link 2 && value communication_seconds)
plan --ranks 4 --link 2 distributed.zero_stage=1
holds "($(value sharded_moments_bytes) * 4 / $(value whole_moments_bytes) - 1) ^ 2 < 0.02 ^ 2" "1/N"
[ "$(value moments_bytes)" = "$(value sharded_moments_bytes)" ] || fail "the recipe's own is not the sharded one"
holds "$(value communication_seconds) > 1.49 * $sent && $(value communication_seconds) < 1.51 * $sent" "half as much more"
# Sums of leaves are gathered behind backward.
plan --ranks 2 --link 2 distributed.reproducible=world distributed.leaf=1
holds "$(value leaves_bytes) >= 3 * $gradients" "8 leaves of a rank: sums of 1, 2, 4"
holds "$(value exposed_seconds) == $(value communication_seconds) && $(value exposed_seconds) > 0" "leaves"
expect 0 "" "$hone" plan r.yaml --ranks 2 --link 2
grep -q '^ranks  *2: peak .* on the first' out && grep -q 'waiting for the other ranks' out || fail "the table lacks ranks"

refused 2 "plan: --ranks: found \"0\", expected a whole number from 1 to 256" "$hone" plan r.yaml --ranks 0
refused 2 "plan: --link needs --ranks" "$hone" plan r.yaml --link 2
refused 2 "plan: --link: found \"fast\", expected a number of GB/s above 0" "$hone" plan r.yaml --ranks 2 --link fast

# What it says is what rank 0 takes; not under the sanitizers, whose own memory no plan knows.
if ! grep -q __asan_init "$hone"; then
    for mode in "" "distributed.reproducible=world distributed.leaf=2" "distributed.zero_stage=1"; do
        # shellcheck disable=SC2086 # several words
        plan --ranks 2 $mode
        planned=$(value peak_memory_bytes)
        rm -rf run
        # shellcheck disable=SC2086 # several words
        expect 0 "" "$hone" launch --nproc 2 r.yaml $mode
        taken=$(value peak_memory_bytes)
        echo "${mode:-default}: planned $planned bytes, taken $taken"
        holds "$planned >= 0.95 * $taken && $planned <= 1.05 * $taken" "memory of rank 0"
    done
fi
echo "plan of ranks: all as expected"

# A run that is killed, stopped by a signal, or finds a damaged checkpoint goes on and ends in the bytes of one that was
# left alone; another run on the same folder is refused. $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

make_model good bad film the a was '##ly'
make_sentences 5 61 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, validation_mm: train.tsv, test: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 60, batch_size: 8, micro_batch_tokens: 40}
evaluation: {every: 7, metric: loss}
checkpoint: {every: 5, keep: 2}
logging: {every: 3}
optimizer: {lr: 1e-3}
output: whole
END_OF_RECIPE
last=step-000480

# Losses and rates without what clocks say.
losses() { sed -E 's/, "(tokens_per_second|runtime|samples_per_second)": [^,}]*//g' "$1/metrics.jsonl"; }
same_as_whole() {
    cmp "$1/model.safetensors" whole/model.safetensors || fail "$1: another model"
    cmp "$1/checkpoints/$last/model.safetensors" "whole/checkpoints/$last/model.safetensors" || fail "$1: other weights"
    cmp "$1/checkpoints/$last/state.h5" "whole/checkpoints/$last/state.h5" || fail "$1: another state"
    diff <(losses "$1") <(losses whole) >/dev/null || fail "$1: other losses"
    [ -z "$(find "$1" -name '*.tmp-*' -o -name '.lock*')" ] || fail "left: $(find "$1" -name '*.tmp-*' -o -name '.lock*')"
}

expect 0 "" "$hone" train r.yaml
[ -f whole/checkpoints/$last/manifest.json ] || fail "no checkpoint of the last step"
[ "$(find whole/checkpoints -mindepth 1 -maxdepth 1 | wc -l)" -le 3 ] || fail "more than two and the best"
# The last is the best as well, so two more stay.
[ -f whole/checkpoints/step-000470/manifest.json ] || fail "a checkpoint that was to stay is gone"
"$hone" inspect whole/checkpoints/$last >/dev/null || fail "a checkpoint is no model folder"

# Killed again and again, at any moment, until it is through.
killed=0
for i in $(seq 1 40); do
    code=0
    timeout -s KILL 0.0$((i * 7 % 10))$((i * 3 % 10)) "$hone" train r.yaml output=killed >/dev/null 2>err || code=$?
    [ $code = 137 ] || [ $code = 0 ] || fail "exit code $code after a kill"
    [ $code = 137 ] && killed=$((killed + 1))
    [ $code = 137 ] || break
done
[ $killed -gt 2 ] || fail "killed $killed times only"
expect 0 "" "$hone" train r.yaml output=killed
same_as_whole killed

# Asked to stop: saved at the step where it stood, exit code by signal.
for signal in TERM USR1 INT; do
    rm -rf asked
    # A shell's background jobs ignore SIGINT, and what they start inherits that.
    "$hone" train r.yaml output=asked >out 2>err &
    process=$!
    for i in $(seq 1 500); do
        [ ! -d asked/checkpoints/step-000005 ] || break
        sleep 0.01
    done
    kill -$signal $process 2>/dev/null || true
    code=0
    wait $process || code=$?
    [ $code = 0 ] && continue # it was faster
    [ $code = $([ $signal = INT ] && echo 130 || echo 75) ] || fail "SIG$signal: exit code $code"
    grep -q '^hone: stopped by a signal after step ' err || fail "SIG$signal: $(cat err)"
    expect 0 "going on from asked/checkpoints/step-" "$hone" train r.yaml output=asked
    same_as_whole asked
done

# A damaged newest checkpoint is named and skipped; strict refuses it.
cp -r whole damaged
rm damaged/all_results.json
printf x | dd of=damaged/checkpoints/$last/state.h5 bs=1 seek=3000 conv=notrunc status=none
expect 10 "$last is damaged: the contents of state.h5" "$hone" train r.yaml output=damaged checkpoint.resume=strict
expect 0 "$last is skipped: the contents of state.h5" "$hone" train r.yaml output=damaged
same_as_whole damaged
rm damaged/all_results.json damaged/checkpoints/step-*/manifest.json
expect 0 "step 1/480" "$hone" train r.yaml output=damaged
same_as_whole damaged

# Another recipe or other data: what differs, what may.
rm damaged/all_results.json
expect 10 'training.seed (there 42, now 7)' "$hone" train r.yaml output=damaged training.seed=7
grep -qF 'only these may change: data.validation_mm, data.test, data.cache, training.non_finite' err || fail "what may change is not said"
cp train.tsv kept.tsv
sed -i '2s/^/film /' train.tsv
expect 10 'train.tsv (there ' "$hone" train r.yaml output=damaged
mv kept.tsv train.tsv
expect 0 "going on from" "$hone" train r.yaml output=damaged logging.level=debug checkpoint.keep=5
expect 0 "" "$hone" train r.yaml output=damaged2 checkpoint.every=no
[ ! -e damaged2/checkpoints ] || fail "checkpoints without being asked"

# Two runs on one folder: one works, the other says who does.
"$hone" train r.yaml output=shared training.epochs=3000 >/dev/null 2>&1 &
process=$!
for i in $(seq 1 500); do
    [ ! -f shared/recipe.yaml ] || break
    sleep 0.01
done
expect 9 "(process $process on $(uname -n), since " "$hone" train r.yaml output=shared
kill -9 $process
wait $process 2>/dev/null || true
[ -n "$(find shared -name '.lock*')" ] || fail "no lock of the killed run"
expect 0 "" "$hone" train r.yaml output=shared checkpoint.resume=never
same_as_whole shared

# What saving costs can be measured, and nothing of it stays.
expect 0 "" "$hone" bench checkpoint r.yaml output=measured --json
[ "$(grep -c '"name": "checkpoint: ' out)" = 9 ] || fail "other rows: $(cat out)"
[ -z "$(find . -maxdepth 1 -name 'measured*')" ] || fail "left: $(ls -d measured*)"
echo "resume: all as expected"

# hone verify: a run made again gives the same bits; whatever of it was touched is named, and the run stays as it is.
# $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

# verdict CODE PART COMMAND…: PART of stderr, or of stdout when the code is 0; and nothing is left behind.
verdict() {
    local want=$1 part=$2
    shift 2
    if [ "$want" = 0 ]; then
        expect 0 "" "$@"
        grep -qF -- "$part" out || fail "no \"$part\" on stdout: $*"
    else
        expect "$want" "$part" "$@"
    fi
    [ -z "$(find . -name '*.tmp-*' -o -name '.lock*')" ] || fail "left: $(find . -name '*.tmp-*' -o -name '.lock*')"
}

make_model good bad film the a was '##ly'
awk 'BEGIN {
    print "sentence\tlabel"
    for (i = 0; i < 40; i++) print (i % 3 ? "the film was good" : "a bad film") (i % 5 ? "" : " the a was") "\t" (i % 3 ? "yes" : "no")
}' >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, test: train.tsv, text: sentence, label: label, max_length: 20}
training: {max_steps: 40, batch_size: 8, micro_batch_tokens: 40}
evaluation: {every: 7, metric: loss}
checkpoint: {every: 5}
logging: {every: 3}
optimizer: {lr: 1e-3}
output: run
END_OF_RECIPE
verdict 0 '"certificate"' "$hone" train r.yaml
find run -type f -exec sha256sum {} + | sort >before

verdict 0 '"steps": 40' "$hone" verify run
grep -q '"of": 40' out && grep -q '"checkpoints": 3' out && grep -q '"same_program": true' out || fail "report: $(cat out)"
[ "$(sed -n 's/.*"lines": \([0-9]*\).*/\1/p' out)" = "$(wc -l <run/metrics.jsonl)" ] || fail "lines: $(cat out)"
verdict 0 '"lines": 5' "$hone" verify run/ --steps 13 # 3, 6, 7, 9, 12 and no more than the run's
find run -type f -exec sha256sum {} + | sort | cmp - before || fail "the run has changed"
verdict 2 "verify: --steps" "$hone" verify run --steps 0
verdict 2 "one run folder is needed" "$hone" verify
verdict 3 "nowhere/all_results.json" "$hone" verify nowhere

# A run that was interrupted is none the less the same.
"$hone" train r.yaml output=killed >out 2>err &
process=$!
for i in $(seq 1 500); do
    [ ! -d killed/checkpoints/step-000005 ] || break
    sleep 0.01
done
kill -9 $process 2>/dev/null || true
wait $process 2>/dev/null || true
verdict 0 '"certificate"' "$hone" train r.yaml output=killed
verdict 0 '"steps": 40' "$hone" verify killed

# SIGTERM between the step before an evaluation and the evaluation, which comes after the state was saved, then.
preload=$(dirname "$hone")/tests/io_preload.so
if [ -f "$preload" ]; then
    early="output=early logging.every=1 checkpoint.every=50 data.cache=no"
    for n in $(seq 5 60); do
        rm -rf early
        # shellcheck disable=SC2086
        IO_ROOT=$folder IO_FAULT=write:$n:TERM LD_PRELOAD=$preload "$hone" train r.yaml $early >out 2>err || true
        ! grep -qF "after step 7 of 40" err || break
    done
    grep -qF "after step 7 of 40" err || fail "not stopped at step 7"
    ! grep -qF '"split": "validation"' early/metrics.jsonl || fail "stopped after the evaluation"
    # shellcheck disable=SC2086
    verdict 0 '"certificate"' "$hone" train r.yaml $early
    verdict 0 '"steps": 40' "$hone" verify early
fi

# One thing after the other is touched.
again() { rm -rf t; cp -r run t; }
again
sed -i '4s/"grad_norm": /&1/' t/metrics.jsonl
verdict 6 't/metrics.jsonl:4: "grad_norm": recorded ' "$hone" verify t
verdict 0 '"lines": 3' "$hone" verify t --steps 7
again
sed -i '1s/, "grad_norm": [0-9.]*//' t/metrics.jsonl
verdict 6 't/metrics.jsonl:1: "grad_norm": recorded nothing, replayed ' "$hone" verify t
again
sed -i '$d' t/metrics.jsonl
verdict 6 "t/metrics.jsonl, after line" "$hone" verify t
again
sed -i 's/"test_loss": [0-9.]*/"test_loss": 0.25/' t/all_results.json
verdict 6 't/all_results.json: "test_loss": recorded 0.25' "$hone" verify t
again
printf x | dd of=t/model.safetensors bs=1 seek=3000 conv=notrunc status=none
verdict 10 "t/model.safetensors is not what the run left" "$hone" verify t
again
printf x | dd of=t/checkpoints/step-000040/state.h5 bs=1 seek=3000 conv=notrunc status=none
verdict 10 "t/checkpoints/step-000040 is damaged: the contents of state.h5" "$hone" verify t
# One whose manifest was made to fit.
hash=$(sha256sum t/checkpoints/step-000040/state.h5 | cut -d' ' -f1)
old=$(sha256sum run/checkpoints/step-000040/state.h5 | cut -d' ' -f1)
sed -i "s/$old/$hash/" t/checkpoints/step-000040/manifest.json
verdict 6 "t/checkpoints/step-000040/state.h5: SHA-256: recorded $hash, replayed $old" "$hone" verify t
again
sed -i 's/seed: 42/seed: 43/' t/recipe.yaml
verdict 10 "not what its certificate in all_results.json says are the recipe" "$hone" verify t
sed -i '3s/a /the /; 5s/^/film /' train.tsv
verdict 10 "are the data" "$hone" verify run
printf x | dd of=model/model.safetensors bs=1 seek=$(($(stat -c %s model/model.safetensors) - 99)) conv=notrunc status=none
verdict 10 "the data, the model's model.safetensors" "$hone" verify run
again
sed -i 's/"certificate"/"other"/' t/all_results.json
verdict 3 'there is no "certificate" in it' "$hone" verify t
echo "verify: all as expected"

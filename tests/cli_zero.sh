# distributed.zero_stage: 1, the optimizer's state in parts on the ranks: to the bits of the whole one, in checkpoints that
# any number of ranks goes on from. $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

make_model good bad film the a was
make_sentences 7 50 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 2, batch_size: 9, ema_decay: 0.9}
evaluation: {every: 4, metric: loss}
checkpoint: {every: 5, keep: 9}
logging: {every: 1}
optimizer: {lr: 1e-3, groups: [{pattern: "classifier.*", lr: 1e-2}]}
output: one
END_OF_RECIPE
last=12
losses() { sed -E 's/, "(tokens_per_second|runtime|samples_per_second)": [^,}]*//g' "$1/metrics.jsonl"; }
same() { # A B: models, all states, all figures
    cmp "$1/model.safetensors" "$2/model.safetensors" || fail "$2: another model than $1"
    for file in "$1"/checkpoints/*/state.h5; do
        cmp "$file" "$2/${file#*/}" || fail "$2: another state than $1"
    done
    diff <(losses "$1") <(losses "$2") || fail "$2: other figures than $1"
}
run() { expect 0 "" "$hone" launch --nproc "$1" r.yaml output="$2" "${@:3}"; }

for n in 2 3; do
    for kind in adamw "sgd optimizer.momentum=0.9" "adamw optimizer.clip_value=0.01 freeze.layers=1" "sgd training.ema_decay=null" \
        "adamw distributed.reproducible=world" "adamw checkpoint.every=1s"; do
        name=${kind//[^a-z0-9]/_}
        # shellcheck disable=SC2086 # several words
        run $n whole_${n}_$name optimizer.name=$kind
        # shellcheck disable=SC2086 # several words
        run $n parts_${n}_$name distributed.zero_stage=1 optimizer.name=$kind
        [[ $kind == *every* ]] || same whole_${n}_$name parts_${n}_$name
        cmp whole_${n}_$name/model.safetensors parts_${n}_$name/model.safetensors || fail "$n ranks, $kind: another model"
    done
done
# More ranks than the tensors at the end have elements for, and one alone.
run 4 whole_4
run 4 parts_4 distributed.zero_stage=1
same whole_4 parts_4
expect 0 "" "$hone" train r.yaml output=whole_1
expect 0 "" "$hone" train r.yaml output=parts_1 distributed.zero_stage=1
same whole_1 parts_1

# From the middle of the one with any number of ranks, in parts or not: in distributed.reproducible: world the same bits.
world=parts_3_adamw_distributed_reproducible_world
resumes() { # N NAME [key=value]…
    mkdir -p "$2/checkpoints"
    cp -r $world/checkpoints/step-000005 "$2/checkpoints/"
    cp $world/{metrics.jsonl,recipe.yaml} "$2/"
    expect 0 "going on from $2/checkpoints/step-000005: step 5 of $last" "$hone" launch --nproc "$1" r.yaml output="$2" \
        optimizer.name=adamw distributed.reproducible=world "${@:3}"
    cmp $world/model.safetensors "$2/model.safetensors" || fail "$2: another model"
    cmp $world/checkpoints/step-0000$last/state.h5 "$2/checkpoints/step-0000$last/state.h5" || fail "$2: another state"
}
resumes 1 resumed_1
resumes 2 resumed_2 distributed.zero_stage=1
resumes 4 resumed_4 distributed.zero_stage=1
resumes 3 resumed_3

# A signal in the middle: saved by all, and gone on from to the same end.
"$hone" launch --nproc 2 r.yaml output=asked training.epochs=3000 checkpoint.every=no distributed.zero_stage=1 >out 2>err &
launcher=$!
for i in $(seq 1 600); do
    [ "$(cat asked/metrics.jsonl 2>/dev/null | wc -l)" -lt 9 ] || break
    sleep 0.05
done
kill -TERM $launcher
code=0
wait $launcher || code=$?
[ $code = 75 ] && grep -q "the state is saved in asked" err || fail "asked to stop: exit code $code"
compgen -G "asked/checkpoints/step-*/state.h5" >/dev/null || fail "no state of a run that was asked to stop"

expect 2 "distributed.zero_stage=1: 1 excludes optimizer.name adafactor" "$hone" train r.yaml distributed.zero_stage=1 \
    optimizer.name=adafactor
echo "optimizer in parts: all as expected"

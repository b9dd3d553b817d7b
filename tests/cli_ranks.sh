# Trainings of several ranks: the same model as one rank's, bit for bit in distributed.reproducible: world; evaluation of
# every sample once; ranks that are killed, stopped, told to stop, or given other data. $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

make_model good bad film the a was '##ly'
make_sentences 5 61 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, test: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 3, batch_size: 9}
evaluation: {every: 7, metric: loss}
checkpoint: {every: 5, keep: 2}
logging: {every: 1}
optimizer: {lr: 1e-3}
distributed: {timeout: 60}
output: one
END_OF_RECIPE
losses() { sed -E 's/, "(tokens_per_second|runtime|samples_per_second)": [^,}]*//g' "$1/metrics.jsonl"; }
field() { sed -nE "s/.*\"split\": \"$2\".*\"$3\": ([^,}]*).*/\1/p" "$1/metrics.jsonl"; }

# No process of ours is left behind.
no_orphans() {
    for i in $(seq 1 100); do
        pgrep -f "^hone train .*output=$1( |\$)" >/dev/null || return 0
        sleep 0.1
    done
    fail "a rank is left: $(pgrep -fa "^hone train .*output=$1( |\$)")"
}

expect 0 "" "$hone" train r.yaml output=one
expect 0 "" "$hone" train r.yaml output=world1 distributed.reproducible=world
for n in 2 3 4; do
    expect 0 "the model is in run$n" "$hone" launch --nproc $n r.yaml output=run$n
    [ "$(grep -c '"train_loss"' out)" = 1 ] || fail "$n ranks: not the results of one"
    # f32 sums in another order, and what 21 steps of AdamW make of them.
    paste <(field one train loss) <(field run$n train loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-3) exit 1 } END { if (NR != 21) exit 1 }' ||
        fail "$n ranks: other losses"
    paste <(field one validation loss) <(field run$n validation loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-3) exit 1 }' ||
        fail "$n ranks: other evaluations"
    expect 0 "" "$hone" launch --nproc $n r.yaml output=world$n distributed.reproducible=world
    cmp world1/model.safetensors world$n/model.safetensors || fail "$n ranks: another model"
    cmp world1/checkpoints/step-000021/state.h5 world$n/checkpoints/step-000021/state.h5 || fail "$n ranks: another state"
    diff <(losses world1) <(losses world$n) >/dev/null || fail "$n ranks: other figures"
    no_orphans run$n
done
# Run to run at one number of ranks.
expect 0 "" "$hone" launch --nproc 3 r.yaml output=again3
cmp run3/model.safetensors again3/model.safetensors || fail "another model of the same 3 ranks"
diff <(losses run3) <(losses again3) >/dev/null || fail "other figures of the same 3 ranks"
expect 0 "this run is complete" "$hone" launch --nproc 2 r.yaml output=run2

# Labels of words in windows, and masked tokens.
tail -n +2 train.tsv | cut -f 1 | grep . >train.txt
awk '{ for (i = 1; i <= NF; i++) print $i "\t" ($i == "good" ? "B-x" : "O"); print "" }' train.txt >train.conll
for task in token_classification masked_lm; do
    data=$([ $task = masked_lm ] && echo train.txt || echo train.conll)
    printf '%s\n' "model: {path: model, init: random}" "task: {type: $task}" "output: $task" \
        "data: {train: $data, validation: $data, max_length: 8}" "training: {epochs: 2, batch_size: 9}" \
        "logging: {every: 1}" "distributed: {timeout: 60, reproducible: world}" >$task.yaml
    expect 0 "" "$hone" train $task.yaml
    expect 0 "" "$hone" launch --nproc 3 $task.yaml output=$task-3
    cmp $task/model.safetensors $task-3/model.safetensors || fail "$task, 3 ranks: another model"
    diff <(losses $task) <(losses $task-3) || fail "$task, 3 ranks: other figures"
    [ "$(wc -l <$task/metrics.jsonl)" -gt 4 ] || fail "$task: $(cat $task/metrics.jsonl)"
    # Sums of gradients in another order, of embeddings by rows or, where they are the decoder, whole.
    expect 0 "" "$hone" launch --nproc 3 $task.yaml output=$task-run distributed.reproducible=run
    paste <(field $task train loss) <(field $task-run train loss) |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-3) exit 1 } END { if (NR < 4) exit 1 }' ||
        fail "$task, 3 ranks: other losses"
done

# Words that one rank alone has in a step: their rows go to the other one, too.
mkdir rare
(cd rare && make_model $(seq -f 'w%g' 0 23))
for i in $(seq 0 23); do printf 'w%d\t%s\n' "$i" "$([ $((i * 7 % 3)) = 0 ] && echo no || echo yes)"; done >rare.tsv
for n in 1 2; do
    expect 0 "" "$hone" launch --nproc $n r.yaml model.path=rare/model data.train=rare.tsv data.validation=null data.test=null \
        data.text=0 data.label=1 data.header=false training.batch_size=2 training.epochs=8 \
        optimizer.lr=3e-3 output=rare-$n
done
paste <(field rare-1 train loss) <(field rare-2 train loss) |
    awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d } END { print most; if (NR != 96 || most > 2e-3) exit 1 }' ||
    fail "rare words, 2 ranks: other losses"

# Bound threads: each rank has cores of its own.
if [ "$(nproc)" -ge 2 ]; then
    OMP_PROC_BIND=true "$hone" launch --nproc 2 r.yaml output=bound training.epochs=20000 >out 2>err &
    process=$!
    for i in $(seq 1 200); do
        [ -s bound/metrics.jsonl ] && break
        sleep 0.1
    done
    cores=$(for rank in $(pgrep -f "^hone train .*output=bound( |\$)"); do
        sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$rank/status"
    done | sort)
    kill -TERM $process
    code=0
    wait $process || code=$?
    [ $code = 75 ] || fail "bound ranks ended with $code: $(cat err)"
    [ "$(wc -l <<<"$cores")" = 2 ] && [ "$(uniq <<<"$cores" | wc -l)" = 2 ] || fail "cores of the two ranks: $cores"
    no_orphans bound
fi

# Mistakes are told once; a rank that has other data than rank 0 is named with what differs.
expect 2 "1 mistake" "$hone" launch --nproc 2 r.yaml training.epochs=0
[ "$(grep -c 'training.epochs' err)" = 1 ] || fail "a mistake is told more than once"
sed '$d' train.tsv >other.tsv
port=$((23000 + $$ % 5000))
rank() { env RANK=$1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port "$hone" train r.yaml "${@:2}"; }
rank 1 output=differs training.seed=7 >out1 2>err1 &
process=$!
expect 7 "rank 1 on $(uname -n) has another recipe than rank 0" rank 0 output=differs
code=0
wait $process || code=$?
[ $code = 7 ] || fail "rank 1 ended with $code"
expect 2 "contradict" env RANK=1 WORLD_SIZE=2 MASTER_ADDR=h MASTER_PORT=1 PMI_RANK=0 PMI_SIZE=2 "$hone" train r.yaml

# start N NAME [key=value]…: in the background, until the first checkpoint is there.
start() {
    "$hone" launch --nproc $1 r.yaml output=$2 training.epochs=3000 checkpoint.every=5 "${@:3}" >out 2>err &
    launcher=$!
    for i in $(seq 1 600); do
        ! compgen -G "$2/checkpoints/step-*/manifest.json" >/dev/null || return 0
        sleep 0.05
    done
    fail "no checkpoint of $2"
}
# process_of NAME RANK
process_of() {
    for process in $(pgrep -f "^hone train .*output=$1 "); do
        if tr '\0' '\n' <"/proc/$process/environ" | grep -qx "RANK=$2"; then echo $process; fi
    done
}
# ended CODE SECONDS TEXT: the launcher, with that code, in that time, after saying that.
ended() {
    local code=0 begin=$SECONDS
    wait $launcher || code=$?
    [ $code = "$1" ] || fail "exit code $code, expected $1"
    [ $((SECONDS - begin)) -le "$2" ] || fail "it took $((SECONDS - begin)) s"
    grep -qF -- "$3" err || fail "no \"$3\" on stderr"
}

for victim in 0 2; do
    start 3 killed$victim
    process=$(process_of killed$victim $victim)
    kill -9 "$process"
    ended 7 10 "rank $victim on $(uname -n) (process $process) is dead"
    no_orphans killed$victim
    # What is saved serves any number of ranks.
    start 2 killed$victim
    for i in $(seq 1 200); do
        ! grep -q 'of up to 9 sequences' err || break
        sleep 0.05
    done
    kill -TERM $launcher
    ended 75 10 "going on from killed$victim/checkpoints/step-"
done
start 2 stopped
process=$(process_of stopped 1)
kill -STOP "$process"
ended 7 30 "rank 1 on $(uname -n) (process $process) is silent"
no_orphans stopped

# A rank that is held up again and again is named, and nothing ends.
start 3 slow
process=$(process_of slow 1)
for i in $(seq 1 60); do
    ! grep -qF "rank 1 on $(uname -n) (process $process) is slow" err || break
    kill -STOP "$process"
    sleep 0.3
    kill -CONT "$process"
    sleep 0.1
done
kill -TERM $launcher
ended 75 10 "rank 1 on $(uname -n) (process $process) is slow: its share of 20 steps took "

# Asked to stop: all at the same step, saved; the same command goes on.
start 2 asked
kill -TERM $launcher
ended 75 10 "the state is saved in asked"
no_orphans asked
# The launcher is gone: so are its ranks.
start 2 left
kill -9 $launcher
wait $launcher 2>/dev/null || true
no_orphans left
echo "ranks: all as expected"

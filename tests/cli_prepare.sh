# hone prepare: tokens are kept by what they follow from and found again, made anew when any of it differs or is damaged;
# one process writes an entry, others wait for it; one that is stopped or killed on the way is run again. Training on data
# that is larger takes no more memory. $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

make_model good bad film the a was '##ly'
make_sentences 5 61 >train.tsv
make_sentences 6 17 >validation.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: validation.tsv, text: sentence, label: label, max_length: 20, cache: cache}
training: {max_steps: 3, batch_size: 8}
output: run
END_OF_RECIPE

entries() { find cache -mindepth 1 -maxdepth 1 | wc -l; }
# Names, inodes and times of everything in the cache.
state() { find cache -printf '%P %i %s %T@\n' | sort; }
# prepared FOUND [key=value]…: whether the training samples were there already, or had to be made.
prepared() {
    local found=$1
    shift
    expect 0 "" "$hone" prepare r.yaml "$@"
    [ "$(sed -n '/"train"/,/}/s/^ *"found": \([a-z]*\),*$/\1/p' out)" = "$found" ] || fail "found is not $found: $* $(cat out)"
}

prepared false
[ "$(number samples)" = "61
17" ] || fail "another number of samples: $(cat out)"
[ "$(entries)" = 2 ] || fail "not an entry for each split"
[ ! -e run ] || fail "the run's folder was made"
before=$(state)
prepared true
expect 0 "" "$hone" train r.yaml
[ "$(state)" = "$before" ] || fail "what was there has been touched"

# What no token follows from is no difference.
prepared true optimizer.lr=1e-3 training.batch_size=4 output=other task.label_smoothing=0.1
# What tokens follow from is, and the old ones stay.
prepared false data.max_length=9
sed '3s/\t/ film\t/' train.tsv >changed.tsv
prepared false data.train=changed.tsv
cp train.tsv same.tsv
prepared true data.train=same.tsv
cp -r model model2
printf '%s\n' '##er' >>model2/vocab.txt
prepared false model.path=model2
prepared false task.labels='[never, no, yes]'
prepared true
[ -z "$(find cache -name '*.tmp-*' -o -name '.lock*')" ] || fail "left: $(find cache -name '*.tmp-*' -o -name '.lock*')"

# Damaged, or not finished.
rm -rf cache
prepared false
good=$(cat cache/*/tokens.h5 | sha256sum)
entry=$(sed -n '/"train"/,/}/s/^ *"cache": "\(.*\)",*$/\1/p' out)
printf x | dd of="$entry/tokens.h5" bs=1 seek=1000 conv=notrunc status=none
prepared false
grep -q "$entry: is written anew: " err || fail "the damage is not told: $(cat err)"
rm "$entry/manifest.json"
prepared false
truncate -s 100 "$entry/manifest.json"
prepared false
[ "$(cat cache/*/tokens.h5 | sha256sum)" = "$good" ] || fail "made anew, it is another"
refused 2 "data.cache names no folder" "$hone" prepare r.yaml data.cache=no
mkfifo pipe.tsv
refused 3 "pipe.tsv: is no regular file" "$hone" prepare r.yaml data.train=pipe.tsv

# More sentences, so that there is time to break in.
# repeated N: the training sentences N times.
repeated() {
    awk -v n="$1" 'NR == 1 { print; next } { rows[NR] = $0 }
        END { for (i = 0; i < n; i++) for (k = 2; k <= NR; k++) print rows[k] }' train.tsv
}
repeated 2000 >large.tsv
large() { "$hone" prepare r.yaml data.train=large.tsv "$@"; }
# Begins to prepare them and stops the process as soon as it holds the lock of their entry. Its id in $held.
hold() {
    local locks i
    for _ in $(seq 10); do
        rm -rf cache
        "$hone" prepare r.yaml data.train=large.tsv data.validation=null >out1 2>err1 &
        held=$!
        for i in $(seq 20000); do
            locks=$(compgen -G 'cache/*/.lock-*' || true)
            [ -z "$locks" ] || break
        done
        kill -STOP $held 2>/dev/null && [ ! -f "$(dirname "$locks")/manifest.json" ] && return
        wait $held || true
    done
    fail "too fast to be stopped"
}
large_entry() { find cache -name tokens.h5 | head -n 1; }

rm -rf cache
expect 0 "train: 255 samples" large data.validation=null # progress
large_hash=$(sha256sum <"$(large_entry)")
same_large() {
    [ "$(entries)" = 1 ] || fail "$1: $(entries) entries"
    [ "$(sha256sum <"$(large_entry)")" = "$large_hash" ] || fail "$1: another entry"
    [ -z "$(find cache -name '*.tmp-*' -o -name '.lock*')" ] || fail "$1 left: $(find cache -name '*.tmp-*' -o -name '.lock*')"
}

hold
kill -KILL $held
wait $held 2>/dev/null || true
expect 0 "" large data.validation=null
same_large "after a kill"

hold
kill -TERM $held
kill -CONT $held
code=0
wait $held || code=$?
[ $code = 75 ] || fail "exit code $code after SIGTERM: $(cat err1)"
grep -q '^hone: .*stopped by a signal while train was read' err1 || fail "after SIGTERM: $(cat err1)"
expect 0 "" large data.validation=null
same_large "after SIGTERM"

# The second waits for the first, says so, and takes what the first has made.
hold
large data.validation=null >out 2>err &
second=$!
for i in $(seq 1000); do
    ! grep -q 'waiting for the token cache' err || break
    sleep 0.01
done
grep -q 'waiting for the token cache' err || fail "the second does not wait: $(cat err)"
kill -CONT $held
wait $held || fail "the first: exit code $? $(cat err1)"
wait $second || fail "the second: exit code $? $(cat err)"
grep -q '"found": true' out || fail "the second made its own: $(cat out)"
same_large "of two"

# 100 MB of tokens are trained on with 92 MB of memory that is not of files (with AVX-512 oneDNN takes half of that). The
# sanitizers need more.
if [ -f "$(dirname "$hone")/tests/io_preload.so" ]; then
    repeated 30000 >large.tsv
    expect 0 "" large data.validation=null
    [ "$(stat -c %s "$(large_entry)")" -gt 99000000 ] || fail "not more tokens than memory"
    expect 0 "1830000 samples" bash -c 'ulimit -d 90000; exec "$0" "$@"' "$hone" train r.yaml data.train=large.tsv \
        output=constant checkpoint.every=2
    # Wherever memory ends, in a library too, it is told.
    for limit in $(seq 20000 4000 64000); do
        rm -rf run
        code=0
        bash -c 'ulimit -d "$1"; exec "$0" train r.yaml' "$hone" $limit >out 2>err || code=$?
        case $code in
        0) ;;
        5) grep -q 'out of memory' err || fail "with $limit kB of memory: $(cat err)" ;;
        *) fail "exit code $code with $limit kB of memory" ;;
        esac
    done
fi
echo "hone prepare: as expected"

# Training, evaluating, predicting by the command line on a small model: the same bits whatever the threads, results on
# stdout alone, exit codes, a run that is killed, memory that runs out. $1 is the binary.
. tests/cli.sh

# One message, which begins with "hone: ".
one_message() {
    [ "$(grep -c '^hone: ' err)" = 1 ] || fail "$(grep -c '^hone: ' err) messages"
}

make_model good bad film the a was '##ly' '##s' e n i '##e' '##n' '##i' \
    tres bien . , '!' 中 ф '##ф'
awk 'BEGIN {
    srand(3); n = split("film the a was très . , ! 中 фф xyz", words, " ")
    for (file = 0; file < 2; file++) {
        name = file ? "test.tsv" : "train.tsv"
        print "sentence\tlabel" >name
        for (i = 0; i < 60; i++) {
            label = int(3 * rand()); text = label == 0 ? "bad" : label == 1 ? "film" : "good"
            for (k = int(40 * rand() * rand()); k > 0; k--) text = text " " words[1 + int(n * rand())]
            print (i % 17 ? text : "") "\t" (label == 0 ? "bad" : label == 1 ? "so-so" : "good") >name
        }
    }
}'
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [bad, so-so, good]}
data: {train: train.tsv, validation: test.tsv, test: test.tsv, text: sentence, label: label, max_length: 37}
training: {epochs: 2, batch_size: 16, micro_batch_tokens: 150}
optimizer: {lr: 1e-3}
output: run
END_OF_RECIPE

# Bits, for 1, 2, 3, 8 threads.
for threads in 1 2 3 8; do
    OMP_NUM_THREADS=$threads expect 0 "" "$hone" train r.yaml output=run$threads
    cmp run1/model.safetensors run$threads/model.safetensors || fail "other bits with $threads threads"
done

# Results alone on stdout, the same ones again for a complete run, which is left as it is.
expect 0 "step 1/8" "$hone" train r.yaml
[ "$(head -c 1 out)" = "{" ] && [ "$(tail -n 1 out)" = "}" ] || fail "stdout is no JSON object"
[ "$(number steps)" = 8 ] || fail "steps: $(number steps)"
cp out first
before=$(find run -type f | sort | xargs sha256sum)
expect 0 "run: this run is complete" "$hone" train r.yaml
cmp out first || fail "other results the second time"
[ "$before" = "$(find run -type f | sort | xargs sha256sum)" ] || fail "a complete run was changed"
expect 10 'now: "  lr: 0.002"' "$hone" train r.yaml optimizer.lr=2e-3
one_message
expect 0 "" "$hone" recipe check run/recipe.yaml

# Evaluation.
loss=$(number test_loss first)
expect 0 "" "$hone" eval r.yaml
[ "$(number test_loss)" = "$loss" ] || fail "hone eval RECIPE: $(number test_loss), not $loss"
expect 0 "" "$hone" eval --model run --data test.tsv
[ "$(number eval_loss)" = "$loss" ] || fail "hone eval --model: $(number eval_loss), not $loss"
tail -n +2 test.tsv >plain.tsv
expect 0 "" "$hone" eval --model=run --data=plain.tsv --text=0 --label=1
[ "$(number eval_loss)" = "$loss" ] || fail "hone eval by column numbers: $(number eval_loss), not $loss"
expect 3 'unknown label' "$hone" eval --model run --data train.tsv --label sentence
expect 3 'no column "x"' "$hone" eval --model run --data train.tsv --label x
cp -r model body
sed -i 's/BertForSequenceClassification/BertModel/' body/config.json
expect 3 'names no task' "$hone" predict --model body --text x

# Predictions: a line for each line, in order; LF ends a line, and nothing else.
printf 'good film\n\nbad\r\na\xe2\x80\xa8b\x0bc\xc2\x85d\nfilm фф 中\n\r\nthe last without an end' >lines.txt
expect 0 "" "$hone" predict --model run --input lines.txt
[ "$(wc -l <out)" = 7 ] || fail "$(wc -l <out) predictions of 7 lines"
cp out seven
expect 0 "" "$hone" predict --model run <lines.txt
cmp out seven || fail "other predictions from standard input"
expect 0 "" "$hone" predict --model run --input lines.txt --output file.jsonl
[ ! -s out ] && cmp file.jsonl seven || fail "other predictions in a file"
expect 0 "" "$hone" predict --model run --text "good film"
[ "$(cat out)" = "$(sed -n 1p seven)" ] || fail "--text"
expect 0 "" "$hone" predict --model run --text ""
[ "$(cat out)" = "$(sed -n 2p seven)" ] && [ "$(sed -n 6p seven)" = "$(sed -n 2p seven)" ] || fail "empty lines"
expect 0 "" "$hone" predict --model run --text bad
[ "$(cat out)" = "$(sed -n 3p seven)" ] || fail "CR before LF"
: >empty.txt
expect 0 "" "$hone" predict --model run --input empty.txt
[ ! -s out ] || fail "predictions of an empty file"
# Alone, in their order, turned round, by column, by field.
cut -f 1 plain.tsv >text.txt
expect 0 "" "$hone" predict --model run --input text.txt
cp out all
while IFS= read -r line; do "$hone" predict --model run --text "$line"; done < <(head -n 12 text.txt) >alone
cmp alone <(head -n 12 all) || fail "alone is not as in a batch"
tac text.txt >turned.txt
expect 0 "" "$hone" predict --model run --input turned.txt
cmp <(tac out) all || fail "turned round"
expect 0 "" "$hone" predict --model run --input test.tsv --column sentence
cmp out all || fail "by name of column"
expect 0 "" "$hone" predict --model run --input plain.tsv
cmp out all || fail "by number of column"
{ printf '\xef\xbb\xbf'; cat test.tsv; } >marked.tsv
expect 0 "" "$hone" predict --model run --input marked.tsv --column sentence
cmp out all || fail "with a byte order mark"
awk '{ print "{\"id\": " NR ", \"text\": \"" $0 "\", \"second\": \"good\"}" }' text.txt >text.jsonl
expect 0 "" "$hone" predict --model run --input text.jsonl
cmp out all || fail "from JSON lines"
# Pairs.
awk -F '\t' '{ print $1 "\tgood" }' plain.tsv >pairs.tsv
expect 0 "" "$hone" predict --model run --input text.jsonl --pair second
cp out pairs
cmp -s out all && fail "the second text makes no difference"
expect 0 "" "$hone" predict --model run --input pairs.tsv --pair 1
cmp out pairs || fail "pairs by number"
expect 2 'lines of text have no columns' "$hone" predict --model run --input text.txt --pair 1
expect 3 'pairs.tsv: no column "2"; without a header columns are numbers, 0 to 1' "$hone" predict --model run --input pairs.tsv --column 2
expect 3 'no column "x"; the columns are "sentence", "label"' "$hone" predict --model run --input test.tsv --column x
expect 3 'text.jsonl:1: no field "x"; the object has "id", "text", "second"' "$hone" predict --model run \
    --input text.jsonl --column x
echo '{"text": 1' >bad.jsonl
expect 3 'bad.jsonl:1' "$hone" predict --model run --input bad.jsonl
expect 4 'nowhere/x' "$hone" predict --model run --input text.txt --output nowhere/x
for site in open write fsync close rename; do
    for n in 1 2 3 4 5 6 7 8 9 10; do
        code=0
        HONE_FAULT=$site:$n "$hone" predict --model run --input text.txt --output faulty >out 2>err || code=$?
        [ $code = 0 ] || [ $code = 4 ] || fail "predict --output with $site:$n: exit $code"
        [ ! -e faulty ] || cmp faulty all || fail "predict --output with $site:$n: a file in part"
        rm -f faulty
        [ $code != 0 ] || break
    done
done
[ -z "$(find . -name '*.tmp-*')" ] || fail "left: $(find . -name '*.tmp-*')"

# A weight that is no number: training, evaluation and prediction stop with 6 and save nothing over a good model.
cp -r run broken
rm broken/all_results.json broken/recipe.yaml
data=$((8 + $(od -An -t u8 -N 8 broken/model.safetensors)))
printf '\0\0\300\177' | dd of=broken/model.safetensors bs=1 seek=$data conv=notrunc status=none
expect 6 "train.tsv:" "$hone" train r.yaml model.path=broken output=run-broken
grep -q 'holds nan at element 0' err || fail "no warning of the NaN"
one_message
[ ! -e run-broken/model.safetensors ] || fail "a model of NaN was saved"
expect 6 "text.txt: line 1: the model's output is" "$hone" predict --model broken --input text.txt
[ ! -s out ] || fail "predictions of NaN"
expect 6 "not a finite number" "$hone" eval --model broken --data test.tsv

# Killed somewhere, then started over: as if nothing had been. Going on is in cli_resume.sh.
for delay in 0.02 0.05 0.08 0.12 0.2; do
    "$hone" train r.yaml output=killed evaluation.every=1 training.epochs=60 >/dev/null 2>&1 &
    sleep $delay
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
done
expect 0 "" "$hone" train r.yaml output=killed checkpoint.resume=never
cmp killed/model.safetensors run/model.safetensors || fail "another model after kills"
[ -z "$(find killed -name '*.tmp-*')" ] || fail "left: $(find killed -name '*.tmp-*')"

# Memory that runs out: exit 5, one line, nothing left over. Every call is too many; these are spread over all of them.
n=1
while :; do
    code=0
    rm -rf short
    HONE_FAULT=alloc:$n "$hone" train r.yaml output=short training.max_steps=2 training.epochs=null >out 2>err || code=$?
    [ $code != 0 ] || break
    [ $code = 5 ] || fail "alloc:$n: exit $code"
    [ "$(grep -c '^hone: out of memory: ' err)" = 1 ] || fail "alloc:$n: $(cat err)"
    [ -z "$(find . -name '*.tmp-*')" ] || fail "alloc:$n left $(find . -name '*.tmp-*')"
    # Written last: only what is printed about it can fail behind it.
    [ ! -e short/all_results.json ] || grep -q 'for JSON$' err || fail "alloc:$n: complete"
    n=$((n + n / 4 + 1))
done
[ $n -gt 1000 ] || fail "only $n allocations"
echo "hone train, eval, predict: all as expected"

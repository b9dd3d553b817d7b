# hone train --seeds and hone sweep: folders, tables, JSON, runs that fail, runs that are reused, mistakes. $1 is the binary.
. tests/cli.sh

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
training: {max_steps: 3, batch_size: 16, micro_batch_tokens: 150}
optimizer: {lr: 1e-3}
output: run
END_OF_RECIPE

# Three seeds: folders, and the numbers of the summary by hand.
expect 0 "95 % interval" "$hone" train r.yaml --seeds 3 training.seed=7
for seed in 7 8 9; do
    [ -f "run/training.seed=$seed/model.safetensors" ] || fail "no model of seed $seed"
    number eval_loss "run/training.seed=$seed/all_results.json" >>losses
    grep -qx "  seed: $seed" "run/training.seed=$seed/recipe.yaml" || fail "the seed of training.seed=$seed"
done
[ "$(sort -u losses | wc -l)" = 3 ] || fail "seeds make no difference"
# t of 2 degrees of freedom: 4.302653.
want=$(awk '{ x[NR] = $1; s += $1 } END {
    m = s / 3; for (i in x) q += (x[i] - m)^2; d = sqrt(q / 2); printf "%.6f %.6f %.6f", m, d, m + 4.302653 * d / sqrt(3) }' losses)
got=$(tr -d ' \n' <out | sed 's/.*"eval_loss":{"mean":\([^,]*\),"standard_deviation":\([^,]*\),"interval_95":\[[^,]*,\([^]]*\)\].*/\1 \2 \3/' |
    awk '{ printf "%.6f %.6f %.6f", $1, $2, $3 }')
[ "$got" = "$want" ] || fail "summary is $got, by hand $want"
[ -s run/sweep.json ] || fail "no sweep.json"
# Started again it trains nothing.
before=$(stat -c %Y.%i "run/training.seed=8/model.safetensors")
cp out first
expect 0 "this run is complete" "$hone" train r.yaml --seeds 3 training.seed=7
cmp -s out first || fail "other results the second time"
[ "$before" = "$(stat -c %Y.%i "run/training.seed=8/model.safetensors")" ] || fail "a complete run was trained again"
# Two more seeds reuse the first three.
expect 0 "" "$hone" train r.yaml --seeds 5 training.seed=7
[ "$(grep -c "this run is complete" err)" = 3 ] || fail "runs were not reused"
# The run of a seed is the run of that seed.
expect 0 "" "$hone" train r.yaml training.seed=8 output=alone
cmp -s alone/model.safetensors "run/training.seed=8/model.safetensors" || fail "another model than that of the seed alone"

# A grid; one corner can't work, and the others go on.
expect 2 "" "$hone" sweep r.yaml output=grid 'optimizer.lr=[1e-3, 1e-5]' 'freeze.layers=[0, 1, 9]'
[ "$(find grid -name all_results.json | wc -l)" = 4 ] || fail "not all good runs were trained"
[ -d "grid/optimizer.lr=1e-5,freeze.layers=1" ] || fail "the folder's name"
grep -q "^hone: optimizer.lr=1e-3,freeze.layers=9: command line: freeze.layers=9: freeze.layers is 9, but the model has 2 layers" err || fail "the failure"
grep -q "^optimizer.lr=1e-5,freeze.layers=9 *failed: " err || fail "the failed run in the table"
awk '/^optimizer.lr=/ && !/failed/ { print $2 }' err >figures
[ "$(wc -l <figures)" = 4 ] && sort -rn -c figures || fail "the table is not sorted by accuracy"
[ "$(grep -c '"exit_code": 2' out)" = 2 ] && [ "$(grep -c '"eval_accuracy": [0-9]' out)" = 4 ] || fail "the JSON"
# Smaller losses are better.
expect 0 "" "$hone" sweep r.yaml output=loss evaluation.metric=loss 'optimizer.lr=[1e-5, 3e-3, 1e-3]'
awk '/^optimizer.lr=/ { print $2 }' err >figures
[ "$(wc -l <figures)" = 3 ] && sort -n -c figures || fail "the table is not sorted by loss"
# Lists of options that take lists, odd characters in names.
expect 0 "" "$hone" sweep r.yaml output=lists "data.train=[[train.tsv], [train.tsv, test.tsv]]" 'freeze.patterns=["*.bias"]'
[ -d "lists/data.train=_train.tsv_" ] && [ -d "lists/data.train=_train.tsv,_test.tsv_" ] || fail "names of list runs: $(ls lists)"

# Interrupted, the sweep ends; started again it goes on and ends as if it had been left alone.
"$hone" train r.yaml --seeds 3 output=stopped training.max_steps=2000 >out 2>err &
pid=$!
while ! grep -q '"step":' stopped/*/metrics.jsonl 2>/dev/null; do sleep 0.05; done
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || fail "exit code $code of an interrupted sweep"
[ "$(ls stopped | grep -c seed=)" = 1 ] || fail "runs were started after the interrupt"

# Mistakes: before anything runs.
expect 2 'expected a number from 2 to 1000' "$hone" train r.yaml --seeds 1 output=none
expect 2 'expected a number from 2 to 1000' "$hone" train r.yaml --seeds many output=none
expect 2 'nothing varies' "$hone" sweep r.yaml output=none training.epochs=2
expect 2 'optimizer.lr: 1e-3 is given twice' "$hone" sweep r.yaml output=none 'optimizer.lr=[1e-3, 1e-3]'
expect 2 'optimizer.lr: given twice' "$hone" sweep r.yaml output=none 'optimizer.lr=[1e-3]' 'optimizer.lr=[1e-4]'
expect 2 'optimizer.lr: an empty list' "$hone" sweep r.yaml output=none 'optimizer.lr=[]'
expect 2 'command line: optimizer.lr=fast: found "fast"' "$hone" sweep r.yaml output=none 'optimizer.lr=[1e-3, fast]'
expect 2 'unknown key "rl" in optimizer (did you mean "lr"?)' "$hone" sweep r.yaml output=none 'optimizer.rl=[1, 2]'
expect 2 'more than 10000 runs' "$hone" sweep r.yaml output=none "training.seed=[$(seq -s, 1 101)]" "training.max_steps=[$(seq -s, 1 101)]"
expect 2 'a recipe file is needed' "$hone" sweep
[ ! -e none ] || fail "something was made"

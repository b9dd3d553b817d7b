# Every verb of the one executable: help, suggestions, exit codes, a closed stdout, input that is no UTF-8, and that the
# verbs which only look do work. $1 is the binary.
. tests/cli.sh

on_stdout() {
    local part
    for part; do grep -qF -- "$part" out || fail "no \"$part\" on stdout"; done
}

make_model good bad film a '##ly' 中
printf 'label\tsentence\nLABEL_0\tgood\nLABEL_1\tbad film\nLABEL_2\t\n' >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [LABEL_0, LABEL_1, LABEL_2]}
data: {train: train.tsv, validation: train.tsv, text: sentence, label: label, max_length: 37}
training: {max_steps: 3}
output: run
END_OF_RECIPE

# Help.
expect 0 "" "$hone" --help
verbs=$(sed -n 's/^  hone \([a-z]*\) .*/\1/p' out)
[ "$(echo "$verbs" | wc -w)" -ge 9 ] || fail "verbs: $verbs"
for verb in $verbs; do
    expect 0 "" "$hone" "$verb" --help
    on_stdout "usage: hone $verb"
    [ ! -s err ] || fail "$verb --help writes to stderr"
    cp out help
    expect 0 "" "$hone" "$verb" -h
    cmp out help || fail "$verb -h"
    refused 2 "$verb: unknown option --nosuch; see hone $verb --help" "$hone" "$verb" --nosuch
done
has_options() {
    local verb=$1
    shift
    expect 0 "" "$hone" "$verb" --help
    on_stdout "$@"
}
has_options bench io tokenizer train --filter --json
has_options eval --model --data --text --pair --label
has_options inspect --stats --diff --json
has_options plan --json
has_options predict --model --text --input --input-format --column --pair --keep --top --aggregation --output --format \
    --output-embeddings --pooling
has_options recipe check show schema micro_batch_tokens
has_options tokenize --tokenizer --input --max-length --stride --truncation --no-special --decode --skip-special --clean-up
has_options tokenizer --model --output --vocab-size --min-frequency --alphabet --lowercase --special
has_options train early_stopping weight_decay clip_norm OMP_NUM_THREADS
expect 0 "" "$hone" --version
on_stdout "hone 0."

# Mistakes on the command line.
code=0
"$hone" >out 2>err || code=$?
{ [ $code = 2 ] && [ ! -s out ] && grep -q '^usage:' err; } || fail "hone alone"
refused 2 'unknown command "trian" (did you mean "train"?)' "$hone" trian
refused 2 'unknown command "quux"; see hone --help' "$hone" quux
refused 2 'unknown option --modle (did you mean --model?)' "$hone" predict --modle run
refused 2 'unknown option --modle=a/long/value/behind/it (did you mean --model?)' \
    "$hone" predict --modle=a/long/value/behind/it
refused 2 '--model needs a value' "$hone" predict --model
refused 2 '--json takes no value' "$hone" plan r.yaml --json=yes
refused 2 'unexpected "extra"' "$hone" predict --model model extra
refused 2 '--text or --input, not both' "$hone" predict --model model --text a --input b
refused 2 '--model DIR is needed' "$hone" predict --text a
refused 2 '--tokenizer DIR is needed' "$hone" tokenize
refused 2 'takes no arguments' "$hone" devices all
refused 2 'give a RECIPE, or --model DIR and --data FILE' "$hone" eval --model model
refused 2 'a recipe file is needed' "$hone" eval
refused 2 'a recipe file is needed' "$hone" train
refused 2 'a recipe file is needed' "$hone" plan
refused 2 'a recipe file is needed' "$hone" bench train
refused 2 'unknown benchmark "trian" (did you mean "train"?)' "$hone" bench trian
refused 2 'say what to measure' "$hone" bench
refused 2 'give a model folder' "$hone" bench io
refused 2 '--format: found "xml", expected tsv, csv or jsonl' "$hone" predict --model model --format xml --text a
refused 2 '--input-format: found "xml", expected tsv, csv, jsonl or text' "$hone" predict --model model \
    --input-format xml --input a
refused 2 '--top: found "0", expected a number from 1' "$hone" predict --model model --top 0 --text a
refused 2 'a name between commas is empty' "$hone" predict --model model --keep a,,b --input a.csv
refused 2 'absent.yaml' "$hone" train absent.yaml
for verb in train plan eval "bench train"; do
    # shellcheck disable=SC2086 # two words
    refused 2 'did you mean "lr"?' "$hone" $verb r.yaml optimizer.lrr=1
    grep -qF 'command line: optimizer.lrr=1' err || fail "$verb does not show the mistake"
done
# What is not an option though it looks like one.
expect 0 "" "$hone" predict --model model --text --model
refused 3 './-x' "$hone" inspect -- ./-x

# Files that are not there.
refused 3 'nowhere' "$hone" predict --model nowhere --text a
refused 3 'nowhere' "$hone" predict --model model --input nowhere
refused 3 'nowhere' "$hone" tokenize --tokenizer nowhere
refused 3 'nowhere' "$hone" tokenize --tokenizer model --input nowhere
refused 3 'nowhere' "$hone" eval --model model --data nowhere
refused 3 'nowhere' "$hone" inspect nowhere
refused 3 'nowhere' "$hone" train r.yaml model.path=nowhere
refused 3 'nowhere' "$hone" plan r.yaml data.train=nowhere.tsv
refused 3 'nowhere' "$hone" bench io nowhere
refused 3 'nowhere' "$hone" bench tokenizer model nowhere
refused 3 'is a folder, expected a file' "$hone" predict --model model --input .

# Invalid UTF-8: file, line and byte, in every verb that reads text.
printf 'good\nba\xffd\n' >bad.txt
printf 'label\tsentence\nLABEL_0\tgood\nLABEL_1\tb\xc3\n' >bad.tsv
printf '{"text": "good"}\n{"text": "\xed\xa0\x80"}\n' >bad.jsonl
refused 3 'bad.txt:2: byte 3: invalid UTF-8' "$hone" predict --model model --input bad.txt
refused 3 'standard input:2: byte 3: invalid UTF-8' "$hone" predict --model model <bad.txt
refused 3 'bad.tsv:3: byte 10: invalid UTF-8' "$hone" predict --model model --input bad.tsv --column sentence
refused 3 'bad.jsonl:2: byte 11: invalid UTF-8' "$hone" predict --model model --input bad.jsonl
refused 3 'byte 3: invalid UTF-8' "$hone" predict --model model --text "$(printf 'ba\xffd')"
code=0
"$hone" tokenize --tokenizer model --input bad.txt >out 2>err || code=$?
{ [ $code = 3 ] && grep -qF 'bad.txt:2: byte 3: invalid UTF-8' err; } || fail "tokenize of invalid UTF-8"
refused 3 'bad.txt:2: byte 3: invalid UTF-8' "$hone" bench tokenizer model bad.txt
for verb in train plan "bench train"; do
    # shellcheck disable=SC2086 # two words
    refused 3 'bad.tsv:3: byte 10: invalid UTF-8' "$hone" $verb r.yaml data.train=bad.tsv
done
refused 3 'bad.tsv:3: byte 10: invalid UTF-8' "$hone" eval --model model --data bad.tsv
cp -r model bad
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n\xff\n' >bad/vocab.txt
refused 3 'bad/vocab.txt' "$hone" tokenize --tokenizer bad --input train.tsv
printf '{"model_type": "b\xff"}' >bad/config.json
refused 3 'bad/config.json' "$hone" predict --model bad --text a
refused 3 'bad/config.json' "$hone" plan r.yaml model.path=bad
printf 'output: \xff\n' >bad.yaml
refused 2 'bad.yaml' "$hone" train bad.yaml
[ ! -e run ] || fail "a mistake left an output folder"

# Verbs that look.
expect 0 "" "$hone" devices
on_stdout "cpu" "yes: "
printf 'goodly film\r\n\n中 xyz' >text.txt
expect 0 "" "$hone" tokenize --tokenizer model --input text.txt
cat >want <<'END_OF_LINES'
{"ids":[2,5,9,7,3],"type_ids":[0,0,0,0,0],"tokens":["[CLS]","good","##ly","film","[SEP]"],"offsets":[[0,0],[0,4],[4,6],[7,11],[0,0]],"word_ids":[null,0,0,1,null]}
{"ids":[2,3],"type_ids":[0,0],"tokens":["[CLS]","[SEP]"],"offsets":[[0,0],[0,0]],"word_ids":[null,null]}
{"ids":[2,10,1,3],"type_ids":[0,0,0,0],"tokens":["[CLS]","中","[UNK]","[SEP]"],"offsets":[[0,0],[0,1],[2,5],[0,0]],"word_ids":[null,0,1,null]}
END_OF_LINES
cmp out want || fail "hone tokenize"
"$hone" tokenize --tokenizer model <text.txt >out
cmp out want || fail "hone tokenize from standard input"
expect 0 "" "$hone" plan r.yaml --json
on_stdout '"steps": 3,' '"samples": 9,' '"tokens": 27,' '"peak_memory_bytes": ' '"flops": '
expect 0 "" "$hone" plan r.yaml training.max_steps=null training.epochs=2.5
on_stdout "steps       3 (1 an epoch" "peak"
[ ! -e run ] || fail "a plan left an output folder"
expect 0 "" "$hone" recipe check r.yaml
expect 0 "" "$hone" inspect model
expect 0 "" "$hone" eval --model model --data train.tsv
on_stdout '"eval_samples": 3,' '"eval_loss": '
expect 0 "" "$hone" bench io model --json
on_stdout '"results": [' '"name": "io: write and sync safetensors"' '"unit": "GB/s"' '"samples": ['
expect 0 "" "$hone" bench tokenizer model text.txt
on_stdout "megabytes_per_second" "tokens 11"
expect 0 "" "$hone" bench train r.yaml --json
on_stdout '"name": "train"' '"tokens_per_second"' '"train profile: '
[ ! -e run ] && [ -z "$(find . -name '*tmp*')" ] || fail "a benchmark left something"

# A closed stdout: exit 4 and one message. A stream that is closed lends its number to no file.
expect 0 "" "$hone" train r.yaml
cp -r run first
closed() {
    local code=0
    { "$@" 2>err || echo $? >code; } | head -c 0 || true
    code=$(cat code)
    rm -f code
    [ "$code" = 4 ] && [ "$(grep -c '^hone: standard output: ' err)" = 1 ] || fail "exit $code with a closed pipe: $*"
}
closed sh -c 'sleep 0.1; exec "$@"' - "$hone" predict --model run --text good
closed sh -c 'sleep 0.1; exec "$@"' - "$hone" train r.yaml
closed sh -c 'sleep 0.1; exec "$@"' - "$hone" --help
closed sh -c 'sleep 0.1; exec "$@"' - "$hone" train --help
closed sh -c 'sleep 0.1; exec "$@"' - "$hone" plan r.yaml
for command in "predict --model run --text good" "train r.yaml output=closed" "--version" "devices" \
    "tokenize --tokenizer model --input text.txt" "eval r.yaml" "recipe schema" "inspect model"; do
    code=0
    # shellcheck disable=SC2086 # several words
    "$hone" $command >&- 2>err || code=$?
    [ $code = 4 ] && [ "$(grep -c '^hone: standard output: ' err)" = 1 ] || fail "exit $code without a stdout: $command"
    code=0
    # shellcheck disable=SC2086 # several words
    "$hone" $command >/dev/full 2>err || code=$?
    [ $code = 4 ] || fail "exit $code with a full disk: $command"
done
"$hone" train r.yaml output=mute >&- 2>&- <&- || true
for name in closed mute; do
    cmp $name/model.safetensors first/model.safetensors || fail "$name: another model"
    "$hone" recipe check $name/recipe.yaml >out || fail "$name: recipe.yaml"
    [ "$(grep -c '^{.*}$' $name/metrics.jsonl)" = "$(wc -l <$name/metrics.jsonl)" ] || fail "$name: metrics.jsonl"
done
echo "hone's verbs: all as expected"

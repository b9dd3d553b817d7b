# hone recipe check --data: each kind of finding with its file and line. $1 is the binary.
. tests/cli.sh

# Without the blanks between members.
has() { sed 's/": /":/g; s/, "/,"/g; s/}, {/},{/g' out | grep -qF -- "$1" || grep -qF -- "$1" out || fail "no $1"; }
hasnt() { ! grep -qF -- "$1" out || fail "there is $1"; }

make_model good bad film the a was
cat >r.yaml <<'END'
model: {path: model}
task: {type: sequence_classification, labels: [neg, pos]}
data: {train: 'tr*.csv', validation: va.jsonl, test: te.tsv, text: text, label: label, max_length: 6}
output: run
END
printf 'text,label\ngood film,pos\nbad film,neg\n"good\nfilm",pos\ngood film,pos\nbad film,pos\n \t,neg\n' >tr1.csv
printf 'text,label\nthe a was the a,neg\ngood film,neutral\n' >tr2.csv
printf '%s\n' '{"text":"Ã©tÃ©","label":"pos"}' '{"text":"a\ufeffb\u0007","label":"pos"}' \
    '{"text":"good film","label":"pos"}' '{"text":"\ufffd","label":null}' '{"text":"â€™","label":1}' >va.jsonl
printf 'text\tlabel\nfilm\tpos\nété was\tneg\n' >te.tsv

expect 0 "" "$hone" recipe check r.yaml
[ "$(cat out)" = "r.yaml: no mistakes" ] || fail "without --data"
expect 0 "" "$hone" recipe check r.yaml --data --json
has '{"name":"train","samples":8,"labels":{"pos":4,"neg":3,"neutral":1},"tokens":'
has '"longest":7,"mean":4.125,"truncated":1,"empty":1}'
has '{"name":"validation","samples":5,"labels":{"pos":3,"1":1},'
has '{"name":"test","samples":2,"labels":{"pos":1,"neg":1},'
has '"duplicate":{"count":1,"examples":[{"split":"train","file":"tr1.csv","line":6,"like":"tr1.csv:2"}]}'
has '"contradiction":{"count":2,"examples":[{"split":"train","file":"tr1.csv","line":7,"like":"tr1.csv:3"},{"split":"train","file":"tr2.csv","line":3,"like":"tr1.csv:2"}]}'
has '"empty":{"count":1,"examples":[{"split":"train","file":"tr1.csv","line":8}]}'
has '"truncated":{"count":1,"examples":[{"split":"train","file":"tr2.csv","line":2,"what":"7 tokens"}]}'
has '"unknown_label":{"count":2,"examples":[{"split":"train","file":"tr2.csv","line":3,"what":"neutral"},{"split":"validation","file":"va.jsonl","line":4,"what":"none"}]}'
has '"leak":{"count":1,"examples":[{"split":"validation","file":"va.jsonl","line":3,"like":"tr1.csv:2"}]}'
has '"mojibake":{"count":2,"examples":[{"split":"validation","file":"va.jsonl","line":1,"what":"U+00A9"},{"split":"validation","file":"va.jsonl","line":5,"what":"U+20AC"}]}'
has '"byte_order_mark":{"count":1,"examples":[{"split":"validation","file":"va.jsonl","line":2}]}'
has '"control":{"count":1,"examples":[{"split":"validation","file":"va.jsonl","line":2,"what":"U+0007"}]}'
has '"replacement":{"count":1,"examples":[{"split":"validation","file":"va.jsonl","line":4}]}'
expect 0 "" "$hone" recipe check --data r.yaml
has 'train                 8'
has 'train       pos 4 (50.0 %), neg 3 (37.5 %), neutral 1 (12.5 %)'
has 'tr1.csv:7  like tr1.csv:3'
expect 0 "" "$hone" recipe check --data r.yaml 'data.train=te.tsv' data.validation=null data.test=null
has 'nothing looks wrong'
hasnt 'validation'

# Held out: every row is in one of the two, equal texts together.
awk 'BEGIN { print "text\tlabel"; for (i = 0; i < 400; i++) print "film " int(i / 2) "\t" (i % 2 ? "pos" : "pos") }' >many.tsv
expect 0 "" "$hone" recipe check --data --json r.yaml data.train=many.tsv data.validation=null data.test=null \
    data.validation_fraction=0.25
hasnt '"leak"'
train=$(sed 's/.*"train", "samples": \([0-9]*\).*/\1/' out) validation=$(sed 's/.*"validation", "samples": \([0-9]*\).*/\1/' out)
[ $((train + validation)) = 400 ] && [ "$validation" -gt 60 ] && [ "$validation" -lt 140 ] ||
    fail "$train + $validation of 400 rows"
expect 0 "" "$hone" recipe check --data --json r.yaml data.train=many.tsv data.max_samples=7
has '"train","samples":7,'
expect 2 'data.validation_fraction 1e-09 leaves no sample for validation' "$hone" recipe check --data r.yaml \
    data.train=many.tsv data.validation=null data.validation_fraction=1.0e-9

# Mixed by weights: the plan counts the tokens of the order that training takes.
head -n 11 many.tsv >few.tsv
cut -f 1 few.tsv | sed 's/$/ good bad/; 1s/.*/text/' | paste - <(cut -f 2 few.tsv) >long.tsv
mixed=(r.yaml 'data.train=[few.tsv, long.tsv]' 'data.weights=[1, 4]' 'task.labels=[neg, pos, other]'
    data.validation=null data.test=null training.epochs=5 training.batch_size=4)
expect 0 "" "$hone" plan "${mixed[@]}" --json
grep -q '"tokens": 560,' out || fail "5 epochs of 4 samples of 4 tokens and 16 of 6"
expect 0 "" "$hone" train "${mixed[@]}"
grep -q '"tokens": 560,' out || fail "trained on other tokens than planned"
expect 2 'data.weights=[1]: 1 number, expected 2 as in data.train' "$hone" recipe check r.yaml \
    'data.train=[few.tsv, long.tsv]' 'data.weights=[1]'
expect 2 'long.tsv: has a weight in data.weights, but no sample is taken from it' "$hone" plan "${mixed[@]}" \
    data.max_samples=3

expect 3 'no*.csv: no file matches this pattern' "$hone" recipe check --data r.yaml 'data.train=no*.csv'
printf 'text,label\n"x,pos\n' >open.csv
expect 3 'open.csv:2: byte 1: this quote is never closed' "$hone" recipe check --data r.yaml data.train=open.csv
expect 2 '--data is for recipe check' "$hone" recipe show r.yaml --data
expect 2 '--json is for recipe check --data' "$hone" recipe check r.yaml --json

# Several labels for a text are counted one by one, whatever form they have.
printf '%s\n' '{"text":"good film","label":["pos","short"]}' '{"text":"bad","label":"neg, short"}' \
    '{"text":"film","label":"[\"odd\"]"}' '{"text":"was","label":[]}' >several.jsonl
several=(data.train=several.jsonl data.validation=null data.test=null
    task.problem_type=multi_label_classification 'task.labels=[neg, pos, short]')
expect 0 "" "$hone" recipe check --data r.yaml "${several[@]}" --json
has '{"name":"train","samples":4,"labels":{"pos":1,"short":2,"neg":1,"odd":1},'
has '"unknown_label":{"count":1,"examples":[{"split":"train","file":"several.jsonl","line":3,"what":"odd"}]}'
printf '%s\n' '{"text":"good film","label":"[pos"}' >several.jsonl
expect 3 'several.jsonl:1: the label begins with [ but is no JSON array' "$hone" recipe check --data r.yaml "${several[@]}"

# Broken rows are skipped where the recipe says so, and said.
printf 'text\tlabel\ngood film\tpos\na question\n\nthat goes on?\tneg\tneg\nbad film\tneg\n' >ragged.tsv
ragged=(r.yaml data.train=ragged.tsv data.validation=null data.test=null output=ragged
    'task.labels=[neg, pos, other]')
expect 3 'ragged.tsv:3: 1 column, expected 2 as in line 1' "$hone" train "${ragged[@]}"
expect 0 "" "$hone" recipe check --data --json "${ragged[@]}" data.ragged_rows=skip
has '{"name":"train","samples":2,'
has '"ragged":{"count":3,"examples":[{"split":"train","file":"ragged.tsv","line":3}]}'
expect 0 'ragged.tsv:3: the first of 3 rows with another number of columns than the first row, skipped' \
    "$hone" train "${ragged[@]}" data.ragged_rows=skip training.max_steps=1
grep -q '"train_samples": 2,' out || fail "trained on other rows"
echo "hone recipe check --data: as expected"

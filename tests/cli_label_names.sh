# The names of labels: from the recipe, from a model that was fine-tuned before, from the data; config.json has them.
# $1 is the binary.
. tests/cli.sh
export OMP_NUM_THREADS=1

make_model good bad film
cat >r.yaml <<'END'
task: {type: sequence_classification}
data: {text: text, label: label, max_length: 8}
training: {max_steps: 1, batch_size: 2}
END
table() { printf 'text\tlabel\n'; for label in "$@"; do printf 'film\t%s\n' "$label"; done; }
table pos neg neu >names.tsv
table 2 0 1 >numbers.tsv
table pos neg >some.tsv
table a b c >others.tsv

# FROM DATA NAMES… [-- OVERRIDE…]: trains one step and compares id2label.
names() {
    local from=$1 data=$2 want=$3
    shift 3
    rm -rf run
    "$hone" train r.yaml model.path="$from" data.train="$data" output=run "$@" >out 2>err || fail "train on $data from $from"
    local got
    got=$(tr -d '\n ' <run/config.json | sed 's/.*"id2label":{\([^}]*\)}.*/\1/')
    [ "$got" = "$want" ] || fail "$data from $from: $got, expected $want"
}
names model names.tsv '"0":"neg","1":"neu","2":"pos"'
names model numbers.tsv '"0":"0","1":"1","2":"2"'
names model names.tsv '"0":"pos","1":"neu","2":"neg"' 'task.labels=[pos, neu, neg]'
cp -r run named
names named names.tsv '"0":"pos","1":"neu","2":"neg"'
grep -q 'labels as in named: "pos", "neu", "neg"' err || fail "not said"
names named numbers.tsv '"0":"pos","1":"neu","2":"neg"'
names named some.tsv '"0":"pos","1":"neu","2":"neg"'
names named others.tsv '"0":"a","1":"b","2":"c"'
names named numbers.tsv '"0":"x","1":"y","2":"z"' 'task.labels=[x, y, z]'
echo "label names: as expected"

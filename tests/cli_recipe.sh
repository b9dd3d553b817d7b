# hone recipe: exit codes, what goes to stdout and what to stderr, and that the resolved recipe is its own resolved form.
# $1 is the binary.
. tests/cli.sh
silent() {
    expect 0 "" "$@"
    [ ! -s err ] || fail "something on stderr: $*"
}

mkdir model
echo x >a.tsv
cat >r.yaml <<'END'
model: {path: model}
task: {type: sequence_classification}
data: {train: a.tsv, text: t, label: l}
output: o
END

silent "$hone" recipe check r.yaml
silent "$hone" recipe check r.yaml training.epochs=1
expect 2 'r.yaml: 2 mistakes' "$hone" recipe check r.yaml seed=1 device=tpu
[ ! -s out ]
grep -qF 'command line: seed=1: unknown key "seed" (did you mean "training.seed"?)' err
expect 3 'command line: data.test=b.tsv: no file "b.tsv"' "$hone" recipe check r.yaml data.test=b.tsv
expect 3 'model.path=nowhere: nowhere: no such folder' "$hone" recipe check r.yaml model.path=nowhere
# Files that are not there beside other mistakes.
sed 's/a.tsv/b.tsv/; s/output/ouput/' r.yaml >w.yaml
expect 2 'w.yaml: 2 mistakes' "$hone" recipe check w.yaml
grep -qF 'w.yaml:3:15: data.train: no file "b.tsv" here' err
expect 2 'absent.yaml' "$hone" recipe check absent.yaml
expect 2 'hone recipe --help' "$hone" recipe
expect 2 'hone recipe --help' "$hone" recipe check
expect 2 'hone recipe --help' "$hone" recipe chek r.yaml
silent "$hone" recipe show r.yaml optimizer.lr=1e-5 data.test=b.tsv
grep -qF 'lr: 1.0e-05' out
cp out once.yaml
silent "$hone" recipe show once.yaml
cmp out once.yaml
silent "$hone" recipe schema
grep -qF '"https://json-schema.org/draft/2020-12/schema"' out
silent "$hone" recipe --help
grep -qF 'micro_batch_tokens' out
echo "hone recipe: all as expected"

# hone recipe: exit codes, what goes to stdout and what to stderr, and that the resolved recipe is its own resolved form.
set -euo pipefail
hone=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir model
echo x >a.tsv
cat >r.yaml <<'END'
model: {path: model}
task: {type: sequence_classification}
data: {train: a.tsv, text: t, label: l}
output: o
END

# expect CODE STDERR COMMAND…: the exit code, a part of stderr ("": empty); stdout lands in ./out.
expect() {
    local code=0 want=$1 part=$2
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" = "$want" ] || { echo "exit code $code, expected $want: $*"; cat err; exit 1; }
    if [ -n "$part" ]; then grep -qF -- "$part" err; else [ ! -s err ]; fi || { echo "stderr of $*:"; cat err; exit 1; }
}

expect 0 "" "$hone" recipe check r.yaml
expect 0 "" "$hone" recipe check r.yaml training.epochs=1
expect 2 'r.yaml: 2 mistakes' "$hone" recipe check r.yaml seed=1 device=tpu
[ ! -s out ]
grep -qF 'command line: seed=1: unknown key "seed" (did you mean "training.seed"?)' err
expect 3 'data.test: no file "b.tsv"' "$hone" recipe check r.yaml data.test=b.tsv
expect 3 'model.path: nowhere: no such folder' "$hone" recipe check r.yaml model.path=nowhere
expect 2 'absent.yaml' "$hone" recipe check absent.yaml
expect 2 'hone recipe --help' "$hone" recipe
expect 2 'hone recipe --help' "$hone" recipe check
expect 2 'hone recipe --help' "$hone" recipe chek r.yaml
expect 0 "" "$hone" recipe show r.yaml optimizer.lr=1e-5 data.test=b.tsv
grep -qF 'lr: 1.0e-05' out
cp out once.yaml
expect 0 "" "$hone" recipe show once.yaml
cmp out once.yaml
expect 0 "" "$hone" recipe schema
grep -qF '"https://json-schema.org/draft/2020-12/schema"' out
expect 0 "" "$hone" recipe --help
grep -qF 'micro_batch_tokens' out
echo "hone recipe: all as expected"

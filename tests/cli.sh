# What tests of the command line share; tests/cli_*.sh source it, with the binary as $1, and go on in an empty folder that
# is gone with the test. What is synced a thousand times lies in memory where that is possible.
set -euo pipefail
hone=$(realpath "$1")
fixtures=$(realpath tests/fixtures)
base=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || base=/dev/shm
folder=$(mktemp -d "$base/hone-cli-XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME=$folder # of the token cache
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=passive

fail() {
    echo "FAILED: $*"
    [ ! -s err ] || tail -n 5 err
    exit 1
}
# Ends a test that takes too long under the sanitizers without CI=full: skip_sanitized WHY.
skip_sanitized() {
    if grep -q __asan_init "$hone" && [ "${CI:-}" != full ]; then
        echo "skipped: sanitizers, without CI=full; $1"
        exit 77
    fi
}
# The same of a test that goes through MPI. What its libraries haven't freed at the end isn't ours.
skip_sanitized_mpi() {
    skip_sanitized "ranks are tested under them by cli_ranks, leaks too"
    export ASAN_OPTIONS=detect_leaks=0
}
# expect CODE STDERR COMMAND…: the exit code and a part of stderr; stdout lands in ./out, stderr in ./err.
expect() {
    local code=0 want=$1 part=$2
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" = "$want" ] || fail "exit code $code, expected $want: $*"
    [ -z "$part" ] || grep -qF -- "$part" err || fail "no \"$part\" on stderr: $*"
}
# The same of a command that fails: one message, and nothing on stdout.
refused() {
    expect "$@"
    [ ! -s out ] && [ "$(grep -c '^hone: ' err)" = 1 ] || fail "not one message alone: $*"
}
# A folder "model" with a small random BERT and a vocabulary of the given words behind the special tokens.
make_model() {
    mkdir -p model
    cp "$fixtures/bert/gelu/config.json" "$fixtures/bert/gelu/model.safetensors" model/
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' "$@" >model/vocab.txt
}
# A TSV of so many sentences of that model's words, whose label is "yes" where one of them is "good": make_sentences SEED N.
make_sentences() {
    awk -v seed="$1" -v count="$2" 'BEGIN {
        srand(seed); n = split("film the a was good bad", words, " "); print "sentence\tlabel"
        for (i = 0; i < count; i++) {
            text = ""; for (k = int(12 * rand()); k > 0; k--) text = text " " words[1 + int(n * rand())]
            print text "\t" (text ~ /good/ ? "yes" : "no")
        }
    }'
}
# A result's number from JSON in ./out or in FILE: number NAME [FILE].
number() { sed -n "s/^ *\"$1\": \([-0-9.e+]*\),\{0,1\}\$/\1/p" "${2:-out}"; }

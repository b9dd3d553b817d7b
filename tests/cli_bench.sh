# hone bench kernels covers every kernel of kernels/ops.h, checks it, and measures something. $1 is the binary.
set -euo pipefail
hone=$1
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

fail() { echo "$1"; cat "$scratch/err"; exit 1; }
expect() { # code, part of stderr, command...
    local want=$1 part=$2 got=0
    shift 2
    "$@" >"$scratch/out" 2>"$scratch/err" || got=$?
    [ "$got" = "$want" ] || fail "exit $got, expected $want: $*"
    [ -z "$part" ] || grep -qF -- "$part" "$scratch/err" || fail "no \"$part\" on stderr: $*"
}

expect 0 "" "$hone" bench --help
grep -q "^  kernels " "$scratch/out"
expect 2 "see hone bench --help" "$hone" bench
expect 2 'did you mean "kernels"?' "$hone" bench kernel
expect 2 "--filter" "$hone" bench kernels minilm
expect 2 "nosuchkernel" "$hone" bench kernels --filter nosuchkernel

# The small shapes of all kernels; those of BERT-base need 2 GB.
expect 0 "" "$hone" bench kernels --filter minilm --json
kernels=$(sed -n 's/^    void (\*\([a-z_]*\))(.*/\1/p' kernels/ops.h)
[ "$(wc -w <<<"$kernels")" -ge 19 ] || fail "kernels/ops.h has fewer kernels than it had: $kernels"
for kernel in $kernels; do
    grep -qF "\"name\": \"$kernel minilm" "$scratch/out" || fail "no row for $kernel"
done
rows=$(grep -c '"name": ' "$scratch/out")
for key in value p20 p80 share_of_ceiling; do
    n=$(awk -F'[ ,]+' -v key="\"$key\":" '{ for (i = 1; i < NF; i++) if ($i == key && $(i + 1) > 0) n++ }
        END { print n + 0 }' "$scratch/out")
    [ "$key" != share_of_ceiling ] || n=$((n + $(grep -c '"name": "ceiling: ' "$scratch/out"))) # no shares of themselves
    [ "$n" = "$rows" ] || fail "$n of $rows rows have a positive $key"
done
echo "hone bench: $rows rows as expected"

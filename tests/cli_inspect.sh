# hone inspect on the reference writer's file: table, --stats, --diff, --json, its mistakes. $1 is the binary.
set -euo pipefail
hone=$1
file=tests/fixtures/safetensors/written.safetensors
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

expect() { # text, command...
    local want=$1
    shift
    local got
    got=$("$@" 2>&1) || true
    case $got in *"$want"*) ;; *) echo "expected \"$want\" from: $*"; echo "$got"; exit 1 ;; esac
}
expect_code() { # code, command...
    local want=$1 got=0
    shift
    "$@" >/dev/null 2>"$scratch/err" || got=$?
    [ "$got" = "$want" ] || { echo "exit $got, expected $want: $*"; cat "$scratch/err"; exit 1; }
}

expect "usage: hone inspect" "$hone" inspect --help
expect "17 tensors, 85 values" "$hone" inspect "$file"
expect "$(sha256sum "$file" | cut -d' ' -f1)" "$hone" inspect "$file"
expect '"n_tensors": 17' "$hone" inspect "$file" --json
expect 'awkward "\\x0a\x01\x7fé😀/' "$hone" inspect "$file"
expect '"nan": 1, "inf": 1' "$hone" inspect "$file" --stats --json
expect "17 of 17 common tensors are equal" "$hone" inspect "$file" --diff "$file"
[ "$("$hone" inspect "$file" --stats --json | wc -l)" = 1 ]

# One changed value of the first tensor (U64) and another name in the header.
cp "$file" "$scratch/a.safetensors"
data=$((8 + $(od -An -t u8 -N 8 "$file")))
printf '\5' | dd of="$scratch/a.safetensors" bs=1 seek="$data" conv=notrunc status=none
sed -i 's/"scalar"/"scalaR"/' "$scratch/a.safetensors"
expect "only in a: scalar" "$hone" inspect "$file" --diff "$scratch/a.safetensors"
expect "only in b: scalaR" "$hone" inspect "$file" --diff "$scratch/a.safetensors"
expect "15 of 16 common tensors are equal" "$hone" inspect "$file" --diff "$scratch/a.safetensors"
expect '"different": 1, "max_abs": 7' "$hone" inspect "$file" --diff "$scratch/a.safetensors" --json

expect_code 0 "$hone" inspect "$file"
expect_code 2 "$hone" inspect
expect_code 2 "$hone" inspect "$file" "$file"
expect_code 2 "$hone" inspect "$file" --nosuch
expect_code 2 "$hone" inspect "$file" --stats --diff "$file"
expect_code 3 "$hone" inspect "$scratch"
expect_code 3 "$hone" inspect "$scratch/none"
expect_code 3 "$hone" inspect README.md
head -c 1000 "$file" >"$scratch/cut.safetensors"
expect_code 3 "$hone" inspect "$scratch/cut.safetensors"

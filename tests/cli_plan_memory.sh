# hone plan's peak_memory_bytes is within 5 % of what the run takes, on a model of real size: all-MiniLM-L6-v2 (from
# HONE_MINILM, or demo/model as tools/quickstart leaves it) and MR. Skipped without them, and under the sanitizers, whose
# own memory no plan knows. $1 is the binary.
set -euo pipefail
hone=$(realpath "$1")
model=${HONE_MINILM:-demo/model}
data=${HONE_MR:-../shared/data/sentiment/mr/train.tsv}
if ! [ -f "$model/model.safetensors" ] || ! [ -f "$data" ]; then
    echo "skipped: no model in $model, or no $data"
    exit 77
fi
if grep -q __asan_init "$hone"; then
    echo "skipped: sanitizers"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMP_WAIT_POLICY=passive
cat >"$folder/r.yaml" <<END_OF_RECIPE
model: {path: $model}
task: {type: sequence_classification}
data: {train: $data, text: sentence, label: label, max_length: 128}
training: {max_steps: 2, batch_size: 32}
output: $folder/run
logging: {level: warning}
END_OF_RECIPE
peak() { sed -n 's/^ *"peak_memory_bytes": \([0-9]*\),\{0,1\}$/\1/p'; }
for overrides in "" "training.batch_size=128 training.max_steps=1"; do
    rm -rf "$folder/run"
    # shellcheck disable=SC2086 # several words
    planned=$("$hone" plan "$folder/r.yaml" --json $overrides | peak)
    # shellcheck disable=SC2086 # several words
    taken=$("$hone" train "$folder/r.yaml" $overrides | peak)
    echo "${overrides:-batch size 32}: planned $planned bytes, taken $taken"
    [ $((planned * 100)) -ge $((taken * 95)) ] && [ $((planned * 100)) -le $((taken * 105)) ] || exit 1
done

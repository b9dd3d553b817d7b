# 20 steps of a small model on the emulated GPU and on the CPU: the same losses. $1 is the binary, $2 the emulator's
# plug-in. The mask of dropout, the order of the data and the optimizer are the same; what differs is the order of sums.
. tests/cli.sh
plugin=$(realpath "$2")

make_model good bad film the a was
awk 'BEGIN {
    srand(5); n = split("film the a was", words, " ")
    print "sentence\tlabel"
    for (i = 0; i < 48; i++) {
        label = int(3 * rand()); text = label == 0 ? "bad" : label == 1 ? "film" : "good"
        for (k = int(20 * rand() * rand()); k > 0; k--) text = text " " words[1 + int(n * rand())]
        print text "\t" (label == 0 ? "bad" : label == 1 ? "so-so" : "good")
    }
}' >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [bad, so-so, good]}
data: {train: train.tsv, text: sentence, label: label, max_length: 37}
training: {max_steps: 20, batch_size: 8, micro_batch_tokens: 60}
optimizer: {lr: 1e-3}
logging: {every: 1}
checkpoint: {every: no}
END_OF_RECIPE

losses() { sed -n 's/.*"split": *"train".*"loss": *\([-0-9.e+]*\).*/\1/p' "$1/metrics.jsonl"; }
expect 0 "" "$hone" train r.yaml device=cpu output=cpu
losses cpu >expected
[ "$(wc -l <expected)" = 20 ] || fail "$(wc -l <expected) losses of 20 steps"
# f32 differs by roundings that 20 steps have carried on; bf16 has 2^-9 in each activation.
for case in f32:1e-3 bf16:3e-2; do
    precision=${case%:*}
    HONE_DEVICE_LIBRARY=$plugin expect 0 "" "$hone" train r.yaml device=cuda precision=$precision output=$precision
    losses $precision >found
    paste expected found | awk -v allowed=${case#*:} -v precision=$precision '
        { off = $1 - $2; if (off < 0) off = -off; if (off > most) most = off }
        END {
            printf "%s: largest difference of %d losses %.3g, allowed %.3g\n", precision, NR, most, allowed
            exit !(NR == 20 && most <= allowed)
        }' || { paste expected found; fail "losses in $precision"; }
done

# The same run again gives the same bits, in whatever order the threads run.
HONE_SIMT_SEED=7 HONE_DEVICE_LIBRARY=$plugin expect 0 "" "$hone" train r.yaml device=cuda output=again
cmp f32/model.safetensors again/model.safetensors || fail "other bits in another order of threads"

# Out of device memory is told like any other lack of it.
HONE_SIMT_MEMORY=100000 HONE_DEVICE_LIBRARY=$plugin expect 5 "GPU memory" "$hone" train r.yaml device=cuda output=none

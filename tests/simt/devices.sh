# What `hone devices` and `device: cuda` say of a GPU that is there, and of each reason why there is none. $1 is the binary,
# $2 the emulator's plug-in.
. tests/cli.sh
plugin=$(realpath "$2")

# line PART COMMAND…: `hone devices` ends well and its line of cuda has PART.
line() {
    local part=$1
    shift
    expect 0 "" env "$@" "$hone" devices
    grep '^cuda ' out | grep -qF -- "$part" || fail "no \"$part\" in: $(grep '^cuda ' out)"
}
line "yes: emulated GPU" HONE_DEVICE_LIBRARY="$plugin"
line "no: no NVIDIA driver is installed" HONE_DEVICE_LIBRARY="$plugin" HONE_SIMT_DRIVER=0
line "no: the NVIDIA driver is for CUDA 12.4, this needs one for CUDA 13.0" HONE_DEVICE_LIBRARY="$plugin" HONE_SIMT_DRIVER=12040
line "no: the NVIDIA driver finds no GPU" HONE_DEVICE_LIBRARY="$plugin" HONE_SIMT_DEVICES=0
line "has compute capability 7.5, the least is 8.0" HONE_DEVICE_LIBRARY="$plugin" HONE_SIMT_ARCHITECTURE=75
line "no: $PWD/nothing.so is not there" HONE_DEVICE_LIBRARY="$PWD/nothing.so"
echo "no library" >text.so
line "no: $PWD/text.so cannot be loaded" HONE_DEVICE_LIBRARY="$PWD/text.so"

# The real plug-in, where it was built, loads on any machine and says what it found.
real=$(dirname "$hone")/libhone_cuda.so
if [ -f "$real" ]; then
    expect 0 "" env -u HONE_DEVICE_LIBRARY "$hone" devices
    grep -qE '^cuda   (yes: |no: (no NVIDIA driver|the NVIDIA driver|the GPU))' out || fail "$(grep '^cuda ' out)"
    [ -z "$(nm -D --defined-only "$real" | grep -v ' hone_plugin_open$')" ] || fail "the plug-in exports more than its entry"
fi

# A recipe that insists is told why not; auto takes the CPU.
make_model good bad
printf 'label\tsentence\n0\tgood\n1\tbad\n' >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [a, b, c]}
data: {train: train.tsv, text: sentence, label: label, max_length: 37}
training: {max_steps: 1}
output: run
END_OF_RECIPE
export HONE_DEVICE_LIBRARY=$plugin HONE_SIMT_DRIVER=0
refused 2 "device 'cuda': no NVIDIA driver is installed" "$hone" train r.yaml device=cuda
expect 0 "" "$hone" train r.yaml

# tools/mpi/train by every MPI that the build found ($HONE_TEST_MPI: mpirun=libhone_mpi.so …): through MPI and through
# shared memory the model of hone launch, bit for bit; ranks that are told to stop, and one that is killed. $1 is the binary.
root=$PWD
. tests/cli.sh
export HONE=$hone OMP_NUM_THREADS=1
[ -n "${HONE_TEST_MPI:-}" ] || { echo "skipped: no mpirun and mpicc (tools/setup mpi)"; exit 77; }
skip_sanitized_mpi
# Open MPI does neither of itself: run for root, and more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

make_model good bad film the a was
make_sentences 3 40 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 1, batch_size: 9}
evaluation: {every: 100, metric: loss}
checkpoint: {every: 2, keep: 2}
distributed: {timeout: 60}
output: run
END_OF_RECIPE

for n in 2 3; do expect 0 "" "$hone" launch --nproc $n r.yaml output=launched$n; done
expect 2 "none is not there; it is built where cmake finds mpicc" env HONE_MPI_LIBRARY=none "$hone" launch --nproc 2 r.yaml \
    distributed.transport=mpi output=none

# start NAME [key=value]…: in the background, until the first checkpoint is there.
start() {
    "$root/tools/mpi/train" 2 r.yaml output="$1" training.epochs=9000 "${@:2}" >out 2>err &
    launcher=$!
    for i in $(seq 1 600); do
        ! compgen -G "$1/checkpoints/step-*/manifest.json" >/dev/null || return 0
        sleep 0.1
    done
    fail "no checkpoint of $1"
}
# no_orphans NAME
no_orphans() {
    for i in $(seq 1 150); do
        pgrep -f "train r.yaml output=$1 " >/dev/null || return 0
        sleep 0.1
    done
    fail "a process is left: $(pgrep -fa "train r.yaml output=$1 ")"
}

for entry in $HONE_TEST_MPI; do
    export MPIRUN=${entry%%=*} HONE_MPI_LIBRARY=${entry#*=}
    name=${MPIRUN##*.}
    expect 0 "" "$root/tools/mpi/train" 3 r.yaml output=$name distributed.transport=mpi
    cmp launched3/model.safetensors $name/model.safetensors || fail "$name: another model through MPI"
    [ "$(grep -c '"train_loss"' out)" = 1 ] || fail "$name: not the results of one"
    expect 0 "" "$root/tools/mpi/train" 2 r.yaml output=$name-memory
    cmp launched2/model.safetensors $name-memory/model.safetensors || fail "$name: another model through shared memory"

    # Each rank on a machine of another name, where that can be had.
    if unshare --uts true 2>/dev/null; then
        expect 0 "" "$MPIRUN" -n 2 unshare --uts sh -c \
            'hostname node${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; exec "$HONE" train r.yaml output=$0' $name-elsewhere
        cmp launched2/model.safetensors $name-elsewhere/model.safetensors || fail "$name: another model on two machines"
    fi

    start $name-asked distributed.transport=mpi
    kill -TERM $launcher
    code=0
    wait $launcher || code=$?
    [ $code = 75 ] || fail "$name: exit code $code after SIGTERM"
    grep -q "the state is saved in $name-asked" err || fail "$name: nothing was saved"

    start $name-killed distributed.transport=mpi
    kill -9 "$(pgrep -f "hone train r.yaml output=$name-killed " -n)"
    code=0
    wait $launcher || code=$?
    [ $code != 0 ] || fail "$name: exit code 0 after a rank was killed"
    no_orphans $name-killed
done
echo "mpi: all as expected"

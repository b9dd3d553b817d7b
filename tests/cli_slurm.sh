# tools/slurm/train.sbatch on a Slurm of this machine alone, controller and daemon, in the test's folder: a job of two
# tasks that is preempted goes back into the queue and ends in the model of an unbroken run; one that is cancelled has
# saved. And srun with each of Slurm's ways to tell MPI of ranks. $1 is the binary.
root=$PWD
. tests/cli.sh
export OMP_NUM_THREADS=1 HONE=$hone
for program in munged slurmctld slurmd sbatch; do
    command -v $program >/dev/null || [ -x /usr/sbin/$program ] || { echo "no $program (tools/setup slurm)"; exit 77; }
done
PATH=$PATH:/usr/sbin
skip_sanitized_mpi

make_model good bad film the a was '##ly'
make_sentences 5 61 >train.tsv
cat >r.yaml <<'END_OF_RECIPE'
model: {path: model}
task: {type: sequence_classification, labels: [no, yes, never]}
data: {train: train.tsv, validation: train.tsv, text: sentence, label: label, max_length: 20}
training: {epochs: 2, batch_size: 9}
evaluation: {every: 100, metric: loss}
checkpoint: {every: 5, keep: 2}
distributed: {timeout: 60}
output: run
END_OF_RECIPE

# By default a job that goes back waits for two minutes, the lifetime of what slurmd was shown to start it.
node=$(uname -n | cut -d . -f 1)
port=$((26000 + $$ % 2500 * 2))
cat >slurm.conf <<END_OF_SETTINGS
ClusterName=hone
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/linear
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
NodeName=$node NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes=ALL Default=YES OverSubscribe=FORCE
END_OF_SETTINGS
export SLURM_CONF=$folder/slurm.conf
mkdir state spool
(umask 077 && head -c 1024 /dev/urandom >munge.key)

daemons=()
stop() {
    scancel --user="$(id -un)" 2>/dev/null || true
    for i in $(seq 1 100); do
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.1
    done
    [ ${#daemons[@]} = 0 ] || kill "${daemons[@]}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap stop EXIT
munged --foreground --force --key-file=munge.key --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
    --seed-file="$folder/munge.seed" --log-file="$folder/munge.log" &>munge.err &
daemons+=($!)
for i in $(seq 1 100); do
    [ ! -S munge.socket ] || break
    sleep 0.1
done
slurmctld -D -f "$SLURM_CONF" &>slurmctld.log &
daemons+=($!)
slurmd -D -f "$SLURM_CONF" &>slurmd.log &
daemons+=($!)
for i in $(seq 1 300); do
    [ "$(sinfo --noheader --format=%t 2>/dev/null)" != idle ] || break
    sleep 0.1
done
[ "$(sinfo --noheader --format=%t)" = idle ] || fail "Slurm did not start: $(tail -n 3 munge.err slurmctld.log slurmd.log)"

# submit NAME [key=value]…: the job's number lands in ./job; returns at its first checkpoint.
submit() {
    sbatch --parsable --output="$1.log" "$root/tools/slurm/train.sbatch" r.yaml output="$1" "${@:2}" >job
    for i in $(seq 1 600); do
        ! compgen -G "$1/checkpoints/step-*/manifest.json" >/dev/null || return 0
        sleep 0.1
    done
    fail "no checkpoint of $1: $(cat "$1.log")"
}
# Sets `about` to what Slurm tells of the job then.
come_to_an_end() {
    for i in $(seq 1 600); do
        about=$(scontrol --oneliner show job "$(cat job)")
        [[ ! $about =~ JobState=(COMPLETED|FAILED|CANCELLED) ]] || return 0
        sleep 0.1
    done
    fail "the job does not end: $about"
}
# ended STATE RESTARTS EXIT
ended() {
    [[ $about == *" JobState=$1 "*" Restarts=$2 "*" ExitCode=$3 "* ]] || fail "not $1, $2 restarts, $3: $about"
}

# Told to stop once it has saved; a training that was over before Slurm had told it is tried again, longer.
for epochs in 15 60 240 960; do
    run=preempted$epochs
    submit $run training.epochs=$epochs
    scancel --signal=TERM "$(cat job)" 2>err || true
    come_to_an_end
    ! grep -q "the state is saved in $run" $run.log || break
done
ended COMPLETED 1 0:0
grep -q "going on from $run/checkpoints/step-" $run.log || fail "the second start was no continuation"
[ "$(grep -c '"train_loss"' $run.log)" = 1 ] || fail "not the results of one"
expect 0 "" "$hone" launch --nproc 2 r.yaml output=unbroken training.epochs=$epochs
cmp unbroken/model.safetensors $run/model.safetensors || fail "another model than without Slurm"

# Cancelled: saved, and not started again.
submit cancelled training.epochs=3000
scancel "$(cat job)"
come_to_an_end
ended CANCELLED 0 75:0
grep -q 'the state is saved in cancelled' cancelled.log || fail "a cancelled job did not save"

expect 0 "" "$hone" launch --nproc 2 r.yaml output=short
for kind in pmi2 pmix; do
    # Slurm's part for PMIx loads libpmix, which comes with Open MPI.
    [ $kind != pmix ] || [ -n "$(ldconfig -p | grep -F libpmix.so.2)" ] || continue
    expect 0 "" srun --ntasks=2 --mpi=$kind "$hone" train r.yaml output=$kind
    cmp short/model.safetensors $kind/model.safetensors || fail "another model by srun --mpi=$kind"
done
# Ranks that Slurm starts, and Open MPI joins.
library=$(tr ' ' '\n' <<<"${HONE_TEST_MPI:-}" | sed -n 's/^.*mpirun\.openmpi=//p')
if [ -n "$library" ]; then
    expect 0 "" env HONE_MPI_LIBRARY="$library" srun --ntasks=2 --mpi=pmix "$hone" train r.yaml output=open \
        distributed.transport=mpi
    cmp short/model.safetensors open/model.safetensors || fail "another model through Open MPI"
fi
echo "slurm: all as expected"

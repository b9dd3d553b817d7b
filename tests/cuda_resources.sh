# What ptxas says of the kernels in build/kernels/cuda (the argument): no spills and no stack frame in the kernels of
# attention, layer_norm, cross_entropy and adamw, for each architecture, and nowhere more registers or shared memory than
# there are. Prints a line for each kernel and architecture.
set -euo pipefail
folder=$1
ls "$folder"/*.ptxas >/dev/null 2>&1 || { echo "skipped: libhone_cuda.so was not built here (no nvcc)"; exit 77; }
cat "$folder"/*.ptxas | awk '
    /Compiling entry function/ {
        match($0, /function .[^ ]+. for/); name = substr($0, RSTART + 10, RLENGTH - 15)
        match($0, /sm_[0-9a-z]+/); architecture = substr($0, RSTART, RLENGTH)
    }
    /bytes stack frame/ {
        for (i = 1; i <= NF; i++) {
            if ($(i + 1) == "bytes" && $(i + 2) == "stack") stack = $i
            if ($(i + 1) == "bytes" && $(i + 2) == "spill") spill += $i
        }
    }
    /Used [0-9]+ registers/ {
        if (name == "") next
        match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
        printf "%-8s %3d registers %4d bytes of stack %4d of spills  %s\n", architecture, registers, stack, spill, name
        seen[architecture]++
        kernels++
        strict = name ~ /attention|layer_norm|cross_entropy|adamw/
        if (strict) found[name ~ /attention/ ? "attention" : name ~ /layer_norm/ ? "layer_norm" : name ~ /adamw/ ? "adamw" : "cross_entropy"]++
        if (registers > 255 || (strict && (stack > 0 || spill > 0))) { print "FAILED: " name " on " architecture; wrong = 1 }
        name = ""; spill = 0; stack = 0
    }
    END {
        n = split("attention layer_norm cross_entropy adamw", families, " ")
        for (i = 1; i <= n; i++) if (!found[families[i]]) { print "FAILED: no kernel of " families[i]; wrong = 1 }
        if (!seen["sm_80"] || seen["sm_80"] != seen["sm_90a"]) { print "FAILED: not every kernel for sm_80 and sm_90a"; wrong = 1 }
        print kernels " kernels"
        exit wrong
    }'

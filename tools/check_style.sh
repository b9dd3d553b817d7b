#!/usr/bin/env bash
# The manners of the code that a machine can check: formatting, the arrows between rooms, length of files, no notes to
# oneself, planted bugs that apply, cppcheck, clang-tidy. Prints file:line: what, for everything that is wrong.
set -uo pipefail

usage() {
    cat <<'END'
usage: tools/check_style.sh [--quick] [BUILD]

Checks every C file. BUILD (build/ by default) is a configured build folder, for its compile_commands.json.
  --quick   only what takes a second: not cppcheck and clang-tidy
With CI=full in the environment, clang's static analyzer too: five minutes instead of half a minute.
Exit code: 0 clean, 1 findings, 77 a tool is not installed (clang-format, clang-tidy, cppcheck, patch), 2 usage.
END
}

quick=
build=build
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --quick) quick=1 ;;
    -*) usage >&2; exit 2 ;;
    *) build=$1 ;;
    esac
    shift
done
[ -z "${build##/*}" ] || build=$PWD/$build
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
tools=(clang-format patch)
[ -n "$quick" ] || tools+=(clang-tidy cppcheck)
for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || { echo "check_style: $tool is not installed (tools/setup lint installs it)"; exit 77; }
done
if [ -z "$quick" ] && [ ! -f "$build/compile_commands.json" ]; then
    echo "check_style: no compile_commands.json in $build: configure it first (cmake -S . -B build)" >&2
    exit 2
fi

rooms="base kernels autograd models optim dist data hub recipes tools tests benchmarks"
wrong=0
# Takes findings on stdin: prints them and remembers that there were any.
report() {
    local found
    found=$(cat)
    [ -z "$found" ] || { printf '%s\n' "$found"; wrong=1; }
}

mapfile -t sources < <(find $rooms -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' \) 2>/dev/null | sort)
mapfile -t scripts < <(find $rooms .ci -type f \( -name '*.sh' -o -name '*.py' -o -path 'tools/*' -o -path '.ci/*' \) \
    ! -name '*.c' ! -name '*.h' ! -name '*.pyc' 2>/dev/null | sort)

# Planted bugs that no longer fit what they are planted in.
report < <(for patch in tests/mutants/*.patch; do
    patch -p1 --fuzz=0 --forward --dry-run -s -r - -i "$patch" >/dev/null 2>&1 || echo "$patch:1: does not apply (tools/mutants)"
done)

report < <(clang-format --dry-run -Werror "${sources[@]}" 2>&1 |
    awk -F: '/code should be clang-formatted/ && !seen[$1]++ { print $1 ":" $2 ": not formatted (clang-format -i " $1 ")" }')

# A room may include itself and what lies below; tests and benchmarks may include everything, nothing includes them.
report < <(awk '
    BEGIN {
        split("base kernels autograd models optim dist data hub recipes tools", names)
        split("0 1 2 3 3 3 3 3 4 5", heights)
        for (i in names) height[names[i]] = heights[i]
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split(FILENAME, path, "/")
        match($0, /"[^"]*"/)
        include = substr($0, RSTART + 1, RLENGTH - 2)
        split(include, target, "/")
        from = path[1]; to = target[1]
        free = from == "tests" || from == "benchmarks"
        if (include !~ "/" || (!(to in height) && to != "tests" && to != "benchmarks"))
            printf "%s:%d: \"%s\": includes are written from the root (\"room/file.h\")\n", FILENAME, FNR, include
        else if (!free && !(to in height))
            printf "%s:%d: \"%s\": %s is not to be used by the product\n", FILENAME, FNR, include, to
        else if (!free && from != to && height[to] > height[from])
            printf "%s:%d: \"%s\": an arrow that points up, from %s to %s\n", FILENAME, FNR, include, from, to
        else if (!free && from != to && height[to] == height[from])
            printf "%s:%d: \"%s\": an arrow that points sideways, from %s to %s\n", FILENAME, FNR, include, from, to
    }' "${sources[@]}")

# Long files hide a part that is missing (a table that a script writes is as long as it is); notes to oneself belong into the issues.
report < <(awk 'FNR == 601 && FILENAME !~ /unicode_tables/ { print FILENAME ":601: longer than 600 lines" }' "${sources[@]}" "${scripts[@]}")
report < <(grep -nE '\b(TODO|FIXME|XXX)\b' "${sources[@]}" "${scripts[@]}" | grep -v '^tools/check_style.sh:')
report < <(grep -nE '[[:blank:]]+$' "${sources[@]}" "${scripts[@]}" | sed 's/:[^:]*$/: blanks at the end of the line/')
report < <(find . -name '*.py' ! -path './tests/*' ! -path './benchmarks/*' ! -path './build*/*' ! -path './demo/*' \
    ! -path './runs/*' | sed 's/$/: Python outside tests and benchmarks/')
report < <(git ls-files -- ':!:*/*' 2>/dev/null | grep -vxE 'README\.md|CONTRIBUTING\.md|LICENSE|CMakeLists\.txt|\..*' |
    sed 's/$/: has no room/')
[ -f LICENSE ] || report <<<"LICENSE: missing"
grep -q 'tools/test' README.md 2>/dev/null || report <<<"README.md: does not name the test command, tools/test"

if [ -z "$quick" ]; then
    jobs=$(nproc)
    cache=$(mktemp -d)
    trap 'rm -rf "$cache"' EXIT
    # Suppressed: it does not know the compiler's vector types, nor that a softmax has at least one term.
    cppcheck --project="$build/compile_commands.json" --file-filter='*.c' -j "$jobs" --quiet --std=c11 --inline-suppr \
        --enable=warning,performance,portability --template='{file}:{line}: {message} [cppcheck {id}]' \
        --suppress='*:/usr/*' --suppress='*:*/generated/*' --suppress='uninitvar:*/kernels/cpu/*' --suppress='legacyUninitvar:*/kernels/cpu/*' \
        --suppress=invalidFunctionArg \
        2>"$cache/cppcheck" >/dev/null
    report < <(sed "s|^$PWD/||" "$cache/cppcheck" | grep -E '^[^ ]+:[0-9]+: ' | sort -u)
    # One file a process: what it says must not depend on its neighbours. Tests are run under the sanitizers, so the
    # analyzer's guesses are for the product; it takes nearly all of the time, so it has to be asked for.
    checks=-clang-analyzer-*
    [ "${CI:-}" != full ] || checks=
    sed -n 's/^ *"file": "\(.*\.c\)",*$/\1/p' "$build/compile_commands.json" | sort -u >"$cache/files"
    # tidy CHECKS: of the files on stdin, each with an output of its own, as lines of two would mix.
    tidy() {
        xargs -P "$jobs" -n 1 sh -c 'clang-tidy --quiet -p "$0" "--checks=$1" "$3" >"$(mktemp "$2/tidy-XXXXXX")" \
            2>"$(mktemp "$2/failed-XXXXXX")"' "$build" "$1" "$cache" || true
    }
    grep -v "^$PWD/tests/" "$cache/files" | tidy "$checks"
    grep "^$PWD/tests/" "$cache/files" | tidy '-clang-analyzer-*,-bugprone-macro-parentheses'
    report < <(cat "$cache"/failed-* |
        grep -vE '^[0-9]+ (warning|error)s?( and [0-9]+ errors?)? (generated|treated as error)|^Suppressed ')
    report < <(cat "$cache"/tidy-* | sed "s|^$PWD/||" | grep -E ': (error|warning): ' | sort -u)
fi
[ $wrong = 0 ] && echo "check_style: ${#sources[@]} C files and ${#scripts[@]} scripts, no findings"
exit $wrong

# A share of tools/torture's campaigns, with seeds that stay; cli_resume.sh kills. The README has the totals of the sessions
# that are stored. $1 is the binary.
set -euo pipefail
campaigns=("resume --trials 2" "alloc --trials 15" "ranks --trials 4")
# A library in front of the sanitizers' own is not allowed, nor is a limit on their address space.
[ ! -f "$(dirname "$1")/tests/io_preload.so" ] || campaigns+=("power --trials 8" "memory --trials 4" "io --trials 30")
for campaign in "${campaigns[@]}"; do
    # shellcheck disable=SC2086
    tools/torture $campaign --seed 7 --binary "$1"
done
while read -r row; do
    grep -qxF "$row" README.md || { echo "README.md lacks: $row"; exit 1; }
done < <(tools/torture totals)
echo "torture: all as expected"

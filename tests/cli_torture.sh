# A share of tools/torture's campaigns, with seeds that stay. $1 is the binary.
set -euo pipefail
for campaign in "kill --trials 2" "resume --trials 2" "alloc --trials 30"; do
    # shellcheck disable=SC2086
    tools/torture $campaign --seed 7 --binary "$1"
done
tools/torture totals
echo "torture: all as expected"

# A share of tools/torture's campaigns, with seeds that stay; cli_resume.sh kills. $1 is the binary.
set -euo pipefail
for campaign in "resume --trials 2" "alloc --trials 15"; do
    # shellcheck disable=SC2086
    tools/torture $campaign --seed 7 --binary "$1"
done
tools/torture totals
echo "torture: all as expected"

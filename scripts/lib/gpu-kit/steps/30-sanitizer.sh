# title: memory and races of the smallest cases, by compute-sanitizer
# limit: 60
set -u
command -v compute-sanitizer >/dev/null || { echo 'compute-sanitizer is not on the PATH'; exit 77; }
code=0
for tool in memcheck racecheck; do
  echo "== $tool"
  compute-sanitizer --tool $tool --error-exitcode 9 athanor_test_gpu \
    instruction_ columns_are the_ranking_loss no_pairs || code=1
done
exit $code

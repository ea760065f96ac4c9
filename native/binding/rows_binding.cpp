#include "binding/convert.h"
#include "ops/rows.h"

namespace athanor::binding {
namespace {

const Family rows_family([](Exports& exports) {
  bind<&ops::gather_rows, "gatherRows(x, rows)">(exports);
  bind<&ops::scatter_rows_add, "scatterRowsAdd(target, source, rows)">(exports);
  bind<&ops::column_sum, "columnSum(x)">(exports);
  bind<&ops::transpose, "transpose(x)">(exports);
});

}  // namespace
}  // namespace athanor::binding

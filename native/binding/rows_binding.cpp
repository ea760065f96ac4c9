#include "binding/convert.h"
#include "ops/rows.h"

namespace athanor::binding {
namespace {

const Family rows_family([](Exports& exports) {
  bind<&ops::gather_rows>(exports, "gatherRows");
  bind<&ops::scatter_rows_add>(exports, "scatterRowsAdd");
  bind<&ops::column_sum>(exports, "columnSum");
  bind<&ops::transpose>(exports, "transpose");
});

}  // namespace
}  // namespace athanor::binding

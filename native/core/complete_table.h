// A table of function pointers, all of them given.
#pragma once

#include <utility>

namespace athanor {

/// Table{entries...}, which alone would leave entries at the end out in silence, as null pointers.
/// Every member of a table takes the room of a pointer.
template <class Table, class... Entries>
constexpr Table complete_table(Entries... entries) {
  static_assert(sizeof(Table) == sizeof...(Entries) * sizeof(void (*)()),
                "the table lacks an entry at its end");
  return Table{std::move(entries)...};
}

}  // namespace athanor

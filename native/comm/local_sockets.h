// Ranks of one machine exchange over Unix sockets: the same bytes take less than two thirds of the
// processor time that TCP takes.
#pragma once

#include <vector>

#include "comm/socket.h"

namespace athanor::comm {

/// Replaces the connections to ranks of this machine. All ranks call it, with a connection to each
/// other rank, by rank. Where a Unix socket cannot be made, TCP stays. Throws RanksLate, RankLost.
void use_local_sockets(int rank, std::vector<Socket>& sockets, const Limit& limit);

}  // namespace athanor::comm

// Ranks connected by TCP, each with each.
#pragma once

#include <memory>
#include <string>

#include "comm/transport.h"

namespace athanor::comm {

struct TcpAddress {
  int rank = 0;
  int size = 1;
  /// Where rank 0 can be reached, and the port that it listens on.
  std::string host;
  int port = 0;
};

/// Meets the other ranks at rank 0. Throws ERR_COMM_SETUP for a port in use, for two processes of
/// one rank and for ranks that disagree on `size`; RanksLate for ranks that do not come.
std::unique_ptr<Transport> connect_tcp(const TcpAddress& address, const Limit& limit);

/// Over sockets that are connected already, one for each other rank, by rank; takes them over.
std::unique_ptr<Transport> tcp_transport(int rank, std::vector<int> sockets);

}  // namespace athanor::comm

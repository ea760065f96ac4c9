// How the ranks find each other: all come to rank 0, which tells each where the others listen. Rank
// r then connects to the ranks below it, and those above connect to it.
#include <cstdint>
#include <cstring>
#include <thread>

#include "comm/local_sockets.h"
#include "comm/socket.h"
#include "comm/tcp_transport.h"
#include "core/error.h"

namespace athanor::comm {
namespace {

constexpr char kMagic[8] = {'a', 't', 'h', 'a', 'n', 'o', 'r', '2'};
/// For a process that connected and then says nothing, or is none of ours.
constexpr std::chrono::seconds kHelloTime{10};
constexpr std::chrono::milliseconds kRetryTime{50};

/// What a process says when it connects.
struct Hello {
  char magic[8];
  int32_t rank, size;
  int32_t port;  // where it listens
};

enum class Answer : int32_t { kWelcome, kOtherSize, kTakenRank };

/// Where a rank listens. On a loopback address it is on the machine of rank 0.
struct Place {
  sockaddr_storage address;
  uint32_t length;
  int32_t is_beside_root;
  int32_t port;
};

Hello hello_of(const TcpAddress& self, int port) {
  Hello hello{};
  std::memcpy(hello.magic, kMagic, sizeof kMagic);
  hello.rank = self.rank;
  hello.size = self.size;
  hello.port = port;
  return hello;
}

bool read_hello(const Socket& socket, Hello& hello) {
  static const std::atomic<bool> never{false};
  return receive_all(socket, &hello, sizeof hello, Limit(kHelloTime, never)) &&
         std::memcmp(hello.magic, kMagic, sizeof kMagic) == 0;
}

std::vector<int> missing(const std::vector<Socket>& sockets, int self) {
  std::vector<int> ranks;
  for (int r = 0; r < static_cast<int>(sockets.size()); ++r)
    if (r != self && !sockets[r].is_open()) ranks.push_back(r);
  return ranks;
}

std::vector<int> release(std::vector<Socket>& sockets) {
  std::vector<int> descriptors;
  for (Socket& socket : sockets) descriptors.push_back(socket.release());
  return descriptors;
}

/// Answers a process that cannot be welcomed, and throws.
[[noreturn]] void refuse(const Socket& socket, Answer answer, const Hello& hello, int size,
                         const Limit& limit) {
  send_all(socket, &answer, sizeof answer, limit);
  if (answer == Answer::kTakenRank) {
    fail_about("", ErrorCode::kCommSetup, "two processes came as rank ", hello.rank,
               "; give each process a RANK of its own");
  }
  fail_about("", ErrorCode::kCommSetup, "rank ", hello.rank, " was started for ", hello.size,
             " ranks but rank 0 for ", size, "; give all processes the same WORLD_SIZE");
}

std::vector<Socket> host(const TcpAddress& self, const Limit& limit) {
  const Socket listener = listen_on(self.port);
  std::vector<Socket> sockets(self.size);
  std::vector<Place> places(self.size);
  for (int arrived = 1; arrived < self.size;) {
    Socket socket = accept_from(listener, limit);
    if (!socket.is_open()) throw RanksLate{missing(sockets, 0)};
    Hello hello;
    if (!read_hello(socket, hello)) continue;
    if (hello.size != self.size) refuse(socket, Answer::kOtherSize, hello, self.size, limit);
    const bool is_free = hello.rank > 0 && hello.rank < self.size && !sockets[hello.rank].is_open();
    if (!is_free) refuse(socket, Answer::kTakenRank, hello, self.size, limit);
    const Endpoint peer = peer_of(socket);
    places[hello.rank] = {peer.address, peer.length, peer.is_loopback() ? 1 : 0, hello.port};
    sockets[hello.rank] = std::move(socket);
    ++arrived;
  }
  const Answer welcome = Answer::kWelcome;
  for (int r = 1; r < self.size; ++r) {
    if (!send_all(sockets[r], &welcome, sizeof welcome, limit) ||
        !send_all(sockets[r], places.data(), places.size() * sizeof(Place), limit)) {
      throw RankLost{r, "it ended while the ranks met"};
    }
  }
  return sockets;
}

/// Waits until rank 0 is there.
Socket reach_root(const TcpAddress& self, const Limit& limit) {
  bool is_known = false;
  while (!limit.is_over()) {
    for (const Endpoint& endpoint : resolve(self.host, self.port)) {
      is_known = true;
      Socket socket = connect_to(endpoint, limit);
      if (socket.is_open()) return socket;
    }
    std::this_thread::sleep_for(kRetryTime);
  }
  if (!is_known) throw RanksLate{{0}, ": no machine is known by the name of MASTER_ADDR, " + self.host};
  throw RanksLate{{0}, ": nobody answered at " + self.host + ", port " + std::to_string(self.port)};
}

std::vector<Place> join_root(const TcpAddress& self, const Socket& root, int port, const Limit& limit) {
  const Hello hello = hello_of(self, port);
  Answer answer{};
  std::vector<Place> places(self.size);
  if (!send_all(root, &hello, sizeof hello, limit) || !receive_all(root, &answer, sizeof answer, limit)) {
    if (limit.is_over()) throw RanksLate{{0}};
    throw RankLost{0, "it ended while the ranks met; the port may belong to another program"};
  }
  if (answer == Answer::kTakenRank) {
    fail_about("", ErrorCode::kCommSetup, "another process is rank ", self.rank,
               " already; give each process a RANK of its own");
  }
  if (answer == Answer::kOtherSize) {
    fail_about("", ErrorCode::kCommSetup, "rank 0 was started for another number of ranks than ", self.size,
               "; give all processes the same WORLD_SIZE");
  }
  if (!receive_all(root, places.data(), places.size() * sizeof(Place), limit)) {
    throw RankLost{0, "it ended while the ranks met"};
  }
  return places;
}

Socket reach(const TcpAddress& self, int rank, const Place& place, const Socket& root, int port,
             const Limit& limit) {
  Endpoint endpoint{place.address, place.length};
  if (place.is_beside_root != 0) endpoint = peer_of(root);
  endpoint.set_port(place.port);
  Socket socket = connect_to(endpoint, limit);
  const Hello hello = hello_of(self, port);
  if (!socket.is_open() || !send_all(socket, &hello, sizeof hello, limit)) {
    throw RankLost{rank, "it cannot be reached on the address that rank 0 sees it at"};
  }
  return socket;
}

std::vector<Socket> join(const TcpAddress& self, const Limit& limit) {
  const Socket listener = listen_on(0);
  const int port = port_of(listener);
  std::vector<Socket> sockets(self.size);
  sockets[0] = reach_root(self, limit);
  const std::vector<Place> places = join_root(self, sockets[0], port, limit);
  for (int r = 1; r < self.rank; ++r) sockets[r] = reach(self, r, places[r], sockets[0], port, limit);
  for (int arrived = self.rank + 1; arrived < self.size;) {
    Socket socket = accept_from(listener, limit);
    if (!socket.is_open()) throw RanksLate{missing(sockets, self.rank)};
    Hello hello;
    if (!read_hello(socket, hello) || hello.rank <= self.rank || hello.rank >= self.size) continue;
    sockets[hello.rank] = std::move(socket);
    ++arrived;
  }
  return sockets;
}

}  // namespace

std::unique_ptr<Transport> connect_tcp(const TcpAddress& address, const Limit& limit) {
  std::vector<Socket> sockets = address.rank == 0 ? host(address, limit) : join(address, limit);
  use_local_sockets(address.rank, sockets, limit);
  return tcp_transport(address.rank, release(sockets));
}

}  // namespace athanor::comm

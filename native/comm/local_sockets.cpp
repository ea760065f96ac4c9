#include "comm/local_sockets.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace athanor::comm {
namespace {

/// For a process that connects and says nothing.
constexpr std::chrono::seconds kGreetingTime{10};

/// What only the ranks know, so that no other process of the machine takes a rank's place.
using Secret = uint8_t[16];

/// From the lower rank of a pair: where it listens. Without a length it does not.
struct Offer {
  sockaddr_un address;
  uint32_t length;
  Secret secret;
};

/// What the higher rank says on the new connection.
struct Greeting {
  int32_t rank;
  Secret secret;
};

/// Whether both ends have one address. Both ends of a connection need not see the same, behind a
/// translation of addresses.
bool is_on_one_machine(const Socket& socket) {
  const Endpoint ends[2] = {own_end_of(socket), peer_of(socket)};
  if (ends[0].address.ss_family != ends[1].address.ss_family) return false;
  if (ends[0].address.ss_family == AF_INET) {
    const auto ip = [](const Endpoint& end) {
      return reinterpret_cast<const sockaddr_in&>(end.address).sin_addr.s_addr;
    };
    return ip(ends[0]) == ip(ends[1]);
  }
  const auto* six = reinterpret_cast<const sockaddr_in6*>(&ends[0].address);
  return std::memcmp(&six->sin6_addr, &reinterpret_cast<const sockaddr_in6*>(&ends[1].address)->sin6_addr,
                     sizeof six->sin6_addr) == 0;
}

/// On a name that the kernel chooses and that ends with the socket. Closed where that cannot be.
Socket listen_locally() {
  Socket listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un any{};
  any.sun_family = AF_UNIX;
  if (listener.is_open() &&
      (bind(listener.descriptor(), reinterpret_cast<sockaddr*>(&any), sizeof any.sun_family) != 0 ||
       listen(listener.descriptor(), SOMAXCONN) != 0)) {
    listener.reset();
  }
  return listener;
}

Offer offer_of(const Socket& listener) {
  Offer offer{};
  if (!listener.is_open() || getrandom(offer.secret, sizeof offer.secret, 0) != sizeof offer.secret)
    return offer;
  const Endpoint own = own_end_of(listener);
  if (own.length > sizeof offer.address) return offer;
  std::memcpy(&offer.address, &own.address, own.length);
  offer.length = own.length;
  return offer;
}

[[noreturn]] void fail_to_meet(int rank, const Limit& limit) {
  if (limit.is_over()) throw RanksLate{{rank}};
  throw RankLost{rank, "it ended while the ranks met"};
}

/// Closed where TCP has to stay.
Socket take_up(const Offer& offer, int me, const Limit& limit) {
  if (offer.length == 0 || offer.length > sizeof offer.address) return Socket();
  Endpoint endpoint;
  std::memcpy(&endpoint.address, &offer.address, offer.length);
  endpoint.length = offer.length;
  Socket socket = connect_to(endpoint, limit);
  Greeting greeting{me, {}};
  std::memcpy(greeting.secret, offer.secret, sizeof greeting.secret);
  if (socket.is_open() && !send_all(socket, &greeting, sizeof greeting, limit)) socket.reset();
  return socket;
}

}  // namespace

void use_local_sockets(int me, std::vector<Socket>& sockets, const Limit& limit) {
  const int size = static_cast<int>(sockets.size());
  const Socket listener = listen_locally();
  const Offer offer = offer_of(listener), none{};
  for (int r = me + 1; r < size; ++r) {
    const Offer& sent = is_on_one_machine(sockets[r]) ? offer : none;
    if (!send_all(sockets[r], &sent, sizeof sent, limit)) fail_to_meet(r, limit);
  }
  for (int r = 0; r < me; ++r) {
    Offer given;
    if (!receive_all(sockets[r], &given, sizeof given, limit)) fail_to_meet(r, limit);
    Socket local = take_up(given, me, limit);
    const uint8_t answer = local.is_open() ? 1 : 0;
    if (!send_all(sockets[r], &answer, sizeof answer, limit)) fail_to_meet(r, limit);
    if (local.is_open()) sockets[r] = std::move(local);
  }
  std::vector<int> awaited;
  for (int r = me + 1; r < size; ++r) {
    uint8_t answer = 0;
    if (!receive_all(sockets[r], &answer, sizeof answer, limit)) fail_to_meet(r, limit);
    if (answer != 0) awaited.push_back(r);
  }
  static const std::atomic<bool> never{false};
  while (!awaited.empty()) {
    Socket socket = accept_from(listener, limit);
    if (!socket.is_open()) throw RanksLate{awaited};
    Greeting greeting;
    if (!receive_all(socket, &greeting, sizeof greeting, Limit(kGreetingTime, never))) continue;
    const auto place = std::find(awaited.begin(), awaited.end(), greeting.rank);
    const bool is_ours = std::memcmp(greeting.secret, offer.secret, sizeof offer.secret) == 0;
    if (!is_ours || place == awaited.end()) continue;
    awaited.erase(place);
    sockets[greeting.rank] = std::move(socket);
  }
}

}  // namespace athanor::comm

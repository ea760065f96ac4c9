#include "comm/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace athanor::comm {
namespace {

/// How often a wait looks at its limit.
constexpr int kSliceMilliseconds = 50;

void make_ready(int descriptor) {
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// False at the limit.
bool wait_for(int descriptor, short events, const Limit& limit) {
  while (!limit.is_over()) {
    pollfd waited{descriptor, events, 0};
    if (poll(&waited, 1, kSliceMilliseconds) > 0) return true;
  }
  return false;
}

/// A listener for both kinds of addresses, or for IPv4 where the system has no IPv6.
Socket bound_socket(int port, int family) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return socket;
  const int on = 1, off = 0;
  setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(static_cast<uint16_t>(port));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = six.sin6_port;
  if (family == AF_INET6) setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const int bound = family == AF_INET6
                        ? bind(socket.descriptor(), reinterpret_cast<sockaddr*>(&six), sizeof six)
                        : bind(socket.descriptor(), reinterpret_cast<sockaddr*>(&four), sizeof four);
  if (bound != 0 || listen(socket.descriptor(), SOMAXCONN) != 0) socket.reset();
  return socket;
}

Endpoint end_of(const Socket& socket, decltype(getsockname) get) {
  Endpoint end;
  end.length = sizeof end.address;
  get(socket.descriptor(), reinterpret_cast<sockaddr*>(&end.address), &end.length);
  return end;
}

}  // namespace

void Socket::reset() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

bool Endpoint::is_loopback() const {
  if (address.ss_family == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == 127;
  }
  const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

void Endpoint::set_port(int port) {
  const auto network = htons(static_cast<uint16_t>(port));
  if (address.ss_family == AF_INET)
    reinterpret_cast<sockaddr_in&>(address).sin_port = network;
  else
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = network;
}

Socket listen_on(int port) {
  Socket socket = bound_socket(port, AF_INET6);
  if (!socket.is_open() && errno != EADDRINUSE && errno != EACCES) socket = bound_socket(port, AF_INET);
  if (!socket.is_open()) {
    fail_about("", ErrorCode::kCommSetup, "rank 0 cannot listen on port ", port, ": ", std::strerror(errno),
               "; set MASTER_PORT to a free port, the same for all ranks");
  }
  fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK);
  return socket;
}

int port_of(const Socket& listener) {
  const Endpoint own = own_end_of(listener);
  return ntohs(own.address.ss_family == AF_INET
                   ? reinterpret_cast<const sockaddr_in&>(own.address).sin_port
                   : reinterpret_cast<const sockaddr_in6&>(own.address).sin6_port);
}

Socket connect_to(const Endpoint& endpoint, const Limit& limit) {
  Socket socket(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return socket;
  make_ready(socket.descriptor());
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
  if (connect(socket.descriptor(), address, endpoint.length) == 0) return socket;
  int problem = errno;
  if (problem == EINPROGRESS && wait_for(socket.descriptor(), POLLOUT, limit)) {
    socklen_t length = sizeof problem;
    getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &problem, &length);
  }
  if (problem != 0) socket.reset();
  return socket;
}

Socket accept_from(const Socket& listener, const Limit& limit) {
  while (wait_for(listener.descriptor(), POLLIN, limit)) {
    Socket socket(accept4(listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open()) continue;
    make_ready(socket.descriptor());
    return socket;
  }
  return Socket();
}

std::vector<Endpoint> resolve(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<Endpoint> all;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return all;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Endpoint endpoint;
    std::memcpy(&endpoint.address, one->ai_addr, one->ai_addrlen);
    endpoint.length = one->ai_addrlen;
    all.push_back(endpoint);
  }
  freeaddrinfo(found);
  return all;
}

Endpoint peer_of(const Socket& socket) { return end_of(socket, getpeername); }

Endpoint own_end_of(const Socket& socket) { return end_of(socket, getsockname); }

bool send_all(const Socket& socket, const void* data, size_t bytes, const Limit& limit) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t sent = send(socket.descriptor(), next, bytes, MSG_NOSIGNAL);
    if (sent > 0) {
      next += sent;
      bytes -= static_cast<size_t>(sent);
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!wait_for(socket.descriptor(), POLLOUT, limit)) {
      return false;
    }
  }
  return true;
}

bool receive_all(const Socket& socket, void* data, size_t bytes, const Limit& limit) {
  char* next = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = recv(socket.descriptor(), next, bytes, 0);
    if (got > 0) {
      next += got;
      bytes -= static_cast<size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return false;
    } else if (!wait_for(socket.descriptor(), POLLIN, limit)) {
      return false;
    }
  }
  return true;
}

}  // namespace athanor::comm

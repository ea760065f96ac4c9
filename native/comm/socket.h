// Sockets that never block: every wait has a limit.
#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>

#include "comm/transport.h"

namespace athanor::comm {

/// An open socket, closed at the end.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { reset(); }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      reset();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }
  int descriptor() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }
  void reset();
  /// The descriptor, which is no longer closed here.
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

/// Address and port of a socket's end.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;

  bool is_loopback() const;
  void set_port(int port);
};

/// Listens on all interfaces; port 0 takes any. Throws ERR_COMM_SETUP where the port is in use.
Socket listen_on(int port);
int port_of(const Socket& listener);
/// Closed where the other side refuses, cannot be reached or does not answer in time.
Socket connect_to(const Endpoint& endpoint, const Limit& limit);
/// Closed at the limit.
Socket accept_from(const Socket& listener, const Limit& limit);
/// Empty where the name is not known (yet).
std::vector<Endpoint> resolve(const std::string& host, int port);
Endpoint peer_of(const Socket& socket);
Endpoint own_end_of(const Socket& socket);
/// All bytes, or false: the limit was over or the other side closed.
bool send_all(const Socket& socket, const void* data, size_t bytes, const Limit& limit);
bool receive_all(const Socket& socket, void* data, size_t bytes, const Limit& limit);

}  // namespace athanor::comm

#include "comm/tcp_transport.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "comm/socket.h"

namespace athanor::comm {
namespace {

constexpr int kSliceMilliseconds = 50;

/// The messages to and from one rank that are under way.
struct Link {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  size_t sent = 0, received = 0;  // whole messages
  size_t sent_bytes = 0, received_bytes = 0;
  size_t expected = 0;  // messages that may be received by now
  bool is_opening = false;
  bool has_failed = false;  // in the opening

  void add(const Send& message) {
    if (message.bytes > 0) sends.push_back(message);
  }
  void add(const Receive& message) {
    if (message.bytes > 0) receives.push_back(message);
  }
  bool is_sending() const { return sent < sends.size() && !has_failed; }
  bool is_receiving() const { return received < expected; }
};

class TcpTransport final : public Transport {
 public:
  TcpTransport(int rank, std::vector<Socket> sockets) : rank_(rank), sockets_(std::move(sockets)) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(sockets_.size()); }

  void exchange(const Opening* opening, const std::vector<Send>& sends, const std::vector<Receive>& receives,
                const Limit& limit) override {
    std::vector<Link> links(sockets_.size());
    if (opening != nullptr) {
      for (const Send& one : opening->sends) links[one.rank].add(one);
      for (const Receive& one : opening->receives) links[one.rank].add(one);
      for (Link& link : links) {
        link.expected = link.receives.size();
        link.is_opening = true;
      }
    }
    for (const Send& one : sends) links[one.rank].add(one);
    for (const Receive& one : receives) links[one.rank].add(one);
    if (opening != nullptr) {
      // What has to be sent besides does not wait for the others' openings. Where ranks differ, one
      // may have heard of it and be gone before another hears of it, which sends in vain till then.
      for (int r = 0; r < size(); ++r) push(links[r], r);  // before a check throws
      const auto check = [opening](int rank) { opening->check(rank); };
      finish(links, [](const Link& link) { return !link.is_receiving(); }, check, limit);
    }
    for (Link& link : links) {
      link.expected = link.receives.size();
      link.is_opening = link.has_failed = false;
    }
    finish(
        links, [](const Link& link) { return !link.is_receiving() && !link.is_sending(); }, [](int) {},
        limit);
  }

  void close() override {
    for (Socket& socket : sockets_) {
      if (socket.is_open()) shutdown(socket.descriptor(), SHUT_WR);
      socket.reset();
    }
  }

 private:
  /// Calls `arrived(rank)` as all is received that is expected of a rank.
  template <class IsDone, class Arrived>
  void finish(std::vector<Link>& links, IsDone is_done, Arrived arrived, const Limit& limit) const {
    for (;;) {
      for (int r = 0; r < size(); ++r) {
        const bool was_receiving = links[r].is_receiving();
        pull(links[r], r);
        if (was_receiving && !links[r].is_receiving()) arrived(r);
        push(links[r], r);
      }
      if (std::all_of(links.begin(), links.end(), is_done)) return;
      if (limit.is_over()) throw RanksLate{late(links)};
      wait(links);
    }
  }

  void push(Link& link, int to) const {
    while (link.is_sending()) {
      const Send& message = link.sends[link.sent];
      const ssize_t sent = send(sockets_[to].descriptor(), message.data + link.sent_bytes,
                                message.bytes - link.sent_bytes, MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
      // What the rank had sent before it went may say why. pull() finds the end of that.
      if (sent < 0 && link.is_receiving()) return;
      link.has_failed = sent < 0 && link.is_opening;
      if (link.has_failed) return;
      if (sent < 0) throw RankLost{to, std::string("the connection broke (") + std::strerror(errno) + ")"};
      link.sent_bytes += static_cast<size_t>(sent);
      if (link.sent_bytes < message.bytes) continue;
      link.sent_bytes = 0;
      ++link.sent;
    }
  }

  void pull(Link& link, int from) const {
    while (link.is_receiving()) {
      const Receive& message = link.receives[link.received];
      const ssize_t got = recv(sockets_[from].descriptor(), message.data + link.received_bytes,
                               message.bytes - link.received_bytes, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got < 0) throw RankLost{from, std::string("the connection broke (") + std::strerror(errno) + ")"};
      if (got == 0) throw RankLost{from, "it closed the connection"};
      link.received_bytes += static_cast<size_t>(got);
      if (link.received_bytes < message.bytes) continue;
      link.received_bytes = 0;
      ++link.received;
    }
  }

  std::vector<int> late(const std::vector<Link>& links) const {
    std::vector<int> ranks;
    for (int r = 0; r < size(); ++r)
      if (links[r].is_receiving()) ranks.push_back(r);
    for (int r = 0; ranks.empty() && r < size(); ++r)
      if (links[r].is_sending()) ranks.push_back(r);
    return ranks;
  }

  void wait(const std::vector<Link>& links) const {
    std::vector<pollfd> waited;
    for (int r = 0; r < size(); ++r) {
      const int events = (links[r].is_sending() ? POLLOUT : 0) | (links[r].is_receiving() ? POLLIN : 0);
      if (events != 0) waited.push_back({sockets_[r].descriptor(), static_cast<short>(events), 0});
    }
    poll(waited.data(), waited.size(), kSliceMilliseconds);
  }

  int rank_;
  std::vector<Socket> sockets_;  // by rank; the own one is closed
};

}  // namespace

std::unique_ptr<Transport> tcp_transport(int rank, std::vector<int> sockets) {
  std::vector<Socket> owned;
  for (const int descriptor : sockets) owned.emplace_back(descriptor);
  return std::make_unique<TcpTransport>(rank, std::move(owned));
}

}  // namespace athanor::comm

// The collectives between threads that are connected by pairs of sockets.
#include "comm/collectives.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>

#include "comm/tcp_transport.h"
#include "core/error.h"
#include "test/check.h"

namespace athanor::test {
namespace {

using namespace comm;

std::vector<std::vector<int>> connected_sockets(int size) {
  std::vector<std::vector<int>> all(size, std::vector<int>(size, -1));
  for (int a = 0; a < size; ++a) {
    for (int b = 0; b < a; ++b) {
      int pair[2];
      socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
      for (const int end : pair) fcntl(end, F_SETFL, O_NONBLOCK);
      all[a][b] = pair[0];
      all[b][a] = pair[1];
    }
  }
  return all;
}

std::atomic<bool> never{false};

/// Runs `body(transport)` as every rank, each in a thread.
void as_ranks(int size, const std::function<void(Transport&)>& body) {
  const auto sockets = connected_sockets(size);
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      const auto transport = tcp_transport(r, sockets[r]);
      body(*transport);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

Limit soon() { return Limit(std::chrono::seconds(20), never); }

Call in_place(Collective kind, std::vector<float>& values, int root = 0) {
  auto* bytes = reinterpret_cast<std::byte*>(values.data());
  return {.kind = kind,
          .dtype = DType::kF32,
          .root = root,
          .elements = values.size(),
          .input = bytes,
          .output = bytes,
          .name = ""};
}

/// Of values whose sum depends on the order.
float term(int rank, size_t i) { return (rank % 2 == 0 ? 1e7f : -1e7f) + static_cast<float>(i % 13) / 7; }

}  // namespace

TEST(collectives_sum_in_rank_order) {
  // One block and less, several blocks, and the sums of small tensors.
  for (const size_t elements : {size_t{1}, size_t{5}, size_t{4096}, size_t{4097}, size_t{900'001}}) {
    std::atomic<int> wrong{0};
    as_ranks(3, [&](Transport& transport) {
      std::vector<float> values(elements);
      for (size_t i = 0; i < elements; ++i) values[i] = term(transport.rank(), i);
      Collectives(transport).run(in_place(Collective::kAllReduce, values), soon());
      for (size_t i = 0; i < elements; ++i) wrong += values[i] != (term(0, i) + term(1, i)) + term(2, i);
    });
    EXPECT(wrong == 0);
  }
}

TEST(collectives_broadcast_large_tensors_in_parts) {
  std::atomic<int> wrong{0};
  as_ranks(4, [&](Transport& transport) {
    std::vector<float> values(50'001, static_cast<float>(transport.rank()));
    Collectives(transport).run(in_place(Collective::kBroadcast, values, 2), soon());
    for (const float value : values) wrong += value != 2.0f;
  });
  EXPECT(wrong == 0);
}

// Also where one has failed and gone while others still send: more than a socket holds.
TEST(collectives_name_both_sides_of_a_mismatch) {
  for (const size_t elements : {size_t{4}, size_t{1'000'000}}) {
    std::atomic<int> found{0};
    as_ranks(3, [&](Transport& transport) {
      std::vector<float> values(transport.rank() == 1 ? elements + 1 : elements);
      try {
        Collectives(transport).run(in_place(Collective::kAllReduce, values), soon());
      } catch (const Error& error) {
        const std::string text = error.what();
        found += error.code() == ErrorCode::kMismatch &&
                 text.find("of " + std::to_string(elements) + " f32") != std::string::npos &&
                 text.find("of " + std::to_string(elements + 1) + " f32") != std::string::npos;
      }
    });
    EXPECT(found == 3);
  }
}

TEST(collectives_name_the_rank_that_is_late) {
  std::atomic<int> found{0};
  as_ranks(3, [&](Transport& transport) {
    std::vector<float> values(4);
    Collectives collectives(transport);
    if (transport.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(600));
      return;
    }
    try {
      collectives.run(in_place(Collective::kAllReduce, values), Limit(std::chrono::milliseconds(150), never));
    } catch (const RanksLate& late) {
      found += late.ranks == std::vector<int>{1};
    }
  });
  EXPECT(found == 2);
}

TEST(collectives_name_the_rank_that_is_gone) {
  std::atomic<int> found{0};
  as_ranks(2, [&](Transport& transport) {
    if (transport.rank() == 1) return transport.close();
    std::vector<float> values(4);
    try {
      Collectives(transport).run(in_place(Collective::kAllReduce, values), soon());
    } catch (const RankLost& lost) {
      found += lost.rank == 1;
    }
  });
  EXPECT(found == 1);
}

}  // namespace athanor::test

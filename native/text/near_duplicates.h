// Clusters of documents that share a band of their MinHash signatures with another one, directly or
// through others.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/key_sorter.h"
#include "text/minhash.h"

namespace athanor::text {

class UnionFind {
 public:
  explicit UnionFind(size_t count);
  /// The least member of the set.
  uint32_t root(uint32_t member);
  void join(uint32_t a, uint32_t b);

 private:
  std::vector<uint32_t> parents_;
};

class NearDuplicates {
 public:
  /// @param folder exists; what does not fit into memory_bytes is sorted there
  NearDuplicates(const MinHashOptions& options, const std::string& folder, size_t memory_bytes);

  /// Adds documents, in order, on all threads. Throws ERR_ARGUMENT beyond 2^32 - 2 documents.
  void add(const std::vector<std::span<const uint8_t>>& texts);
  /// Adds the bands of an earlier corpus, from a file that cluster() wrote. Throws
  /// ERR_FILE_MISSING, ERR_FILE_DAMAGED, and ERR_ARGUMENT for one with other options.
  void add_earlier(const std::string& path);
  /// For each document the first one of its cluster, counted from 1; 0 for a document whose cluster
  /// holds one of the earlier corpora. Nothing may be added after this.
  /// @param keys_path the file to write the keys of these documents to, for a later corpus; empty
  /// for none
  std::vector<uint32_t> cluster(const std::string& keys_path);

  size_t documents() const { return documents_; }
  size_t runs_written() const { return sorter_.runs_written(); }

 private:
  MinHasher hasher_;
  KeySorter sorter_;
  std::vector<std::string> earlier_;
  size_t documents_ = 0;
};

}  // namespace athanor::text

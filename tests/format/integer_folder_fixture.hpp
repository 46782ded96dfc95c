#pragma once
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/format/integer_fixtures.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {

/// A small model, and packings of it.
class IntegerFolderTest : public testing::Test {
 protected:
  IntegerFolderTest() { test::write_small_model(model()); }
  std::filesystem::path model() const { return folder_ / "model"; }
  std::filesystem::path packed() const { return folder_ / "packed"; }

  std::map<std::string, solver::IntegerLayer> pack(IntegerFormat format,
                                                   const test::IntegerWishes& wishes,
                                                   DeclaredBiases biases = {},
                                                   std::size_t max_shard_bytes = std::size_t{1}
                                                                                 << 30) {
    return test::pack_integer_model(model(), packed(), format, wishes, biases, max_shard_bytes);
  }
  /// All layers alike, but for their shapes.
  std::map<std::string, solver::IntegerLayer> pack(IntegerFormat format,
                                                   const test::RandomIntegers& alike) {
    return pack(format, [&](const std::string&, test::RandomIntegers& wanted) {
      const std::uint64_t rows = wanted.out_features, columns = wanted.in_features;
      wanted = alike;
      wanted.out_features = rows;
      wanted.in_features = columns;
      return true;
    });
  }

  test::TemporaryFolder folder_;
};

}  // namespace tessera::format

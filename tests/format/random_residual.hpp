#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "format/residual_file.hpp"

namespace tessera::test {

/// A residual of these sizes as a solver would give it: random codes and scales (the first scale
/// 0), the norms they make, falling magnitudes, a shuffled order.
residual::ResidualLayer random_residual(std::uint64_t out_features, std::uint64_t in_features,
                                        std::uint64_t bits, std::uint64_t seed = 1);

using Residuals = std::map<std::string, residual::ResidualLayer>;

/// What a file says that holds residuals of @p bits.
format::ResidualInfo residual_info(std::uint64_t bits);

/// Writes all that belongs to a residual file, sharded where it is larger than @p max_shard_bytes.
void write_residuals(const std::filesystem::path& folder, const Residuals& residuals,
                     const format::ResidualInfo& info,
                     std::size_t max_shard_bytes = std::size_t{1} << 30);

void expect_same(const residual::ResidualLayer& found, const residual::ResidualLayer& wanted);

}  // namespace tessera::test

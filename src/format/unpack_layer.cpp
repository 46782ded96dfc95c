#include "format/unpack_layer.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/threads.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using model::SafetensorsFolder;
using solver::VptqLayer;

/// Reads the parts of one layer; what it throws begins with folder and tensor.
class Parts {
 public:
  Parts(const SafetensorsFolder& files, const std::string& layer) : files_(files), layer_(layer) {}

  void floats(const char* part, std::span<float> out) const {
    files_.read(name(part), out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!std::isfinite(out[i]))
        fail(part, fmt::format("element {} is {} (not finite)", i, out[i]));
    }
  }
  std::vector<float> floats(const char* part, std::size_t size) const {
    std::vector<float> values(size);
    floats(part, values);
    return values;
  }
  Matrix<float> codebook(const char* part, std::size_t entries, std::size_t vector_len) const {
    Matrix<float> values(entries, vector_len);
    floats(part, values.span());
    return values;
  }
  template <class Value>
  std::vector<Value> integers(const char* part) const {
    std::vector<Value> values(files_.info(name(part)).count());
    files_.read_bytes(name(part), std::as_writable_bytes(std::span(values)));
    return values;
  }
  [[noreturn]] void fail(const char* part, const std::string& problem) const {
    throw InputError(fmt::format("{}: {}: {}. The folder is damaged; make it again.",
                                 files_.origin(), model::quote_name(name(part)), problem));
  }

 private:
  std::string name(const char* part) const { return layer_ + "." + part; }

  const SafetensorsFolder& files_;
  const std::string& layer_;
};

/// Splits every packed row into main and residual indices, group beside group.
void read_indices(const Parts& parts, VptqLayer& l) {
  const int low_bits = main_bits(l);
  const int bits = low_bits + residual_bits(l);
  const std::size_t num_vectors = num_tiles(l.out_features, l.vector_len);
  const std::size_t num_words = num_tiles(l.group_size * static_cast<std::size_t>(bits), 32);
  const int last_bits = static_cast<int>(l.group_size * static_cast<std::size_t>(bits) % 32);
  l.index = Matrix<std::uint16_t>(num_vectors, l.num_groups * l.group_size);
  if (l.num_res_centroids > 0) l.res_index = Matrix<std::uint16_t>(l.index.rows(), l.index.cols());

  const auto packed = parts.integers<std::uint32_t>("indices");
  const std::uint32_t* next = packed.data();
  const std::uint32_t low_mask = (std::uint32_t{1} << low_bits) - 1;
  std::vector<std::uint32_t> words(num_words + 1);  // the last stays zero
  std::vector<std::uint32_t> values(l.group_size);
  for (std::size_t g = 0; g < l.num_groups; ++g) {
    for (std::size_t r = 0; r < num_vectors; ++r, next += num_words) {
      std::copy_n(next, num_words, words.data());
      if (last_bits != 0 && (words[num_words - 1] >> last_bits) != 0) {
        parts.fail("indices",
                   fmt::format("row {} of group {} has bits set after its last index", r, g));
      }
      unpack_row(words, bits, values);
      std::uint16_t* main = l.index.row(r) + g * l.group_size;
      for (std::size_t c = 0; c < values.size(); ++c) {
        main[c] = static_cast<std::uint16_t>(values[c] & low_mask);
      }
      if (l.res_index.empty()) continue;
      std::uint16_t* residual = l.res_index.row(r) + g * l.group_size;
      for (std::size_t c = 0; c < values.size(); ++c) {
        residual[c] = static_cast<std::uint16_t>(values[c] >> low_bits);
      }
    }
  }
}

void read_outliers(const Parts& parts, VptqLayer& l) {
  l.outlier_centroids =
      parts.codebook("outlier_centroids.weight", l.num_outlier_centroids, l.outlier_vector_len);
  l.outlier_index =
      Matrix<std::uint16_t>(num_tiles(l.out_features, l.outlier_vector_len), l.outlier_size);
  const auto index = parts.integers<std::uint16_t>("outlier_indices");
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] >= l.num_outlier_centroids) {
      parts.fail("outlier_indices", fmt::format("element {} is {} (there are {} outlier centroids)",
                                                i, index[i], l.num_outlier_centroids));
    }
    l.outlier_index.span()[i] = index[i];
  }
}

void read_perm(const Parts& parts, VptqLayer& l) {
  const auto stored = parts.integers<std::uint16_t>("perm");
  std::vector<bool> seen(l.in_features);
  for (std::size_t p = 0; p < stored.size(); ++p) {
    const std::size_t column = stored[p];
    if (column >= l.in_features || seen[column]) {
      parts.fail("perm",
                 fmt::format("element {} is {} ({} of the {} columns)", p, column,
                             column >= l.in_features ? "none" : "named twice", l.in_features));
    }
    seen[column] = true;
  }
  l.perm.assign(stored.begin(), stored.end());
}

}  // namespace

VptqLayer unpack_layer(const SafetensorsFolder& files, const std::string& name,
                       const VptqLayerConfig& config) {
  const Parts parts(files, name);
  VptqLayer l = sizes_of(config.sizes);
  l.centroids = parts.codebook("centroids.weight", l.num_groups * l.num_centroids, l.vector_len);
  if (l.num_res_centroids > 0) {
    l.res_centroids =
        parts.codebook("res_centroids.weight", l.num_groups * l.num_res_centroids, l.vector_len);
  }
  read_indices(parts, l);
  if (l.outlier_size > 0) read_outliers(parts, l);
  if (config.has_perm) read_perm(parts, l);
  if (config.has_norm) {
    l.scale = parts.floats("weight_scale", l.in_features);
    l.bias = parts.floats("weight_bias", l.in_features);
  }
  return l;
}

void unpack_row(std::span<const std::uint32_t> words, int bits_per_index,
                std::span<std::uint32_t> values) {
  const std::uint64_t mask = (std::uint64_t{1} << bits_per_index) - 1;
  std::size_t bit = 0;
  for (std::uint32_t& value : values) {
    const std::size_t word = bit / 32;
    const std::uint64_t two_words = words[word] | (std::uint64_t{words[word + 1]} << 32);
    value = static_cast<std::uint32_t>((two_words >> (bit % 32)) & mask);
    bit += static_cast<std::size_t>(bits_per_index);
  }
}

}  // namespace tessera::format

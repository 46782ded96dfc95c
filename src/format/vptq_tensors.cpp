#include "format/vptq_tensors.hpp"

#include <cmath>
#include <cstring>
#include <memory>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "core/threads.hpp"
#include "format/index_packing.hpp"
#include "format/layer_in_turn.hpp"

namespace tessera::format {
namespace {

using solver::VptqLayer;
using Shape = std::vector<std::size_t>;
using Bytes = std::span<std::byte>;

bool are_all_finite(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

/// The layer whose tensors are being written.
class CurrentLayer {
 public:
  CurrentLayer(LoadLayer load, Permutation permutation)
      : current_(std::move(load)), permutation_(permutation) {}

  const VptqLayer& get(const std::string& name, const VptqLayer& sizes) {
    return current_.get(name, [&](VptqLayer& layer) {
      check(name, layer, sizes);
      if (!layer.perm.empty() && !writes_permutation(layer, permutation_)) {
        absorb_permutation(layer);
      }
    });
  }

 private:
  void check(const std::string& name, const VptqLayer& l, const VptqLayer& s) const {
    const bool same = l.out_features == s.out_features && l.in_features == s.in_features &&
                      l.vector_len == s.vector_len && l.num_centroids == s.num_centroids &&
                      l.num_res_centroids == s.num_res_centroids && l.num_groups == s.num_groups &&
                      l.group_size == s.group_size && l.outlier_size == s.outlier_size &&
                      l.outlier_vector_len == s.outlier_vector_len &&
                      l.num_outlier_centroids == s.num_outlier_centroids &&
                      l.stored_type == s.stored_type &&
                      writes_permutation(l, permutation_) == writes_permutation(s, permutation_);
    if (!same) throw Bug(fmt::format("{} was announced with other sizes than it has", name));
    if (!are_all_finite(l.centroids.span()) || !are_all_finite(l.res_centroids.span()) ||
        !are_all_finite(l.outlier_centroids.span()) || !are_all_finite(l.scale) ||
        !are_all_finite(l.bias)) {
      throw Bug(fmt::format("{}: a codebook or scale holds a number that is not finite", name));
    }
  }

  LayerInTurn<VptqLayer> current_;
  Permutation permutation_;
};

void fill_indices(const VptqLayer& l, Bytes out) {
  const int main = main_bits(l);
  const int residual = residual_bits(l);
  std::vector<std::uint32_t> words(packed_words(l.group_size, main + residual));
  const std::size_t row_bytes = words.size() * sizeof(std::uint32_t);
  for (std::size_t g = 0; g < l.num_groups; ++g) {
    for (std::size_t r = 0; r < l.index.rows(); ++r) {
      const auto group_of = [&](const Matrix<std::uint16_t>& index) {
        return index.view().row_span(r).subspan(g * l.group_size, l.group_size);
      };
      pack_indices(group_of(l.index),
                   residual > 0 ? group_of(l.res_index) : std::span<const std::uint16_t>(), main,
                   residual, words);
      std::memcpy(out.data() + (g * l.index.rows() + r) * row_bytes, words.data(), row_bytes);
    }
  }
}

void fill_perm(const VptqLayer& l, Bytes out) {
  for (std::size_t p = 0; p < l.perm.size(); ++p) {
    const auto column = static_cast<std::uint16_t>(l.perm[p]);
    std::memcpy(out.data() + 2 * p, &column, 2);
  }
}

void fill_norm(const VptqLayer& l, const std::vector<float>& values, float identity, Bytes out) {
  const std::vector<float> identities(values.empty() ? l.in_features : 0, identity);
  convert_from_float(dtype_of(l.stored_type), values.empty() ? identities : values, out.data());
}

/// Collects the tensors of one layer.
class TensorList {
 public:
  TensorList(const std::string& layer, const VptqLayer& sizes,
             std::shared_ptr<CurrentLayer> current)
      : layer_(layer),
        sizes_(std::make_shared<const VptqLayer>(sizes_of(sizes))),
        current_(std::move(current)) {}

  void add(const char* suffix, DType type, Shape shape,
           std::function<void(const VptqLayer&, Bytes)> fill) {
    tensors_.push_back({layer_ + "." + suffix,
                        {type, std::move(shape)},
                        [layer = layer_, sizes = sizes_, current = current_, fill](Bytes out) {
                          fill(current->get(layer, *sizes), out);
                        }});
  }
  void add_codebook(const char* suffix, Shape shape, Matrix<float> VptqLayer::*codebook) {
    const DType type = dtype_of(sizes_->stored_type);
    add(suffix, type, std::move(shape), [type, codebook](const VptqLayer& l, Bytes out) {
      require(out.size() == (l.*codebook).size() * size_of(type), "codebook as large as announced");
      convert_from_float(type, (l.*codebook).span(), out.data());
    });
  }
  std::vector<model::TensorToWrite> take() { return std::move(tensors_); }

 private:
  std::string layer_;
  std::shared_ptr<const VptqLayer> sizes_;
  std::shared_ptr<CurrentLayer> current_;
  std::vector<model::TensorToWrite> tensors_;
};

void add_outliers(TensorList& list, const VptqLayer& s) {
  list.add_codebook("outlier_centroids.weight", {1, s.num_outlier_centroids * s.outlier_vector_len},
                    &VptqLayer::outlier_centroids);
  list.add("outlier_indices", DType::i16,
           {1, num_tiles(s.out_features, s.outlier_vector_len), s.outlier_size},
           [](const VptqLayer& l, Bytes out) {
             const auto bytes = std::as_bytes(l.outlier_index.span());
             require(out.size() == bytes.size(), "outlier indices as many as announced");
             std::memcpy(out.data(), bytes.data(), bytes.size());
           });
}

std::vector<model::TensorToWrite> tensors_of(const std::string& layer, const VptqLayer& s,
                                             std::shared_ptr<CurrentLayer> current,
                                             Permutation permutation) {
  if (const auto problems = format_problems(s); !problems.empty()) {
    throw InputError(fmt::format("{}: {}", layer, fmt::join(problems, " ")));
  }
  const DType stored = dtype_of(s.stored_type);
  TensorList list(layer, s, std::move(current));
  list.add_codebook("centroids.weight", {s.num_groups, s.num_centroids * s.vector_len},
                    &VptqLayer::centroids);
  list.add("indices", DType::i32,
           {s.num_groups, num_tiles(s.out_features, s.vector_len),
            packed_words(s.group_size, main_bits(s) + residual_bits(s))},
           fill_indices);
  if (s.num_res_centroids > 0) {
    list.add_codebook("res_centroids.weight", {s.num_groups, s.num_res_centroids * s.vector_len},
                      &VptqLayer::res_centroids);
  }
  if (s.outlier_size > 0) add_outliers(list, s);
  if (writes_permutation(s, permutation)) list.add("perm", DType::i16, {s.in_features}, fill_perm);
  list.add("weight_scale", stored, {s.in_features},
           [](const VptqLayer& l, Bytes out) { fill_norm(l, l.scale, 1, out); });
  list.add("weight_bias", stored, {s.in_features},
           [](const VptqLayer& l, Bytes out) { fill_norm(l, l.bias, 0, out); });
  return list.take();
}

}  // namespace

std::vector<model::TensorToWrite> vptq_tensors(const std::string& layer, const VptqLayer& sizes,
                                               const LoadLayer& load, Permutation permutation) {
  return tensors_of(layer, sizes, std::make_shared<CurrentLayer>(load, permutation), permutation);
}

std::map<std::string, std::vector<model::TensorToWrite>> vptq_tensors(const LayerSizes& sizes,
                                                                      const LoadLayer& load,
                                                                      Permutation permutation) {
  const auto current = std::make_shared<CurrentLayer>(load, permutation);
  std::map<std::string, std::vector<model::TensorToWrite>> tensors;
  for (const auto& [layer, size] : sizes) {
    tensors[layer] = tensors_of(layer, size, current, permutation);
  }
  return tensors;
}

}  // namespace tessera::format

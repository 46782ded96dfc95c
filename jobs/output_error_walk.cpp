#include "jobs/output_error_walk.hpp"

#include <algorithm>

#include "cluster/reduce_to_owners.hpp"
#include "linalg/quantize_rows.hpp"

namespace tessera::jobs {
namespace {

using Errors = std::vector<calibration::OutputErrors>;

constexpr std::size_t kRoundedTile = 256;  // rows; a row's bits depend on its values alone

/// Keeps a copy of one input of a batch.
class InputCopy final : public forward::InputListener {
 public:
  explicit InputCopy(model::InputRole role) : role_(role) {}
  void on_input(model::InputRole role, MatrixView<const float> x) override {
    if (role != role_) return;
    copy = Matrix<float>(x.rows, x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) std::ranges::copy(x.row_span(i), copy.view().row(i));
  }
  Matrix<float> copy;

 private:
  const model::InputRole role_;
};

Errors empty_errors(const std::vector<model::LinearLayer>& layers) {
  Errors errors;
  for (const auto& layer : layers) errors.emplace_back(layer.out_features);
  return errors;
}

/// Adds a round of shards' errors to @p sums, in the order of the ranks, which is that of the
/// shards. The first rank owns the sums.
void add_round(cluster::Communicator& comm, const Errors& partial, std::size_t num_partials,
               Errors& sums) {
  std::vector<cluster::Slab> slabs;
  for (const auto& of_layer : partial) slabs.push_back({0, of_layer.flat().size()});
  const auto copy = [&](std::size_t s, std::size_t offset, std::span<double> out) {
    std::ranges::copy(partial[s].flat().subspan(offset, out.size()), out.begin());
  };
  const auto add = [&](std::size_t s, std::size_t offset, std::span<const double> in) {
    for (std::size_t i = 0; i < in.size(); ++i) sums[s].flat()[offset + i] += in[i];
  };
  cluster::reduce_to_owners(comm, slabs, num_partials, {copy, add});
}

/// The first rank's sums, on every rank.
void share(cluster::Communicator& comm, Errors& sums) {
  for (auto& of_layer : sums) {
    std::vector<std::span<const double>> to(comm.size());
    std::vector<std::span<double>> from(comm.size());
    if (comm.is_first()) {
      for (std::size_t r = 1; r < comm.size(); ++r) to[r] = of_layer.flat();
    } else {
      from[0] = of_layer.flat();
    }
    comm.exchange(to, from);
  }
}

calibration::LinearOutput layer_of(const forward::BlockWeights& weights, model::LinearRole role) {
  return {weights.weight(role), weights.bias_of(role)};
}

}  // namespace

OutputErrorWalk::OutputErrorWalk(RunContext& run, const PreparedRun& prepared,
                                 const std::vector<Tile>& shards)
    : run_(run),
      shards_(shards),
      length_(prepared.sample_length()),
      forward_(prepared.config, length_) {}

Errors OutputErrorWalk::measure(const BlockPair& block,
                                const std::vector<model::LinearLayer>& layers,
                                std::size_t block_index, HiddenStates& original,
                                HiddenStates& quantized) const {
  Errors sums = empty_errors(layers);
  for (std::size_t first = 0; first < shards_.size(); first += run_.comm.size()) {
    const std::size_t shard = first + run_.comm.rank();
    Errors partial = empty_errors(layers);
    if (shard < shards_.size()) {
      add_shard(block, layers, original.state(shard, block_index),
                quantized.state(shard, block_index), partial);
    }
    add_round(run_.comm, partial, std::min(run_.comm.size(), shards_.size() - first), sums);
  }
  share(run_.comm, sums);
  return sums;
}

void OutputErrorWalk::add_shard(const BlockPair& block,
                                const std::vector<model::LinearLayer>& layers,
                                const Matrix<float>& original, const Matrix<float>& quantized,
                                Errors& errors) const {
  const model::InputRole role = layers.front().input().role;
  for (const Tile batch : finite_batches({&original, &quantized}, length_)) {
    const std::size_t begin = batch.begin * length_, count = batch.size() * length_;
    const auto x = input_of_layers(block.original, role, original.view().middle_rows(begin, count));
    const auto x_quantized =
        input_of_layers(block.quantized, role, quantized.view().middle_rows(begin, count));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      errors[i].add(run_.threads, layer_of(block.original, layers[i].role), x,
                    layer_of(block.quantized, layers[i].role), x_quantized, length_);
    }
  }
}

/// As the layers multiply it.
Matrix<float> OutputErrorWalk::input_of_layers(const forward::BlockWeights& weights,
                                               model::InputRole role,
                                               MatrixView<const float> hidden) const {
  Matrix<float> states(hidden.rows, hidden.cols);
  for (std::size_t i = 0; i < hidden.rows; ++i) {
    std::ranges::copy(hidden.row_span(i), states.view().row(i));
  }
  InputCopy input(role);
  forward_.run(run_.threads, weights, {hidden.rows / length_, length_}, states, &input, role);
  const auto& rounding = weights.input_quantization[static_cast<std::size_t>(role)];
  if (!rounding) return std::move(input.copy);
  const std::size_t rows = input.copy.rows();
  run_.threads.for_each(num_tiles(rows, kRoundedTile), [&](std::size_t t) {
    const Tile tile = tile_at(t, kRoundedTile, rows);
    linalg::quantize_rows(input.copy.view().middle_rows(tile.begin, tile.size()), *rounding);
  });
  return std::move(input.copy);
}

}  // namespace tessera::jobs

#include "forward/block.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include "forward/attention.hpp"
#include "linalg/quantize_rows.hpp"
#include "linalg/scratch_pool.hpp"
#include "linalg/vector_math.hpp"

namespace tessera::forward {

struct BlockScratch {
  explicit BlockScratch(const model::ModelConfig& config)
      : up(kTile, config.intermediate_size),
        rounded(kTile, widest_input(config)),
        kept(kTile, widest_input(config)),
        scores(kTile, kKeyTile),
        weighted(kTile, config.head_dim),
        shared(kTile, config.hidden_size) {
    if (config.num_experts > 0) mixture.emplace(config);
  }

  static std::size_t widest_input(const model::ModelConfig& config) {
    return std::max({config.hidden_size, config.q_size(), config.intermediate_size});
  }

  void make_room(const model::ModelConfig& config, std::size_t num_tokens) {
    if (num_tokens <= normed.rows()) return;
    if (mixture) mixture->make_room(num_tokens);
    normed = Matrix<float>(num_tokens, config.hidden_size);
    q = Matrix<float>(num_tokens, config.q_size());
    k = Matrix<float>(num_tokens, config.kv_size());
    v = Matrix<float>(num_tokens, config.kv_size());
    mlp_hidden = Matrix<float>(num_tokens, config.intermediate_size);
  }

  static constexpr std::size_t kTile = BlockForward::kTokenTile;
  Matrix<float> normed, q, k, v, mlp_hidden;  // a row for each token of the batch
  linalg::ScratchPool up, rounded, kept, scores, weighted, shared;  // a tile for each thread
  std::optional<ExpertMixture> mixture;
};

namespace {

using linalg::Accumulate;
using model::InputRole;
using model::LinearRole;

/// A tile of what some layers read: as it is, rounded as the packed model's engine does, and the
/// channels that are compensated. Copies are made when they are first wanted.
class LayerInput {
 public:
  LayerInput(MatrixView<const float> x, std::size_t position, BlockScratch& scratch)
      : x_(x), position_(position), scratch_(scratch) {}

  /// What the layers multiply.
  MatrixView<const float> rounded(const std::optional<InputQuantization>& quantization) {
    if (!quantization) return x_;
    if (!rounded_) {
      const MatrixView<float> copy = lease_tile(rounded_, scratch_.rounded);
      for (std::size_t i = 0; i < x_.rows; ++i) std::ranges::copy(x_.row_span(i), copy.row(i));
      linalg::quantize_rows(copy, *quantization);
    }
    return tile_of(*rounded_);
  }

  /// What their residuals multiply.
  MatrixView<const float> kept(const InputSelection& selection) {
    if (kept_by_ != &selection) {
      const MatrixView<float> rows = kept_ ? tile_of(*kept_) : lease_tile(kept_, scratch_.kept);
      for (std::size_t i = 0; i < x_.rows; ++i) {
        selection.keep(x_.row_span(i), position_ + i, rows.row_span(i));
      }
      kept_by_ = &selection;
    }
    return tile_of(*kept_);
  }

 private:
  using Lease = linalg::ScratchPool::Lease;
  MatrixView<float> tile_of(Lease& lease) const { return {lease.view().data, x_.rows, x_.cols}; }
  MatrixView<float> lease_tile(std::optional<Lease>& lease, linalg::ScratchPool& pool) const {
    lease.emplace(pool);
    return tile_of(*lease);
  }

  MatrixView<const float> x_;
  std::size_t position_;
  BlockScratch& scratch_;
  std::optional<Lease> rounded_, kept_;
  const InputSelection* kept_by_ = nullptr;
};

/// A batch on its way through the block.
class BlockPass {
 public:
  /// @param rotary null where positions are learned
  BlockPass(const model::ModelConfig& config, const RotaryTable* rotary,
            const BlockWeights& weights, std::size_t length, BlockScratch& scratch)
      : config_(config), rotary_(rotary), weights_(weights), length_(length), scratch_(scratch) {}

  /// Makes the batch the part of one sequence that begins at position @p start.
  void continue_from(std::size_t start, KeyValueCache& cache) {
    start_ = start;
    keys_ = cache.keys;
    values_ = cache.values;
    tile_extent_ = BlockForward::kExtendTile;
    splits_products_ = length_ == 1;
  }

  /// Ends when the listener has seen this input.
  void end_at(std::optional<InputRole> until) { until_ = until; }

  void run(Threads& threads, MatrixView<float> hidden, InputListener* listener) {
    const auto tell = [&](InputRole role, const Matrix<float>& x) {
      if (listener != nullptr) listener->on_input(role, x.view().middle_rows(0, hidden.rows));
    };
    const std::size_t count = hidden.rows / length_ * num_tiles(length_, tile_extent_);
    threads_ = &threads;
    for_each_tile(count, [&](std::size_t i) { project(hidden, tile(i)); });
    tell(InputRole::attention_input, scratch_.normed);
    if (until_ == InputRole::attention_input) return;
    const std::size_t heads = config_.num_heads;
    threads.for_each(count * heads, [&](std::size_t i) {
      const std::size_t last_first = count - 1 - i / heads;  // a sequence's last tile costs most
      mix(tile(last_first), i % heads);
    });
    tell(InputRole::attention_output, scratch_.q);
    if (until_ == InputRole::attention_output) return;
    for_each_tile(count, [&](std::size_t i) { finish(hidden, tile(i)); });
    tell(InputRole::mlp_input, scratch_.normed);
    if (until_ == InputRole::mlp_input) return;
    if (has_mlp()) tell(InputRole::mlp_hidden, scratch_.mlp_hidden);
    if (!scratch_.mixture || until_) return;
    scratch_.mixture->run(threads, weights_.mixture,
                          scratch_.normed.view().middle_rows(0, hidden.rows), {length_, start_},
                          hidden, listener);
  }

 private:
  /// Tokens of one sequence: rows [row, row + count) of the batch, the first at @p position.
  struct Tile {
    std::size_t row, count, position;
  };

  Tile tile(std::size_t i) const {
    const std::size_t tiles = num_tiles(length_, tile_extent_);
    const tessera::Tile part = tile_at(i % tiles, tile_extent_, length_);
    return {i / tiles * length_ + part.begin, part.size(), start_ + part.begin};
  }

  /// A single token is no work to share out; its products are.
  template <class Task>
  void for_each_tile(std::size_t count, Task&& task) const {
    if (!splits_products_) return threads_->for_each(count, task);
    for (std::size_t i = 0; i < count; ++i) task(i);
  }

  void multiply_weight(const linalg::PackedWeight& weight, MatrixView<const float> x,
                       MatrixView<float> y, Accumulate accumulate) const {
    if (!splits_products_ || weight.order() == linalg::WeightOrder::packed) {
      return weight.multiply(x, y, accumulate);
    }
    constexpr std::size_t kTile = BlockForward::kOutputTile;
    threads_->for_each(num_tiles(y.cols, kTile), [&](std::size_t i) {
      weight.multiply_outputs(tile_at(i, kTile, y.cols), x, y, accumulate);
    });
  }

  /// y = W x + bias, or y += W x + bias, and what the residual adds.
  void multiply(LinearRole role, LayerInput& x, MatrixView<float> y,
                Accumulate accumulate = Accumulate::no) const {
    const auto input = static_cast<std::size_t>(model::input_of(role));
    multiply_weight(weights_.weight(role), x.rounded(weights_.input_quantization[input]), y,
                    accumulate);
    const Compensation& compensation = weights_.compensation_of(role);
    if (compensation.residual) compensation.residual->add(x.kept(*compensation.selection), y);
    const auto& bias = weights_.bias_of(role);
    if (bias.empty()) return;
    for (std::size_t i = 0; i < y.rows; ++i) linalg::add(bias, y.row_span(i));
  }

  /// norm, Q, K, V, and what is done to each head of q and k.
  void project(MatrixView<const float> hidden, Tile t) {
    const auto x = scratch_.normed.view().middle_rows(t.row, t.count);
    normalize_rows(config_, weights_.attention_norm, hidden.middle_rows(t.row, t.count), x);
    if (until_ == InputRole::attention_input) return;
    LayerInput read(x, t.position, scratch_);
    const auto q = scratch_.q.view().middle_rows(t.row, t.count);
    const auto k = keys_.middle_rows(start_ + t.row, t.count);
    multiply(LinearRole::q, read, q);
    multiply(LinearRole::k, read, k);
    multiply(LinearRole::v, read, values_.middle_rows(start_ + t.row, t.count));
    prepare_heads(q, weights_.q_norm, t.position);
    prepare_heads(k, weights_.k_norm, t.position);
  }

  void prepare_heads(MatrixView<float> x, const std::vector<float>& norm,
                     std::size_t position) const {
    for (std::size_t i = 0; i < x.rows; ++i) {
      for (std::size_t begin = 0; begin < x.cols; begin += config_.head_dim) {
        const auto head = x.row_span(i).subspan(begin, config_.head_dim);
        if (!norm.empty()) rms_norm(head, norm, config_.norm_epsilon, head);
        if (rotary_ != nullptr) rotary_->rotate(head, position + i);
      }
    }
  }

  /// Attention of one query head; its result replaces the queries.
  void mix(Tile t, std::size_t head) {
    const std::size_t dim = config_.head_dim, first = t.position - start_;
    const std::size_t row = t.row - first, num_keys = start_ + length_;  // of the sequence
    const std::size_t kv_head = head / (config_.num_heads / config_.num_kv_heads);
    const AttentionHead operands{scratch_.q.view().block(row, head * dim, length_, dim),
                                 keys_.block(row, kv_head * dim, num_keys, dim),
                                 values_.block(row, kv_head * dim, num_keys, dim),
                                 config_.sliding_window, start_};
    linalg::ScratchPool::Lease scores(scratch_.scores), weighted(scratch_.weighted);
    attend(operands, first, t.count, scores.view(), weighted.view());
  }

  /// Of every token: a plain one, or a shared expert.
  bool has_mlp() const { return config_.intermediate_size > 0; }

  /// O and the MLP, or the way to the experts.
  void finish(MatrixView<float> hidden, Tile t) {
    const auto rows = hidden.middle_rows(t.row, t.count);
    const auto mixed = scratch_.q.view().middle_rows(t.row, t.count);
    LayerInput read_mixed(mixed, t.position, scratch_);
    multiply(LinearRole::o, read_mixed, rows, Accumulate::yes);
    const auto x = scratch_.normed.view().middle_rows(t.row, t.count);
    normalize_rows(config_, weights_.mlp_norm, rows, x);
    if (until_ == InputRole::mlp_input) return;
    const auto inner = scratch_.mlp_hidden.view().middle_rows(t.row, t.count);
    if (scratch_.mixture) scratch_.mixture->route(weights_.mixture, x, t.row);
    if (!has_mlp()) return;
    LayerInput read_normed(x, t.position, scratch_), read_inner(inner, t.position, scratch_);
    activate(read_normed, inner);
    if (until_) return;
    if (scratch_.mixture) return add_shared(x, read_inner, rows);
    multiply(LinearRole::down, read_inner, rows, Accumulate::yes);
  }

  /// What the expert that all tokens share adds, as its gate weighs it.
  void add_shared(MatrixView<const float> x, LayerInput& inner, MatrixView<float> rows) {
    linalg::ScratchPool::Lease lease(scratch_.shared);
    const auto out = lease.view().middle_rows(0, rows.rows);
    multiply(LinearRole::down, inner, out);
    for (std::size_t i = 0; i < rows.rows; ++i) {
      linalg::scale(out.row_span(i), shared_weight(weights_.mixture.shared_gate, x.row_span(i)));
      linalg::add(out.row_span(i), rows.row_span(i));
    }
  }

  /// What the MLP's last layer reads.
  void activate(LayerInput& x, MatrixView<float> out) {
    if (config_.activation == model::Activation::relu) {
      multiply(LinearRole::up, x, out);
      for (std::size_t i = 0; i < out.rows; ++i) linalg::relu(out.row_span(i));
      return;
    }
    linalg::ScratchPool::Lease lease(scratch_.up);
    const auto up = lease.view().middle_rows(0, out.rows);
    multiply(LinearRole::gate, x, out);
    multiply(LinearRole::up, x, up);
    for (std::size_t i = 0; i < out.rows; ++i) {
      linalg::silu_times(out.row_span(i), up.row_span(i), out.row_span(i));
    }
  }

  const model::ModelConfig& config_;
  const RotaryTable* rotary_;
  const BlockWeights& weights_;
  const std::size_t length_;
  BlockScratch& scratch_;
  Threads* threads_ = nullptr;
  std::optional<InputRole> until_;
  std::size_t tile_extent_ = BlockForward::kTokenTile;
  bool splits_products_ = false;
  std::size_t start_ = 0;
  MatrixView<float> keys_ = scratch_.k, values_ = scratch_.v;  // from position 0 on
};

}  // namespace

BlockForward::BlockForward(const model::ModelConfig& config, std::size_t max_length)
    : config_(config), max_length_(max_length), scratch_(std::make_unique<BlockScratch>(config)) {
  if (config.positions == model::Positions::rotary) rotary_.emplace(config, max_length);
}

BlockForward::~BlockForward() = default;

void BlockForward::run(Threads& threads, const BlockWeights& weights, BatchShape shape,
                       MatrixView<float> hidden, InputListener* listener,
                       std::optional<model::InputRole> until) const {
  require(hidden.rows == shape.num_tokens() && hidden.cols == config_.hidden_size,
          "BlockForward::run: hidden states do not have the batch's shape");
  require(shape.length <= max_length_, "BlockForward::run: a sequence is longer than max_length");
  if (shape.num_tokens() == 0) return;
  scratch_->make_room(config_, shape.num_tokens());
  BlockPass pass(config_, rotary_ ? &*rotary_ : nullptr, weights, shape.length, *scratch_);
  pass.end_at(until);
  pass.run(threads, hidden, listener);
}

void BlockForward::extend(Threads& threads, const BlockWeights& weights, std::size_t start,
                          MatrixView<float> hidden, KeyValueCache& cache) const {
  const std::size_t end = start + hidden.rows;
  require(hidden.cols == config_.hidden_size && cache.keys.cols() == config_.kv_size(),
          "BlockForward::extend: hidden states or cache are not of this model");
  require(end <= max_length_ && end <= cache.keys.rows(),
          "BlockForward::extend: the sequence outgrows max_length or the cache");
  if (hidden.rows == 0) return;
  scratch_->make_room(config_, hidden.rows);
  BlockPass pass(config_, rotary_ ? &*rotary_ : nullptr, weights, hidden.rows, *scratch_);
  pass.continue_from(start, cache);
  pass.run(threads, hidden, nullptr);
}

}  // namespace tessera::forward

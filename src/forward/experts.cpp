#include "forward/experts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "forward/block.hpp"
#include "linalg/quantize_rows.hpp"
#include "linalg/vector_math.hpp"

namespace tessera::forward {
namespace {

constexpr std::size_t kTile = BlockForward::kTokenTile;

/// Rows that are multiplied for @p count tokens.
std::size_t padded(std::size_t count) {
  return num_tiles(count, ExpertMixture::kRowStep) * ExpertMixture::kRowStep;
}

void copy_rows(MatrixView<const float> from, MatrixView<float> to, std::size_t at) {
  for (std::size_t i = 0; i < from.rows; ++i) std::ranges::copy(from.row_span(i), to.row(at + i));
}

/// y = W x, and what the residual adds. @param kept the first rows', as compensated
void multiply(const linalg::PackedWeight& weight, const Compensation& compensation,
              MatrixView<const float> x, MatrixView<const float> kept, MatrixView<float> y) {
  weight.multiply(x, y);
  if (compensation.residual) compensation.residual->add(kept, y.middle_rows(0, kept.rows));
}

}  // namespace

float shared_weight(std::span<const float> gate, std::span<const float> x) {
  double product = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    product += static_cast<double>(gate[j]) * static_cast<double>(x[j]);
  }
  return static_cast<float>(1 / (1 + std::exp(-product)));
}

Choice choose_experts(std::span<const float> logits, std::size_t count, bool normalizes) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  const auto largest = static_cast<double>(logits[order.front()]);
  const auto share = [&](std::size_t e) {
    return std::exp(static_cast<double>(logits[e]) - largest);
  };
  order.resize(normalizes ? count : order.size());
  double total = 0;
  for (const std::size_t e : order) total += share(e);
  order.resize(count);
  std::ranges::sort(order);
  Choice choice{std::move(order), {}};
  for (const std::size_t e : choice.experts) {
    choice.weights.push_back(static_cast<float>(share(e) / total));
  }
  return choice;
}

Compensation& ExpertWeights::compensation_of(model::LinearRole role) {
  if (role == model::LinearRole::gate) return gate_compensation;
  return role == model::LinearRole::up ? up_compensation : down_compensation;
}

ExpertMixture::ExpertMixture(const model::ModelConfig& config)
    : hidden_size_(config.hidden_size),
      expert_size_(config.expert_size),
      num_experts_(config.num_experts),
      per_token_(config.experts_per_token),
      normalizes_(config.normalizes_expert_weights),
      logits_(kTile, num_experts_),
      wide_(kTile, hidden_size_),
      inner_tiles_(kTile, expert_size_),
      kept_(kTile, std::max(hidden_size_, expert_size_)) {}

void ExpertMixture::make_room(std::size_t num_tokens) {
  const std::size_t rows = num_tokens * per_token_;
  if (rows <= outputs_.rows()) return;
  for (auto* numbers : {&expert_, &row_of_, &token_}) numbers->resize(rows);
  weight_.resize(rows);
  weight_of_row_.resize(rows);
  outputs_ = Matrix<float>(rows, hidden_size_);
}

void ExpertMixture::route(const MixtureWeights& weights, MatrixView<const float> x,
                          std::size_t row) {
  Lease lease(logits_);
  const auto logits = lease.view().middle_rows(0, x.rows);
  weights.router.multiply(x, logits);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const Choice choice = choose_experts(logits.row_span(i), per_token_, normalizes_);
    const auto at = static_cast<std::ptrdiff_t>((row + i) * per_token_);
    std::ranges::copy(choice.experts, expert_.begin() + at);
    std::ranges::copy(choice.weights, weight_.begin() + at);
  }
}

void ExpertMixture::sort_by_expert(std::size_t num_tokens) {
  const std::size_t rows = num_tokens * per_token_;
  first_row_.assign(num_experts_ + 1, 0);
  for (std::size_t i = 0; i < rows; ++i) ++first_row_[expert_[i] + 1];
  std::partial_sum(first_row_.begin(), first_row_.end(), first_row_.begin());
  std::vector<std::size_t> next = first_row_;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t row = next[expert_[i]]++;
    row_of_[i] = row;
    token_[row] = i / per_token_;
    weight_of_row_[row] = weight_[i];
  }
}

std::vector<ExpertMixture::Part> ExpertMixture::cut(std::size_t length) const {
  std::vector<Part> parts;
  for (std::size_t expert = 0; expert < num_experts_; ++expert) {
    std::size_t begin = first_row_[expert];
    while (begin < first_row_[expert + 1]) {
      const std::size_t sequence = token_[begin] / length;
      std::size_t end = begin + 1;
      while (end < first_row_[expert + 1] && end - begin < kTile &&
             token_[end] / length == sequence)
        ++end;
      parts.push_back({expert, begin, end - begin});
      begin = end;
    }
  }
  return parts;
}

MatrixView<const float> ExpertMixture::keep(const Compensation& compensation, const Part& part,
                                            Sequences sequences, MatrixView<const float> x,
                                            std::optional<Lease>& lease) {
  if (!compensation.residual) return {};
  lease.emplace(kept_);
  const MatrixView<float> kept{lease->view().data, part.count, x.cols};
  for (std::size_t i = 0; i < part.count; ++i) {
    const std::size_t position = sequences.start + token_[part.begin + i] % sequences.length;
    compensation.selection->keep(x.row_span(i), position, kept.row_span(i));
  }
  return kept;
}

void ExpertMixture::compute(const MixtureWeights& weights, const Part& part,
                            MatrixView<const float> normed, Sequences sequences,
                            bool keeps_inputs) {
  const ExpertWeights& expert = weights.experts[part.expert];
  Lease x_lease(wide_), y_lease(wide_), inner_lease(inner_tiles_), up_lease(inner_tiles_);
  const std::size_t rows = padded(part.count);
  const auto x = x_lease.view().middle_rows(0, rows), y = y_lease.view().middle_rows(0, rows);
  const auto inner = inner_lease.view().middle_rows(0, rows);
  const auto up = up_lease.view().middle_rows(0, rows);
  for (std::size_t i = 0; i < rows; ++i) {
    if (i < part.count) {
      std::ranges::copy(normed.row_span(token_[part.begin + i]), x.row(i));
    } else {
      std::ranges::fill(x.row_span(i), 0.0F);
    }
  }
  if (keeps_inputs) copy_rows(x.middle_rows(0, part.count), inputs_, part.begin);
  // What residuals multiply is chosen from the inputs as they are before they are rounded.
  std::optional<Lease> by_gate, by_up, by_down;
  const auto kept_gate = keep(expert.gate_compensation, part, sequences, x, by_gate);
  const bool is_shared =
      expert.gate_compensation.selection == expert.up_compensation.selection && by_gate;
  const auto kept_up =
      is_shared ? kept_gate : keep(expert.up_compensation, part, sequences, x, by_up);
  if (expert.input_quantization) linalg::quantize_rows(x, *expert.input_quantization);
  multiply(expert.gate, expert.gate_compensation, x, kept_gate, inner);
  multiply(expert.up, expert.up_compensation, x, kept_up, up);
  for (std::size_t i = 0; i < rows; ++i) {
    linalg::silu_times(inner.row_span(i), up.row_span(i), inner.row_span(i));
  }
  if (keeps_inputs) copy_rows(inner.middle_rows(0, part.count), inner_, part.begin);
  const auto kept_inner = keep(expert.down_compensation, part, sequences, inner, by_down);
  if (expert.hidden_quantization) linalg::quantize_rows(inner, *expert.hidden_quantization);
  multiply(expert.down, expert.down_compensation, inner, kept_inner, y);
  for (std::size_t i = 0; i < part.count; ++i) {
    linalg::scale(y.row_span(i), weight_of_row_[part.begin + i]);
  }
  copy_rows(y.middle_rows(0, part.count), outputs_, part.begin);
}

void ExpertMixture::add(MatrixView<float> hidden, Tile rows) const {
  for (std::size_t token = rows.begin; token < rows.end; ++token) {
    for (std::size_t i = 0; i < per_token_; ++i) {
      linalg::add(outputs_.view().row_span(row_of_[token * per_token_ + i]),
                  hidden.row_span(token));
    }
  }
}

void ExpertMixture::tell(InputListener& listener) const {
  for (std::size_t e = 0; e < num_experts_; ++e) {
    const std::size_t begin = first_row_[e], count = first_row_[e + 1] - begin;
    if (count == 0) continue;
    const std::span tokens(token_.data() + begin, count);
    listener.on_expert_input({model::InputRole::mlp_input, e},
                             inputs_.view().middle_rows(begin, count), tokens);
    listener.on_expert_input({model::InputRole::mlp_hidden, e},
                             inner_.view().middle_rows(begin, count), tokens);
  }
}

void ExpertMixture::run(Threads& threads, const MixtureWeights& weights,
                        MatrixView<const float> normed, Sequences sequences,
                        MatrixView<float> hidden, InputListener* listener) {
  require(weights.experts.size() == num_experts_, "a mixture has the experts of its config");
  if (listener != nullptr && inputs_.rows() < outputs_.rows()) {
    inputs_ = Matrix<float>(outputs_.rows(), hidden_size_);
    inner_ = Matrix<float>(outputs_.rows(), expert_size_);
  }
  sort_by_expert(hidden.rows);
  const std::vector<Part> parts = cut(sequences.length);
  threads.for_each(parts.size(), [&](std::size_t i) {
    compute(weights, parts[i], normed, sequences, listener != nullptr);
  });
  threads.for_each(num_tiles(hidden.rows, kTile),
                   [&](std::size_t i) { add(hidden, tile_at(i, kTile, hidden.rows)); });
  if (listener != nullptr) tell(*listener);
}

}  // namespace tessera::forward

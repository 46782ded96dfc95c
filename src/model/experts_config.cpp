#include "model/experts_config.hpp"

#include <fmt/core.h>

namespace tessera::model {
namespace {

constexpr std::size_t kMaxWidth = std::size_t{1} << 22;
constexpr std::size_t kMaxExperts = std::size_t{1} << 14;
constexpr std::size_t kMaxBlocks = 10'000;

/// Every block has a mixture.
void refuse_plain_blocks(const ConfigFields& fields) {
  const std::size_t step = fields.size_or("decoder_sparse_step", kMaxBlocks, 1);
  if (step != 1) {
    fields.fail(
        "decoder_sparse_step",
        fmt::format("is {} (this program knows models with experts in every block: 1)", step));
  }
  if (!fields.has("mlp_only_layers")) return;
  const JsonValue& plain = fields.at("mlp_only_layers");
  if (plain.is_list() && plain.items().empty()) return;
  fields.fail("mlp_only_layers",
              fmt::format("is {} (this program knows models with experts in every block: an empty "
                          "list)",
                          plain.to_text()));
}

/// Which blocks a window applies to is told differently by transformers' own kinds of attention.
void refuse_window(const ConfigFields& fields) {
  if (!fields.flag_or("use_sliding_window", false) || fields.is_null("sliding_window")) return;
  fields.fail("use_sliding_window",
              "is true (this program knows Qwen's mixtures of experts without a window)");
}

}  // namespace

void read_experts(const ConfigFields& fields, const Architecture& row, ModelConfig& config) {
  if (row.num_experts_key.empty()) return;
  config.num_experts = fields.size(row.num_experts_key, kMaxExperts);
  config.experts_per_token = fields.size("num_experts_per_tok", kMaxExperts);
  if (config.experts_per_token > config.num_experts) {
    fields.fail("num_experts_per_tok",
                fmt::format("is {}, but {} is {} (a token passes each expert once at most)",
                            config.experts_per_token, row.num_experts_key, config.num_experts));
  }
  config.expert_size = fields.size(row.expert_size_key, kMaxWidth);
  config.normalizes_expert_weights =
      row.normalizes_expert_weights || fields.flag_or("norm_topk_prob", false);
  if (row.window == Architecture::Window::never) refuse_window(fields);
  refuse_plain_blocks(fields);
  if (row.qkv_bias == Architecture::Bias::always && !fields.flag_or("qkv_bias", true)) {
    fields.fail("qkv_bias", fmt::format("is false, but {} has always biases there", row.name));
  }
}

}  // namespace tessera::model

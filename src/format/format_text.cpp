#include "format/format_text.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "format/integer_schemes.hpp"

namespace tessera::format {
namespace {

constexpr const char* kPlainCall =
    "```python\n"
    "from transformers import AutoModelForCausalLM\n"
    "model = AutoModelForCausalLM.from_pretrained(\"path/to/this/folder\")\n"
    "```\n\n";

std::string method_text(const IntegerScheme& scheme) {
  std::string text =
      fmt::format("quantized to {}-bit integers ({}, {})", scheme.bits,
                  scheme.is_symmetric ? "symmetric" : "asymmetric",
                  scheme.group_size == 0 ? "a scale for each output row"
                                         : fmt::format("groups of {} inputs", scheme.group_size));
  if (!scheme.input) return text;
  return text + (scheme.input->is_dynamic ? ", their inputs to 8 bits token by token"
                                          : ", their inputs to 8 bits with fixed scales");
}

std::string method_text(std::span<const SchemeGroup> groups) {
  if (groups.size() == 1) return method_text(groups.front().scheme);
  std::string widths;
  for (const SchemeGroup& group : groups) {
    const std::string width = std::to_string(group.scheme.bits);
    if (widths.ends_with(width)) continue;
    widths += (widths.empty() ? "" : ", ") + width;
  }
  return fmt::format("quantized to symmetric integers of {} bits, each layer with its own settings",
                     widths);
}

std::string compressed_tensors_loading(std::span<const SchemeGroup> groups) {
  const IntegerScheme& scheme = groups.front().scheme;
  const auto has_bits = [&](std::uint64_t bits) {
    return std::ranges::any_of(groups, [&](const auto& g) { return g.scheme.bits == bits; });
  };
  std::string text = fmt::format(
      "Needs `transformers` and `compressed-tensors{}` (checked with 4.57.6 and 0.20.0).\n\n{}",
      has_bits(3) ? ">=0.18" : "", kPlainCall);
  if (groups.size() > 1) {
    text +=
        "Layers differ in bits or groups: `config_groups` names those of each kind. vLLM fuses q, "
        "k "
        "and v, and gate and up, and wants one kind for the layers that it fuses.\n\n";
  }
  if (has_bits(3)) {
    text +=
        "3-bit weights lie densely, as compressed-tensors packs them from 0.18 on; earlier "
        "releases "
        "expect another layout and the files do not tell the two apart.\n\n";
  }
  if (scheme.input && scheme.input->is_dynamic) {
    text +=
        "transformers simulates the inputs' quantization with scales of max|x| / 127.5; vLLM's "
        "kernels use max|x| / 127.\n\n";
  }
  if (!scheme.input && (has_bits(2) || has_bits(3))) {
    text += "vLLM reads 4 and 8 bits in this format; other widths only in its newest releases.\n\n";
  }
  return text;
}

std::string gptq_loading(const IntegerScheme& scheme, bool is_v2) {
  std::string text = fmt::format(
      "Needs `transformers`, `optimum` and `gptqmodel` (checked with 4.57.6, 2.0.0 and 5.6.12). On "
      "a "
      "CPU the backend has to be named:\n\n"
      "```python\n"
      "from transformers import AutoModelForCausalLM, GPTQConfig\n"
      "model = AutoModelForCausalLM.from_pretrained(\n"
      "    \"path/to/this/folder\", quantization_config=GPTQConfig(bits={}, backend=\"torch\"))\n"
      "```\n\n",
      scheme.bits);
  if (is_v2) {
    text +=
        "Zero points are stored whole (`checkpoint_format: gptq_v2`), which gptqmodel needs to "
        "read "
        "these weights rightly. A reader that knows only the older form takes them for others.\n\n";
  } else if (!scheme.is_symmetric) {
    text +=
        "gptqmodel's own loader refuses asymmetric weights in this form unless it made them "
        "itself; "
        "load the model through transformers.\n\n";
  }
  return text;
}

}  // namespace

FormatText vptq_text(bool has_tied_head, bool stores_tied_head) {
  std::string loading = fmt::format(
      "Needs `transformers>=4.48,<5` and `vptq==0.0.5.post1` (with `accelerate` and "
      "`sentence_transformers`, which vptq imports). transformers 5 does not load VPTQ models."
      "\n\n{}",
      kPlainCall);
  if (has_tied_head && !stores_tied_head) {
    loading +=
        "The output head is tied to the embeddings and stored once. vptq's own loader "
        "(`vptq.AutoModelForCausalLM`) wants it stored twice: make the model with "
        "`output.store_tied_head: true` to use that loader.\n\n";
  } else {
    if (has_tied_head) {
      loading +=
          "The output head is tied to the embeddings and stored beside them all the same.\n\n";
    }
    loading +=
        "vptq's own loader works too; on a CPU it needs a device map: "
        "`vptq.AutoModelForCausalLM.from_pretrained(folder, device_map={\"\": \"cpu\"})`.\n\n";
  }
  return {"vptq", "vector-quantized (VPTQ)", "indices, codebooks, norms, permutations",
          std::move(loading)};
}

FormatText integer_text(IntegerFormat format, std::span<const SchemeGroup> groups) {
  const IntegerScheme& scheme = groups.front().scheme;
  if (format == IntegerFormat::gptq) {
    return {"gptq", method_text(scheme), "codes, scales, zero points, group indices",
            gptq_loading(scheme, stores_whole_zero_points(scheme.bits, scheme.is_symmetric))};
  }
  return {"compressed-tensors", method_text(groups),
          scheme.input ? "codes, scales" : "codes, scales, shapes",
          compressed_tensors_loading(groups)};
}

FormatText integer_text(IntegerFormat format, const IntegerScheme& scheme) {
  const SchemeGroup all{scheme, {}};
  return integer_text(format, std::span(&all, 1));
}

}  // namespace tessera::format

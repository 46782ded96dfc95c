#include "format/model_card.hpp"

#include <fmt/core.h>

#include "core/json_value.hpp"

namespace tessera::format {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

std::string size_section(const ModelCard& card) {
  const PackedSize& s = card.size;
  return fmt::format(
      "## Size\n\n"
      "| | weights | bits | bits per weight |\n| --- | --- | --- | --- |\n"
      "| packed layers ({}) | {} | {} | {:.4f} |\n"
      "| everything else ({}) | {} | {} | |\n"
      "| all | {} | {} | {:.4f} |\n\n"
      "Counted from what the files hold: {:.1f} MiB of tensors, against {:.1f} MiB of the "
      "original.\n\n",
      card.format.parts, s.num_packed_weights, s.packed_bits, s.bits_per_weight(),
      name_of(dtype_of(card.stored_type)), s.num_other_weights, s.other_bits,
      s.num_packed_weights + s.num_other_weights, s.packed_bits + s.other_bits,
      s.bits_per_weight_overall(), static_cast<double>(s.total_bytes()) / kMebibyte,
      static_cast<double>(card.original_bytes) / kMebibyte);
}

std::string degraded_section(const ModelCard& card) {
  if (card.degraded.empty()) return "";
  std::string text = "## Degraded layers\n\nThese could not be quantized as the others were:\n\n";
  for (const auto& [layer, what] : card.degraded) text += fmt::format("- `{}`: {}\n", layer, what);
  return text + "\n";
}

std::string score_section(const ModelCard& card) {
  if (card.scores.empty()) return "";
  std::string text =
      "## Scores\n\n| measure | conditions | original | packed |\n| --- | --- | --- | --- |\n";
  for (const Score& score : card.scores) {
    text += fmt::format("| {} | {} | {} | {:.4f} |\n", score.measure, score.conditions,
                        score.original ? fmt::format("{:.4f}", *score.original) : "", score.packed);
  }
  return text + "\n";
}

std::string loading_section(const ModelCard& card) {
  std::string text = "## Loading\n\n" + card.format.loading;
  for (const std::string& limit : card.limits) text += "- " + limit + "\n";
  return card.limits.empty() ? text : text + "\n";
}

}  // namespace

std::string model_card(const ModelCard& card) {
  std::string text = fmt::format(
      "---\nlibrary_name: transformers\nbase_model: {}\ntags:\n- {}\n- tessera\n---\n\n"
      "# {}\n\n"
      "{} with the linear layers of its blocks {}; embeddings, norms and "
      "output "
      "head are kept as {}.\n\n",
      JsonValue(card.base_model).to_text(),  // a JSON text is a YAML text, whatever is in it
      card.format.tag, card.name, card.base_model, card.format.method,
      name_of(dtype_of(card.stored_type)));
  if (!card.recipe.empty()) {
    text += "## Recipe\n\n";
    for (const std::string& line : card.recipe) text += "- " + line + "\n";
    text += "\n";
  }
  text += size_section(card) + degraded_section(card) + score_section(card) + loading_section(card);
  return text + fmt::format("Made by tessera {}. `{}` lists every file with its sha256.\n",
                            card.version, "tessera_manifest.json");
}

}  // namespace tessera::format

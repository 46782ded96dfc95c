#include <fmt/core.h>

#include "core/error.hpp"
#include "format/packed_config.hpp"
#include "jobs/gate/checks.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kConfig = "config.json";

/// A value as a message shows it.
std::string shown(const JsonValue& value) {
  constexpr std::size_t kMaxShown = 60;
  const std::string text = value.to_text();
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

void add(Verdict& verdict, const std::string& key, const std::string& problem) {
  verdict.add("config", key, fmt::format("{}: {} {}.", kConfig, key, problem));
}

/// Object by object, so that the key itself is named.
void compare(const std::string& key, const JsonValue& wanted, const JsonValue& found,
             Verdict& verdict) {
  if (!wanted.is_object() || !found.is_object()) {
    if (wanted.to_text() != found.to_text()) {
      add(verdict, key, fmt::format("is {} (it was made as {})", shown(found), shown(wanted)));
    }
    return;
  }
  const std::string prefix = key.empty() ? "" : key + ".";
  for (const auto& [name, value] : wanted.entries()) {
    if (found.contains(name)) {
      compare(prefix + name, value, found.at(name), verdict);
    } else {
      add(verdict, prefix + name, fmt::format("is missing (it was made as {})", shown(value)));
    }
  }
  for (const auto& [name, value] : found.entries()) {
    if (wanted.contains(name)) continue;
    add(verdict, prefix + name, fmt::format("is {} (it was made without)", shown(value)));
  }
}

std::vector<std::byte> bytes_of(const OutputFiles& files, const std::string& tensor) {
  const model::SafetensorsFile& file = *files.tensors().at(tensor).front()->content;
  std::vector<std::byte> bytes(file.entry(tensor).bytes);
  file.read_bytes(tensor, bytes);
  return bytes;
}

void check_head(const OutputFiles& files, const model::ModelConfig& config, Verdict& verdict) {
  const std::string head(model::kHeadName), embedding(model::embedding_name(config));
  const bool is_stored = files.tensors().contains(head);
  if (!config.tied_embeddings && !is_stored) {
    verdict.add("head", head,
                fmt::format("{} is missing (config.json says tie_word_embeddings false, so the "
                            "model has no output head).",
                            head));
  }
  if (!config.tied_embeddings || !is_stored || !files.tensors().contains(embedding)) return;
  if (bytes_of(files, head) != bytes_of(files, embedding)) {
    verdict.add("head", head,
                fmt::format("{} differs from {} (config.json says tie_word_embeddings true, so one "
                            "of them is ignored).",
                            head, embedding));
  }
}

}  // namespace

void check_config(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  verdict.check("config").num_looked_at = 1;
  verdict.check("head").num_looked_at = 1;
  try {
    const JsonValue found = format::read_config_json(files.folder());
    if (!manifest.config.is_null()) compare("", manifest.config, found, verdict);
    check_head(files, model::read_model_config(files.folder()), verdict);
  } catch (const InputError& error) {
    verdict.add("config", kConfig, error.what());
  }
}

}  // namespace tessera::jobs

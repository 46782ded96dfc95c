#include "format/residual_info.hpp"

#include <charconv>
#include <cmath>
#include <set>

#include <fmt/core.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_index.hpp"
#include "residual/residual_layer.hpp"

namespace fs = std::filesystem;

namespace tessera::format {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr const char* kVersionKey = "residual_version";
constexpr std::size_t kDigestDigits = 64;

bool are_possible_bits(std::uint64_t bits) {
  return bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

bool is_digest(std::string_view text) {
  return text.size() == kDigestDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// The texts of one header, read as what they have to be.
class Texts {
 public:
  Texts(const std::map<std::string, std::string>& texts, const std::string& origin)
      : texts_(texts), origin_(origin) {}

  [[noreturn]] void fail(const std::string& key, const char* expected) const {
    throw InputError(
        fmt::format("{}: {} in the header is {} ({}). The file is damaged or of "
                    "another kind; make it again.",
                    origin_, key, model::quote_name(texts_.at(key)), expected));
  }

  bool contains(const std::string& key) const { return texts_.contains(key); }
  const std::string& text(const std::string& key) const {
    const auto found = texts_.find(key);
    if (found != texts_.end()) return found->second;
    throw InputError(
        fmt::format("{}: the header has no {} (this is no residual file, or another "
                    "program's). Name the {} that the quantization wrote.",
                    origin_, key, "decdec_residual.safetensors"));
  }
  std::uint64_t number(const std::string& key) const {
    const std::string& digits = text(key);
    std::uint64_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stopped, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stopped != end) fail(key, "a whole number is expected");
    return value;
  }
  std::uint64_t k_chunk(const std::string& key) const {
    const std::uint64_t value = number(key);
    if (value > residual::kChunk) fail(key, "channels of each 1024: 0 to 1024");
    return value;
  }
  std::map<std::string, std::uint64_t> k_chunk_of_layers(const std::string& key) const {
    const JsonValue document = JsonValue::parse(text(key), origin_ + ": " + key);
    if (!document.is_object()) fail(key, "an object is expected: layer -> channels of each 1024");
    std::map<std::string, std::uint64_t> k_chunk_of;
    for (const auto& [layer, value] : document.entries()) {
      const double k_chunk = value.is_number() ? value.number() : -1;
      if (!(k_chunk >= 0 && k_chunk <= residual::kChunk && k_chunk == std::floor(k_chunk))) {
        throw InputError(
            fmt::format("{}: {} of the layer {} is {} (channels of each 1024: 0 to "
                        "1024). The file is damaged; make it again.",
                        origin_, key, model::quote_name(layer), value.to_text()));
      }
      k_chunk_of.emplace(layer, static_cast<std::uint64_t>(k_chunk));
    }
    return k_chunk_of;
  }

 private:
  const std::map<std::string, std::string>& texts_;
  const std::string& origin_;
};

void check_version(const Texts& texts, const std::string& origin) {
  const std::uint64_t version = texts.number(kVersionKey);
  if (version == 0) texts.fail(kVersionKey, "versions begin at 1");
  if (version <= kVersion) return;
  throw InputError(
      fmt::format("{} is a residual file of version {} (this program knows version "
                  "{}). Use a newer program.",
                  origin, version, kVersion));
}

}  // namespace

std::map<std::string, std::string> metadata_of(const ResidualInfo& info) {
  require(are_possible_bits(info.bits), "a residual has 2, 3, 4 or 8 bits");
  require(is_digest(info.base_digest), "a base has a digest");
  std::map<std::string, std::string> metadata{
      {kVersionKey, std::to_string(kVersion)},
      {"bits", std::to_string(info.bits)},
      {"zero_code", std::to_string(std::uint64_t{1} << (info.bits - 1))},
      {"chunk", std::to_string(residual::kChunk)},
      {"base_method", info.base_method},
      {"base_digest", info.base_digest},
      {"calibration", info.calibration},
      {"k_chunk", std::to_string(info.k_chunk)}};
  if (info.budget.empty()) return metadata;
  JsonValue k_chunk_of = JsonValue::object();
  for (const auto& [layer, k_chunk] : info.k_chunk_of) k_chunk_of.set(layer, k_chunk);
  metadata["budget"] = info.budget;
  metadata["k_chunk_of"] = k_chunk_of.to_text();
  return metadata;
}

ResidualInfo residual_info_from(const std::map<std::string, std::string>& metadata,
                                const std::string& origin) {
  const Texts texts(metadata, origin);
  check_version(texts, origin);
  ResidualInfo info;
  info.bits = texts.number("bits");
  if (!are_possible_bits(info.bits)) texts.fail("bits", "2, 3, 4 or 8 are expected");
  if (texts.number("zero_code") != std::uint64_t{1} << (info.bits - 1)) {
    texts.fail("zero_code", "2^(bits - 1) is expected");
  }
  if (texts.number("chunk") != residual::kChunk) texts.fail("chunk", "1024 is expected");
  info.base_method = texts.text("base_method");
  info.base_digest = texts.text("base_digest");
  if (!is_digest(info.base_digest)) texts.fail("base_digest", "64 hexadecimal digits are expected");
  info.calibration = texts.text("calibration");
  info.k_chunk = texts.k_chunk("k_chunk");
  if (!texts.contains("budget")) return info;
  info.budget = texts.text("budget");
  if (info.budget.empty()) texts.fail("budget", "what k_chunk_of keeps is expected");
  info.k_chunk_of = texts.k_chunk_of_layers("k_chunk_of");
  return info;
}

bool says_residuals(const std::map<std::string, std::string>& metadata) {
  return metadata.contains(kVersionKey);
}

std::string base_digest_of(const fs::path& folder) {
  std::error_code error;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(model::kModelStem) && name.ends_with(".safetensors")) names.insert(name);
  }
  if (names.empty()) {
    throw InputError(
        fmt::format("{} holds no model*.safetensors (the packed weights that residuals "
                    "belong to). Name the folder that quantization made.",
                    folder.string()));
  }
  std::map<std::string, std::string> digests;
  for (const std::string& name : names) digests[name] = digest_of_file(folder / name);
  return base_digest_of(digests);
}

std::string base_digest_of(const std::map<std::string, std::string>& digests) {
  Digest digest;
  for (const auto& [name, of_file] : digests) digest.add_text(name).add_text(of_file);
  return digest.hex();
}

}  // namespace tessera::format

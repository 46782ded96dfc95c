#include "jobs/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "jobs/inspect.hpp"
#include "model/architecture.hpp"
#include "model/safetensors_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// Shapes and bits of a model, from headers alone.
struct ModelFacts {
  explicit ModelFacts(const fs::path& folder) {
    const JsonValue document = inspect_model_folder(folder);
    config = document.at("config");
    if (!document.contains("layers")) return;
    bits = document.at("bits_per_weight").number();
    for (const JsonValue& row : document.at("layers").items()) {
      bits_of_layer[row.at("name").text()] = row.at("bits_per_weight").number();
    }
  }
  std::optional<double> bits_of(const std::string& layer) const {
    const auto found = bits_of_layer.find(layer);
    return found == bits_of_layer.end() ? std::nullopt : std::optional(found->second);
  }

  JsonValue config;
  std::optional<double> bits;
  std::map<std::string, double> bits_of_layer;
};

void require_comparable(const fs::path& a, const ModelFacts& of_a, const fs::path& b,
                        const ModelFacts& of_b) {
  std::vector<std::string> differences;
  for (const auto& [key, value] : of_a.config.entries()) {
    if (key == "tied_embeddings") continue;  // says how the head is stored, not what it is
    const JsonValue& other = of_b.config.at(key);
    if (value.to_text() == other.to_text()) continue;
    differences.push_back(fmt::format("{} is {} and {}", key, value.to_text(), other.to_text()));
  }
  if (differences.empty()) return;
  throw InputError(fmt::format(
      "{} and {} cannot be compared layer by layer ({}). Name two outputs of one model, or an "
      "output and its original.",
      a.string(), b.string(), fmt::join(differences, "; ")));
}

bool have_same_bytes(const fs::path& a, const fs::path& b) {
  if (fs::file_size(a) != fs::file_size(b)) return false;
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  std::vector<char> piece_a(kPieceBytes), piece_b(kPieceBytes);
  std::ifstream in_a(a, std::ios::binary), in_b(b, std::ios::binary);
  for (;;) {
    in_a.read(piece_a.data(), kPieceBytes);
    in_b.read(piece_b.data(), kPieceBytes);
    if (in_a.bad() || in_b.bad()) {
      throw MachineError(
          fmt::format("cannot read {} and {} (a read failed). Mend the disk, then "
                      "try again.",
                      a.string(), b.string()));
    }
    const auto count = in_a.gcount();
    if (count != in_b.gcount()) return false;
    if (count == 0) return true;
    if (std::memcmp(piece_a.data(), piece_b.data(), static_cast<std::size_t>(count)) != 0)
      return false;
  }
}

/// Name -> path of the weight files.
std::map<std::string, fs::path> weight_files(const fs::path& folder) {
  std::map<std::string, fs::path> files;
  const model::SafetensorsFolder weights(folder);
  for (const model::SafetensorsFile& file : weights.files()) {
    files[file.path().filename().string()] = file.path();
  }
  return files;
}

bool have_equal_files(const fs::path& a, const fs::path& b) {
  const auto of_a = weight_files(a), of_b = weight_files(b);
  return std::ranges::equal(of_a, of_b, [](const auto& x, const auto& y) {
    return x.first == y.first && have_same_bytes(x.second, y.second);
  });
}

WeightDifference difference_of_layer(const model::TensorSource& a, const model::TensorSource& b,
                                     const model::LinearLayer& layer) {
  const std::string name = layer.name + ".weight";
  return difference(a.read_matrix(name, layer.out_features, layer.in_features),
                    b.read_matrix(name, layer.out_features, layer.in_features));
}

JsonValue number_or_null(std::optional<double> number) {
  return number ? JsonValue(*number) : JsonValue();
}

}  // namespace

WeightDifference difference(MatrixView<const float> a, MatrixView<const float> b) {
  require(a.rows == b.rows && a.cols == b.cols, "matrices to compare have one shape");
  WeightDifference result;
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.cols; ++j) {
      const double x = a(i, j), d = x - b(i, j);
      apart += d * d;
      size += x * x;
      result.largest = std::max(result.largest, std::fabs(d));
    }
  }
  if (apart > 0)
    result.relative = size > 0 ? apart / size : std::numeric_limits<double>::infinity();
  return result;
}

const LayerComparison& Comparison::worst() const {
  require(!layers.empty(), "a comparison has layers");
  return *std::ranges::max_element(
      layers, {}, [](const LayerComparison& layer) { return layer.difference.relative; });
}

Comparison compare(const fs::path& a, const fs::path& b) {
  const ModelFacts of_a(a), of_b(b);
  require_comparable(a, of_a, b, of_b);
  Comparison comparison{a, b, have_equal_files(a, b), of_a.bits, of_b.bits, {}};
  const model::ModelConfig config = model::read_model_config(a);
  const auto weights_a = format::open_weights(a), weights_b = format::open_weights(b);
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
      comparison.layers.push_back({layer.name, difference_of_layer(*weights_a, *weights_b, layer),
                                   of_a.bits_of(layer.name), of_b.bits_of(layer.name)});
    }
  }
  return comparison;
}

JsonValue to_json(const Comparison& comparison) {
  JsonValue rows = JsonValue::list();
  for (const LayerComparison& layer : comparison.layers) {
    rows.append(JsonValue::object()
                    .set("name", layer.name)
                    .set("relative_difference", layer.difference.relative)
                    .set("largest_difference", layer.difference.largest)
                    .set("bits_a", number_or_null(layer.bits_of_a))
                    .set("bits_b", number_or_null(layer.bits_of_b)));
  }
  const LayerComparison& worst = comparison.worst();
  return JsonValue::object()
      .set("a", comparison.a.string())
      .set("b", comparison.b.string())
      .set("equal_files", comparison.has_equal_files)
      .set("bits_per_weight_a", number_or_null(comparison.bits_of_a))
      .set("bits_per_weight_b", number_or_null(comparison.bits_of_b))
      .set("worst_layer", worst.name)
      .set("worst_relative_difference", worst.difference.relative)
      .set("layers", std::move(rows));
}

}  // namespace tessera::jobs

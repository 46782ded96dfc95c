// make_packed_model MODEL OUTPUT [--v 8] [--k 256] [--kr 0] [--groups 1] [--outliers 0] [--v0 4]
// [--k0 16]
//                   [--perm] [--keep-perm] [--no-norm] [--dtype float16] [--shard-bytes N]
//                   [--store-tied-head]
// Packs every linear layer of a model folder with random codebooks and indices: a valid checkpoint
// without a solver. Its weights mean nothing; what matters is that every reader finds the same
// ones.
#include <filesystem>
#include <map>
#include <string>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/vptq_format.hpp"
#include "model/architecture.hpp"
#include "tests/format/random_vptq_layer.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;

/// "--name value" and "--flag" pairs after the two folders.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 3; i < argc; ++i) {
      const std::string name = argv[i];
      const bool has_value = i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--";
      values_[name] = has_value ? argv[++i] : "";
    }
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return has(name) ? values_.at(name) : otherwise;
  }
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    return has(name) ? std::stoull(values_.at(name)) : otherwise;
  }

 private:
  std::map<std::string, std::string> values_;
};

StoredType stored_type(const std::string& name) {
  if (name == "bfloat16") return StoredType::bfloat16;
  if (name == "float32") return StoredType::float32;
  return StoredType::float16;
}

test::RandomLayer wanted_layer(const model::LinearLayer& linear, const Options& options) {
  test::RandomLayer wanted;
  wanted.out_features = linear.out_features;
  wanted.in_features = linear.in_features;
  wanted.vector_len = options.number("--v", 8);
  wanted.num_centroids = options.number("--k", 256);
  wanted.num_res_centroids = options.number("--kr", 0);
  wanted.num_groups = options.number("--groups", 1);
  wanted.outlier_size = options.number("--outliers", 0);
  wanted.outlier_vector_len = options.number("--v0", 4);
  wanted.num_outlier_centroids = options.number("--k0", 16);
  wanted.stored_type = stored_type(options.text("--dtype", "float16"));
  wanted.has_perm = options.has("--perm") || options.has("--keep-perm");
  wanted.has_norm = !options.has("--no-norm");
  return wanted;
}

void pack(const fs::path& folder, const fs::path& output, const Options& options) {
  const model::ModelConfig config = model::read_model_config(folder);
  const model::SafetensorsFolder original(folder);
  std::map<std::string, test::RandomLayer> wanted;
  format::LayerSizes sizes;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& linear : model::linear_layers(config, block)) {
      wanted[linear.name] = wanted_layer(linear, options);
      sizes.emplace(linear.name, test::random_sizes(linear.name, wanted[linear.name]));
    }
  }
  const auto permutation =
      options.has("--keep-perm") ? format::Permutation::kept : format::Permutation::absorbed;
  const StoredType type = stored_type(options.text("--dtype", "float16"));
  const auto load = [&](const std::string& name) {
    return test::random_vptq_layer(name, wanted.at(name));
  };
  const format::PackedModel packed{.config = config,
                                   .original = original,
                                   .layers = format::vptq_tensors(sizes, load, permutation),
                                   .changed = {},
                                   .stored_type = type,
                                   .store_tied_head = options.has("--store-tied-head")};
  fs::create_directories(output);
  model::write_safetensors(output, format::packed_model_tensors(packed),
                           options.number("--shard-bytes", std::uint64_t{1} << 40));
  write_file_atomically(output / "config.json",
                        format::vptq_config_json(config, sizes, type, permutation));
  format::copy_companion_files(folder, output);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "make_packed_model MODEL OUTPUT [options, see the source]\n");
    return 2;
  }
  try {
    tessera::pack(argv[1], argv[2], tessera::Options(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}

#include <set>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/manifest.hpp"
#include "format/open_weights.hpp"
#include "format/residual_file.hpp"
#include "jobs/verify.hpp"
#include "model/architecture.hpp"
#include "model/check_tensors.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

bool is_floating(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

/// Adds to the findings what each of its steps refuses.
class OutputVerifier {
 public:
  explicit OutputVerifier(const fs::path& folder) : folder_(folder) {
    found_.path = folder;
    found_.kind = "output";
  }

  Verification run() {
    step([&] { compare_files(); });
    step([&] { read_tensors(); });
    step([&] { read_residuals(); });
    return std::move(found_);
  }

 private:
  template <class Step>
  void step(Step&& step) {
    try {
      step();
    } catch (const InputError& error) {
      found_.findings.emplace_back(error.what());
    }
  }

  void compare_files() {
    const format::Manifest manifest = format::read_manifest(folder_);
    found_.num_files = manifest.files.size();
    for (const std::string& problem : format::verify_files(folder_, manifest)) {
      found_.findings.push_back(fmt::format("{}: {}", folder_.string(), problem));
    }
  }

  void read_tensors() {
    const model::ModelConfig config = model::read_model_config(folder_);
    const auto weights = format::open_weights(folder_);
    for (const std::string& problem : model::tensor_problems(*weights, config)) {
      found_.findings.push_back(fmt::format("{}: {}.", folder_.string(), problem));
    }
    std::set<std::string> names;
    for (const auto& tensor : model::expected_tensors(config)) names.insert(tensor.name);
    for (const std::string& name : model::SafetensorsFolder(folder_).names()) names.insert(name);
    for (const std::string& name : names) {
      if (weights->contains(name)) step([&] { read_tensor(*weights, name); });
    }
  }

  /// Packed layers are unpacked and checked by their reader; integers can hold nothing wrong here.
  void read_tensor(const model::TensorSource& weights, const std::string& name) {
    const model::TensorInfo info = weights.info(name);
    if (!is_floating(info.dtype) || info.count() == 0) return;
    const std::size_t cols = info.shape.size() == 1 ? 1 : info.shape.back();
    Matrix<float> values(info.count() / cols, cols);
    weights.read(name, values.span());
    ++found_.num_tensors;
    const std::size_t bad = model::first_not_finite(values.span());
    if (bad == values.size()) return;
    found_.findings.push_back(fmt::format(
        "{}: tensor {} holds {} at row {}, column {} (weights must be finite).", folder_.string(),
        model::quote_name(name), values.data()[bad], bad / cols, bad % cols));
  }

  /// Those that a reader accepts are whole and finite.
  void read_residuals() {
    if (!format::holds_residuals(folder_)) return;
    const format::ResidualFile file(folder_);
    step([&] { file.require_base(folder_, model::read_model_config(folder_)); });
    for (const std::string& layer : file.layers()) {
      step([&] { file.read(layer); });
    }
    found_.num_tensors += file.num_tensors();
  }

  const fs::path& folder_;
  Verification found_;
};

}  // namespace

Verification verify_output(const fs::path& folder) {
  return OutputVerifier(folder).run();
}

}  // namespace tessera::jobs

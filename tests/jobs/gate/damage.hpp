#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "jobs/settings/job_settings.hpp"
#include "model/tensor_source.hpp"

// Ways in which an output can be damaged, for the tests of those who should notice.
namespace tessera::test {

struct StoredTensor {
  model::TensorInfo info;
  std::vector<std::byte> bytes;
};
using StoredTensors = std::map<std::string, StoredTensor>;

/// The tensors of one .safetensors file, and back.
StoredTensors read_tensors(const std::filesystem::path& file);
void write_tensors(const std::filesystem::path& file, const StoredTensors& tensors);

/// The file below @p folder that holds @p tensor.
std::filesystem::path file_of(const std::filesystem::path& folder, const std::string& tensor);
/// Lets @p change have the tensor, wherever it lies.
void edit_tensor(const std::filesystem::path& folder, const std::string& tensor,
                 const std::function<void(StoredTensor&)>& change);

/// Replaces text in a file; the test fails where it is not there.
void replace_text(const std::filesystem::path& file, const std::string& text,
                  const std::string& by);

/// What a format calls the codes and the scales of a layer.
struct LayerParts {
  std::string codes, scales;
};
LayerParts parts_of(jobs::OutputFormat format);

/// One way, and who has to say what.
struct Damage {
  std::string name;   ///< "flipped bit"
  std::string check;  ///< the check that has to name it
  std::string named;  ///< the tensor, file or key
  std::function<void(const std::filesystem::path& folder)> make;
  std::string check_of_gate = {}, named_by_gate = {};  ///< where that says it otherwise
};

/// The ways that a list of tensors and files can tell, of an output in several shards of a model
/// with tied embeddings and two blocks at least.
std::vector<Damage> damages(jobs::OutputFormat format);

}  // namespace tessera::test

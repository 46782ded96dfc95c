#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "model/safetensors_index.hpp"
#include "model/tensor_source.hpp"

namespace tessera::model {

/// A tensor to be written: its shape now, its bytes when its turn comes.
struct TensorToWrite {
  std::string name;
  TensorInfo info;
  std::function<void(std::span<std::byte> out)> fill;  ///< out.size() == bytes()

  std::size_t bytes() const { return info.count() * size_of(info.dtype); }
};

/// A file's own texts, its header's "__metadata__".
using Metadata = std::map<std::string, std::string>;

/// Which tensors go to which file.
struct ShardedFiles {
  std::vector<std::string> names;                 ///< "model-00001-of-00003.safetensors"
  std::vector<std::vector<std::size_t>> members;  ///< of each: indices into the tensors
};

/// Deals tensors out to files of at most @p max_shard_bytes of tensor data each, in the given
/// order, as transformers counts (a larger tensor gets a file of its own): model.safetensors when
/// all fit one file, else model-00001-of-0000N.safetensors, or with another @p stem. Pure, so that
/// ranks can share files out.
/// @pre tensors is not empty; names differ from each other and from "__metadata__"
ShardedFiles plan_files(const std::vector<TensorToWrite>& tensors, std::size_t max_shard_bytes,
                        std::string_view stem = kModelStem);

/// Writes all files of the plan and, last and where there are several, the index. Returns the file
/// names written. Files appear atomically; one tensor is in memory at a time.
std::vector<std::string> write_safetensors(const std::filesystem::path& folder,
                                           const std::vector<TensorToWrite>& tensors,
                                           std::size_t max_shard_bytes);

/// Writes model.safetensors.index.json where @p files are several; returns whether it did.
/// @param stem the one @p files were planned with
bool write_index(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                 const ShardedFiles& files, std::string_view stem = kModelStem);

/// One file of those, holding tensors[i] for i in @p members. Header keys are sorted; the header is
/// padded with spaces to a multiple of 8 bytes and the data sorted by size of element, largest
/// first, then by name, so that every tensor is aligned to its elements; metadata is {"format":
/// "pt"} and @p metadata.
/// @pre metadata has no key "format"
void write_safetensors_file(const std::filesystem::path& file,
                            const std::vector<TensorToWrite>& tensors,
                            std::span<const std::size_t> members, const Metadata& metadata = {});

/// How large that file will be; nothing is filled.
std::uint64_t safetensors_file_bytes(const std::vector<TensorToWrite>& tensors,
                                     std::span<const std::size_t> members,
                                     const Metadata& metadata = {});

/// The text of model.safetensors.index.json; @pre @p files are several
std::string index_text(const std::vector<TensorToWrite>& tensors, const ShardedFiles& files);

}  // namespace tessera::model

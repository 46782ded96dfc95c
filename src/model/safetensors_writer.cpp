#include "model/safetensors_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace tessera::model {
namespace {

/// Where the tensors of one file go: offsets from the start of the data, by index into the list.
std::map<std::size_t, std::size_t> offsets_of(const std::vector<TensorToWrite>& tensors,
                                              std::span<const std::size_t> members) {
  std::vector<std::size_t> order(members.begin(), members.end());
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const auto key = [&](const TensorToWrite& t) {
      return std::tuple(-static_cast<int>(size_of(t.info.dtype)), std::string_view(t.name));
    };
    return key(tensors[a]) < key(tensors[b]);
  });
  std::map<std::size_t, std::size_t> offsets;
  std::size_t next = 0;
  for (const std::size_t i : order) {
    offsets[i] = next;
    next += tensors[i].bytes();
  }
  return offsets;
}

/// The header's length and JSON, padded so that the data begins at a multiple of 8.
std::string header_bytes(const std::vector<TensorToWrite>& tensors,
                         const std::map<std::size_t, std::size_t>& offsets,
                         const Metadata& metadata) {
  nlohmann::json header;  // its objects are sorted by key
  require(!metadata.contains("format"), "the key format is the writer's");
  header["__metadata__"] = metadata;
  header["__metadata__"]["format"] = "pt";
  for (const auto& [i, begin] : offsets) {
    const TensorToWrite& tensor = tensors[i];
    require(!header.contains(tensor.name), "tensors to be written have names of their own");
    header[tensor.name] = {{"dtype", name_of(tensor.info.dtype)},
                           {"shape", tensor.info.shape},
                           {"data_offsets", {begin, begin + tensor.bytes()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xFFu);
  return length + text;
}

void write_bytes(std::ofstream& out, std::size_t offset, const char* bytes, std::size_t count,
                 const std::filesystem::path& file) {
  out.seekp(static_cast<std::streamoff>(offset));
  out.write(bytes, static_cast<std::streamsize>(count));
  out.flush();
  if (!out) {
    throw MachineError::from_errno(
        fmt::format("cannot write {} bytes to {} at offset {}", count, file.string(), offset));
  }
}

void write_whole(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                 std::span<const std::size_t> members, const Metadata& metadata) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!out) throw MachineError::from_errno("cannot create " + file.string());
  const auto offsets = offsets_of(tensors, members);
  const std::string header = header_bytes(tensors, offsets, metadata);
  write_bytes(out, 0, header.data(), header.size(), file);
  std::vector<std::byte> bytes;
  for (const std::size_t i : members) {
    bytes.assign(tensors[i].bytes(), std::byte{0});
    tensors[i].fill(bytes);
    write_bytes(out, header.size() + offsets.at(i), reinterpret_cast<const char*>(bytes.data()),
                bytes.size(), file);
  }
}

}  // namespace

void write_safetensors_file(const std::filesystem::path& file,
                            const std::vector<TensorToWrite>& tensors,
                            std::span<const std::size_t> members, const Metadata& metadata) {
  write_atomically(file, [&](const std::filesystem::path& temporary) {
    write_whole(temporary, tensors, members, metadata);
  });
}

std::uint64_t safetensors_file_bytes(const std::vector<TensorToWrite>& tensors,
                                     std::span<const std::size_t> members,
                                     const Metadata& metadata) {
  std::uint64_t bytes = header_bytes(tensors, offsets_of(tensors, members), metadata).size();
  for (const std::size_t i : members) bytes += tensors[i].bytes();
  return bytes;
}

std::string index_text(const std::vector<TensorToWrite>& tensors, const ShardedFiles& files) {
  ShardIndex index;
  std::size_t total_bytes = 0;
  for (std::size_t s = 0; s < files.names.size(); ++s) {
    for (const std::size_t i : files.members[s]) {
      require(index.emplace(tensors[i].name, files.names[s]).second,
              "tensors to be written have names of their own");
      total_bytes += tensors[i].bytes();
    }
  }
  return safetensors_index_json(index, total_bytes);
}

bool write_index(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                 const ShardedFiles& files, std::string_view stem) {
  const std::string text = index_text(tensors, files);  // checks the names
  if (files.names.size() == 1) return false;
  write_file_atomically(folder / index_file_name(stem), text);
  return true;
}

std::vector<std::string> write_safetensors(const std::filesystem::path& folder,
                                           const std::vector<TensorToWrite>& tensors,
                                           std::size_t max_shard_bytes) {
  const ShardedFiles plan = plan_files(tensors, max_shard_bytes);
  for (std::size_t s = 0; s < plan.names.size(); ++s) {
    write_safetensors_file(folder / plan.names[s], tensors, plan.members[s]);
  }
  std::vector<std::string> files = plan.names;
  if (write_index(folder, tensors, plan)) files.push_back(index_file_name());
  return files;
}

}  // namespace tessera::model

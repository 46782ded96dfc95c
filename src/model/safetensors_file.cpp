#include "model/safetensors_file.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace tessera::model {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

/// Calls use(piece, bytes before it) for consecutive pieces, and releases each when it has been
/// used.
template <class Use>
void for_each_piece(const MappedFile& mapping, std::span<const std::byte> bytes, Use use) {
  mapping.will_read(bytes);
  for (std::size_t begin = 0; begin < bytes.size(); begin += kPieceBytes) {
    const auto piece = bytes.subspan(begin, std::min(kPieceBytes, bytes.size() - begin));
    use(piece, begin);
    mapping.release(piece);
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file)
    : mapping_(file), header_(parse_safetensors_header(mapping_.bytes(), file.string())) {
  // The header's text is not needed again.
  mapping_.release(mapping_.bytes());
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : header_.entries) names.push_back(name);
  for (const auto& [name, type] : header_.unreadable) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

bool SafetensorsFile::contains(std::string_view name) const {
  return header_.entries.contains(name) || header_.unreadable.contains(name);
}

const SafetensorsEntry& SafetensorsFile::entry(std::string_view name) const {
  const auto found = header_.entries.find(name);
  if (found != header_.entries.end()) return found->second;
  const auto unreadable = header_.unreadable.find(name);
  if (unreadable == header_.unreadable.end()) {
    throw InputError(fmt::format("{} holds no tensor {}", path().string(), quote_name(name)));
  }
  throw InputError(
      fmt::format("{}: tensor {} has the element type {} (F32, F16 and BF16 weights can be "
                  "read). Convert the model first.",
                  path().string(), quote_name(name), quote_name(unreadable->second)));
}

std::span<const std::byte> SafetensorsFile::bytes(std::string_view name) const {
  const Entry& found = entry(name);
  return mapping_.bytes().subspan(found.offset, found.bytes);
}

void SafetensorsFile::read(std::string_view name, std::span<float> out) const {
  require(out.size() == entry(name).info.count(), "a tensor is read into a span of its own size");
  read_elements(name, 0, out);
}

void SafetensorsFile::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  const auto& shape = entry(name).info.shape;
  require(shape.size() == 2 && rows.end <= shape[0] && out.size() == rows.size() * shape[1],
          "rows of a matrix are read into a span of their own size");
  read_elements(name, rows.begin * shape[1], out);
}

void SafetensorsFile::read_elements(std::string_view name, std::size_t first,
                                    std::span<float> out) const {
  const Entry& found = entry(name);
  const DType type = found.info.dtype;
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16 && type != DType::f64) {
    throw InputError(fmt::format("{}: tensor {} is {} (F32, F16 or BF16 is expected of a weight)",
                                 path().string(), quote_name(name), found.info.to_text()));
  }
  const std::size_t element = size_of(type);
  const auto wanted = bytes(name).subspan(first * element, out.size() * element);
  for_each_piece(mapping_, wanted, [&](std::span<const std::byte> piece, std::size_t begin) {
    convert_to_float(type, piece.data(), out.subspan(begin / element, piece.size() / element));
  });
}

void SafetensorsFile::read_bytes(std::string_view name, std::span<std::byte> out) const {
  const auto stored = bytes(name);
  require(out.size() == stored.size(), "a tensor's bytes are read into a span of their own size");
  for_each_piece(mapping_, stored, [&](std::span<const std::byte> piece, std::size_t begin) {
    std::memcpy(out.data() + begin, piece.data(), piece.size());
  });
}

}  // namespace tessera::model

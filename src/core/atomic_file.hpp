#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

/// Makes @p file appear whole or not at all: @p write fills `<file>.tmp`, which is then flushed to
/// the disk and renamed, and the rename made durable. When @p write throws, the temporary file is
/// removed. Throws MachineError naming the path when the machine refuses.
void write_atomically(const std::filesystem::path& file,
                      const std::function<void(const std::filesystem::path& temporary)>& write);

/// The same for content at hand.
void write_file_atomically(const std::filesystem::path& file, std::string_view content);

/// Forces a written file, or a folder's entries, to the disk.
void sync_to_disk(const std::filesystem::path& file_or_folder);

/// Whole content of a text file. Throws InputError when it cannot be opened or is larger than @p
/// max_bytes.
std::string read_text_file(const std::filesystem::path& file,
                           std::size_t max_bytes = std::size_t{1} << 30);

}  // namespace tessera

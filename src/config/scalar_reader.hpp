#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "config/read_context.hpp"
#include "core/describe.hpp"

// Reads one value each; what is wrong with it goes to the context under @p key, and the value keeps
// its default.
namespace tessera::config {

/// A whole number as written, before the type it is read into bounds it.
struct WholeNumber {
  bool is_negative = false;
  std::uint64_t magnitude = 0;
};

/// What an integer type holds.
struct WholeLimits {
  std::uint64_t below_zero;  ///< magnitude of the least value
  std::uint64_t above_zero;  ///< the greatest value
};

void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, bool& value);
void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, double& value);
void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, std::string& value);
void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, std::filesystem::path& value);

/// nullopt when a problem was reported.
std::optional<WholeNumber> read_whole_number(ReadContext& context, const Node& node,
                                             const std::string& key, const FieldNotes& notes,
                                             WholeLimits limits);
/// The index of the name; nullopt when a problem was reported.
std::optional<std::size_t> read_name(ReadContext& context, const Node& node, const std::string& key,
                                     std::span<const std::string> names);

/// "20GiB", "1.5 GB", "4096" in bytes; nullopt when @p text is no size or too large.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace tessera::config

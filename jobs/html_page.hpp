#pragma once
#include <string>

// The parts that pages share. A page needs nothing else: no scripts, no other files; it reads in
// light and dark. Names, texts and titles are escaped here, bodies are HTML.
namespace tessera::jobs {

/// A whole page below a heading; @p footer is a line of small print.
std::string html_page(const std::string& title, const std::string& heading,
                      const std::string& subtitle, const std::string& body,
                      const std::string& footer);

/// A figure in large type with what it is above it and what to know about it below it. Tiles stand
/// side by side in a <div class="tiles">.
std::string html_tile(const std::string& name, const std::string& value, const std::string& note);

std::string html_section(const std::string& title, const std::string& text,
                         const std::string& body);

/// @p body behind a line that opens it.
std::string html_folded(const std::string& title, const std::string& body);

}  // namespace tessera::jobs

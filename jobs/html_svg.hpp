#pragma once
#include <string>
#include <string_view>

// What all drawings are made of: inline SVG that needs no script and takes its colours from the
// page's style, by classes. Lengths are in pixels of the drawing.
namespace tessera::jobs {

/// @p text with &, <, >, " and ' replaced: safe between tags and in attributes. Control characters
/// go.
std::string escape_html(std::string_view text);

/// Begins a drawing that shrinks with the page; @p title is read out instead of it.
std::string open_svg(const std::string& title, double width, double height);
inline constexpr std::string_view kCloseSvg = "</svg></div>\n";

/// @p kind: a class, "label" or "value"; @p anchor: "start", "middle" or "end" of it stands at x.
std::string svg_text(double x, double y, const char* kind, const char* anchor,
                     const std::string& content);

}  // namespace tessera::jobs

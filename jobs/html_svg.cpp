#include "jobs/html_svg.hpp"

#include <fmt/format.h>

namespace tessera::jobs {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

std::string open_svg(const std::string& title, double width, double height) {
  return fmt::format(
      "<div class=\"wide\"><svg viewBox=\"0 0 {0:g} {1:g}\" style=\"max-width:{0:g}px\" "
      "role=\"img\" aria-label=\"{2}\">\n",
      width, height, escape_html(title));
}

std::string svg_text(double x, double y, const char* kind, const char* anchor,
                     const std::string& content) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\">{}</text>\n",
                     x, y, kind, anchor, escape_html(content));
}

}  // namespace tessera::jobs

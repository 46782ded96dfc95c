#include "jobs/html_page.hpp"

#include <fmt/format.h>

#include "jobs/html_svg.hpp"
#include "jobs/report_style.hpp"

namespace tessera::jobs {

std::string html_page(const std::string& title, const std::string& heading,
                      const std::string& subtitle, const std::string& body,
                      const std::string& footer) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>{}</style>\n"
      "</head>\n<body>\n<main>\n<header><h1>{}</h1><p>{}</p></header>\n{}"
      "<footer>{}</footer>\n</main>\n</body>\n</html>\n",
      escape_html(title), kReportStyle, escape_html(heading), escape_html(subtitle), body,
      escape_html(footer));
}

std::string html_tile(const std::string& name, const std::string& value, const std::string& note) {
  return fmt::format(
      "<div class=\"tile\"><div class=\"name\">{}</div><div class=\"figure\">{}</div>"
      "<div class=\"note\">{}</div></div>\n",
      escape_html(name), escape_html(value), escape_html(note));
}

std::string html_section(const std::string& title, const std::string& text,
                         const std::string& body) {
  return fmt::format("<section><h2>{}</h2>\n<p>{}</p>\n{}</section>\n", escape_html(title),
                     escape_html(text), body);
}

std::string html_folded(const std::string& title, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escape_html(title), body);
}

}  // namespace tessera::jobs

#include "config/utf8.hpp"

#include <string>

#include <gtest/gtest.h>

namespace tessera::config {
namespace {

TEST(FindNoText, AcceptsTheEndsOfEveryForm) {
  for (const char* text :
       {"", "a\t\r\n~", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    const std::string_view all = text;
    EXPECT_EQ(find_no_text(all), all.size()) << text;
  }
}

TEST(FindNoText, RefusesOtherBytesWhereTheyStand) {
  for (const char* text : {"\x01", "\x7F", "\x80", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xC2y",
                           "\xE0\x9F\x80", "\xE2\x82", "\xED\xA0\x80", "\xF0\x8F\x80\x80",
                           "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE1\x80y"}) {
    EXPECT_EQ(find_no_text(std::string("ab") + text + "z"), 2U) << text;
    EXPECT_EQ(find_no_text(std::string("ab") + text), 2U) << text;
  }
  EXPECT_EQ(find_no_text(std::string("a\0b", 3)), 1U);
}

}  // namespace
}  // namespace tessera::config

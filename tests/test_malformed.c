/* Malformed data files, and the exact message of each: what a user reads who has that file. */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "recipes/task.h"
#include "tests/support.h"

#define TSV   HONE_FORMAT_TSV
#define CSV   HONE_FORMAT_CSV
#define JSONL HONE_FORMAT_JSONL

struct malformed {
    enum hone_data_format format;
    bool header;
    const char *columns; /* text and label */
    const char *bytes;
    size_t n;
    const char *message;
};
#define BYTES(text) text, sizeof(text) - 1

static const struct malformed rows[] = {
    {TSV, true, "text label", BYTES(""), "data: the file is empty"},
    {CSV, true, "text label", BYTES(""), "data: the file is empty"},
    {JSONL, true, "text label", BYTES(""), "data: the file is empty"},
    {TSV, true, "text label", BYTES("\xef\xbb\xbf"), "data: the file is empty"},
    {CSV, true, "text label", BYTES("\xef\xbb\xbf"), "data: the file is empty"},
    {JSONL, true, "text label", BYTES("\xef\xbb\xbf"), "data: the file is empty"},
    {TSV, true, "text label", BYTES("text\tlabel\n"), "data: no rows after the header"},
    {CSV, true, "text label", BYTES("text,label\n"), "data: no rows after the header"},
    {TSV, true, "text label", BYTES("\n"), "data:1: the line is empty, expected a row; remove it"},
    {CSV, true, "text label", BYTES("\n"), "data:1: the line is empty, expected a row; remove it"},
    {JSONL, true, "text label", BYTES("\n"), "data:1: the line is empty, expected a row; remove it"},
    {TSV, true, "text label", BYTES("\n\n"), "data:1: the line is empty, expected a row; remove it"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\n\n\n"),
     "data:2: the line is empty, expected a row; remove it"},
    {CSV, true, "text label", BYTES("text,label\n\na,b\n"), "data:2: the line is empty, expected a row; remove it"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\n\n"), "data:3: the line is empty, expected a row; remove it"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tb\n\r\nc\td\n"),
     "data:3: the line is empty, expected a row; remove it"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xff\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xFF), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xc0\x80\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xC0), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xed\xa0\x80\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xED), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xf4\x90\x80\x80\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xF4), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xe2\x82\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xE2), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\x80\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0x80), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\xc3\tb\n"),
     "data:2: byte 2: invalid UTF-8 (0xC3), save the file as UTF-8"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\ny\xff\",b\n"),
     "data:4: byte 2: invalid UTF-8 (0xFF), save the file as UTF-8"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\ny\xc0\x80\",b\n"),
     "data:4: byte 2: invalid UTF-8 (0xC0), save the file as UTF-8"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\ny\xed\xa0\x80\",b\n"),
     "data:4: byte 2: invalid UTF-8 (0xED), save the file as UTF-8"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\ny\xf4\x90\x80\x80\",b\n"),
     "data:4: byte 2: invalid UTF-8 (0xF4), save the file as UTF-8"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\"\xff\",\"label\":\"b\"}\n"),
     "data:2: byte 10: invalid UTF-8 (0xFF), save the file as UTF-8"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\"\xc0\x80\",\"label\":\"b\"}\n"),
     "data:2: byte 10: invalid UTF-8 (0xC0), save the file as UTF-8"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\"\xed\xa0\x80\",\"label\":\"b\"}\n"),
     "data:2: byte 10: invalid UTF-8 (0xED), save the file as UTF-8"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\"\xf4\x90\x80\x80\",\"label\":\"b\"}\n"),
     "data:2: byte 10: invalid UTF-8 (0xF4), save the file as UTF-8"},
    {TSV, true, "text label",
     BYTES("\xff\xfet\x00"
           "e\x00x\x00t\x00\t\x00l\x00"
           "a\x00"
           "b\x00"
           "e\x00l\x00\n\x00"
           "a\x00\t\x00"
           "b\x00\n\x00"),
     "data:1: byte 1: invalid UTF-8 (0xFF), which begins UTF-16, save the file as UTF-8"},
    {CSV, true, "text label", BYTES("\xfe\xff\x00t"),
     "data:1: byte 1: invalid UTF-8 (0xFE), which begins UTF-16, save the file as UTF-8"},
    {JSONL, true, "text label",
     BYTES("\xff\xfe{\x00\"\x00t\x00"
           "e\x00x\x00t\x00\"\x00:\x00\"\x00"
           "a\x00\"\x00}\x00"),
     "data:1: byte 1: invalid UTF-8 (0xFF), which begins UTF-16, save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\ncaf\xe9\tb\n"),
     "data:2: byte 4: invalid UTF-8 (0xE9), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("\xff\xfe\x00\x00t"),
     "data:1: byte 1: invalid UTF-8 (0xFF), which begins UTF-16, save the file as UTF-8"},
    {TSV, true, "text label", BYTES("text\tlabel\na\n"), "data:2: 1 column, expected 2 as in line 1"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tb\tc\n"), "data:2: 3 columns, expected 2 as in line 1"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tb\nc\n"), "data:3: 1 column, expected 2 as in line 1"},
    {CSV, true, "text label", BYTES("text,label\na\n"), "data:2: 1 column, expected 2 as in line 1"},
    {CSV, true, "text label", BYTES("text,label\na,b,c\n"), "data:2: 3 columns, expected 2 as in line 1"},
    {CSV, true, "text label", BYTES("text,label\n\"a,b\"\n"), "data:2: 1 column, expected 2 as in line 1"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\ny\",b,c\n"), "data:3: 3 columns, expected 2 as in line 1"},
    {CSV, true, "text label", BYTES("text,label\n,,\n"), "data:2: 3 columns, expected 2 as in line 1"},
    {TSV, true, "text label", BYTES("a\tb\n1\t2\n"), "data: no column \"text\"; the columns are \"a\", \"b\""},
    {TSV, true, "text label", BYTES("text\tb\n1\t2\n"), "data: no column \"label\"; the columns are \"text\", \"b\""},
    {TSV, true, "text label", BYTES("text\ttext\tlabel\n1\t2\t3\n"),
     "data: more than one column \"text\"; the columns are \"text\", \"text\", \"label\""},
    {CSV, true, "text label", BYTES("text,label,label\n1,2,3\n"),
     "data: more than one column \"label\"; the columns are \"text\", \"label\", \"label\""},
    {CSV, true, "text label", BYTES("Text,Label\n1,2\n"),
     "data: no column \"text\"; the columns are \"Text\", \"Label\""},
    {CSV, true, "text label", BYTES(" text,label\n1,2\n"),
     "data: no column \"text\"; the columns are \" text\", \"label\""},
    {CSV, true, "text label", BYTES("\"te\"\"xt\",label\n1,2\n"),
     "data: no column \"text\"; the columns are \"te\"xt\", \"label\""},
    {TSV, true, "text label", BYTES("text,label\na,b\n"), "data: no column \"text\"; the columns are \"text,label\""},
    {CSV, true, "text label", BYTES("text\tlabel\na\tb\n"),
     "data: no column \"text\"; the columns are \"text\\x09label\""},
    {CSV, true, "text label", BYTES("text;label\na;b\n"), "data: no column \"text\"; the columns are \"text;label\""},
    {TSV, false, "0 2", BYTES("a\tb\n"), "data: no column \"2\"; without a header columns are numbers, 0 to 1"},
    {CSV, false, "5 0", BYTES("a,b\n"), "data: no column \"5\"; without a header columns are numbers, 0 to 1"},
    {TSV, false, "x 0", BYTES("a\tb\n"), "data: no column \"x\"; without a header columns are numbers, 0 to 1"},
    {TSV, false, "0 -1", BYTES("a\tb\n"), "data: no column \"-1\"; without a header columns are numbers, 0 to 1"},
    {CSV, false, "0 99999999999", BYTES("a,b\n"),
     "data: no column \"99999999999\"; without a header columns are numbers, 0 to 1"},
    {TSV, true, "text label", BYTES("te\x1bxt\tlabel\n1\t2\n"),
     "data: no column \"text\"; the columns are \"te\\x1bxt\", \"label\""},
    {CSV, true, "text label", BYTES("text,label\n\"a,b\n"), "data:2: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\na,\"b\n"), "data:2: byte 3: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\n\"a\"b,c\n"),
     "data:2: byte 4: text behind a closing quote, expected a comma or the end of the line"},
    {CSV, true, "text label", BYTES("text,label\n\"a\" ,c\n"),
     "data:2: byte 4: text behind a closing quote, expected a comma or the end of the line"},
    {CSV, true, "text label", BYTES("text,label\n\"a\",b\"c\n"),
     "data:2: byte 6: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {CSV, true, "text label", BYTES("text,label\na\"b,c\n"),
     "data:2: byte 2: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {CSV, true, "text label", BYTES("text,label\na,b\"\n"),
     "data:2: byte 4: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {CSV, true, "text label", BYTES("text,label\n\"a\n\"b,c\n"),
     "data:3: byte 2: text behind a closing quote, expected a comma or the end of the line"},
    {CSV, true, "text label", BYTES("text,label\n\"a\"\"b,c\n"), "data:2: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\n\"a\",\"b\nc,d\n"), "data:2: byte 5: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\n\"a\"\rb,c\n"),
     "data:2: byte 4: text behind a closing quote, expected a comma or the end of the line"},
    {CSV, true, "text label", BYTES("text,label\n\"a\"\r,c\n"),
     "data:2: byte 4: text behind a closing quote, expected a comma or the end of the line"},
    {CSV, true, "text label", BYTES("text,label\n \"a\",b\n"),
     "data:2: byte 2: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {CSV, true, "text label", BYTES("text,label\n\""), "data:2: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\n\"\"\",b\n"), "data:2: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\n\"a\"\",b\n"), "data:2: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("text,label\nx,\"\n"), "data:2: byte 3: this quote is never closed"},
    {CSV, true, "text label", BYTES("\"text,label\na,b\n"), "data:1: byte 1: this quote is never closed"},
    {CSV, true, "text label", BYTES("te\"xt,label\na,b\n"),
     "data:1: byte 3: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {CSV, true, "text label", BYTES("text,label\na,b\n\"x\n\n\ny\"z,b\n"),
     "data:6: byte 3: text behind a closing quote, expected a comma or the end of the line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n[1]\n"),
     "data:2: byte 1: found \"[\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n\"a\"\n"),
     "data:2: byte 1: found a quote, expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n1\n"),
     "data:2: byte 1: found \"1\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\nnull\n"),
     "data:2: byte 1: found \"n\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\ntru\n"),
     "data:2: byte 1: found \"t\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\n"),
     "data:2: byte 2: the line ends here, expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n}\n"),
     "data:2: byte 1: found \"}\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\"\n"),
     "data:2: byte 8: the line ends here, expected a colon"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\n"),
     "data:2: byte 9: the line ends here, expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\"\n"),
     "data:2: byte 12: the line ends here, expected a comma or }"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\n"),
     "data:2: byte 13: the line ends here, expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",}\n"),
     "data:2: byte 13: found \"}\", expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\" \"a\"}\n"),
     "data:2: byte 9: found a quote, expected a colon"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\" \"label\":\"b\"}\n"),
     "data:2: byte 13: found a quote, expected a comma or }"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{text:\"a\"}\n"),
     "data:2: byte 2: found \"t\", expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{'text':'a'}\n"),
     "data:2: byte 2: found \"'\", expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":\"b\"} x\n"),
     "data:2: byte 26: found \"x\", expected the end of the line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":\"b\"},\n"),
     "data:2: byte 25: found \",\", expected the end of the line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":\"b\"}{}\n"),
     "data:2: byte 25: found \"{\", expected the end of the line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\n\n"),
     "data:2: byte 11: the line ends here, expected a closing quote (control characters in strings are written as "
     "escapes)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\tb\",\"label\":\"c\"}\n"),
     "data:2: byte 11: found \"\\x09\", expected a closing quote (control characters in strings are written as "
     "escapes)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\x\",\"label\":\"c\"}\n"),
     "data:2: byte 10: found \"\\\", expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\u12\",\"label\":\"c\"}\n"),
     "data:2: byte 10: found \"\\\", expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\ud800\",\"label\":\"c\"}\n"),
     "data:2: byte 10: found \"\\\", expected a character (this is half a surrogate pair)"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\ud800\\u0041\",\"label\":\"c\"}\n"),
     "data:2: byte 10: found \"\\\", expected a character (this is half a surrogate pair)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\udc00\",\"label\":\"c\"}\n"),
     "data:2: byte 10: found \"\\\", expected a character (this is half a surrogate pair)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"\\u00zz\"}\n"),
     "data:2: byte 10: found \"\\\", expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\\\n"),
     "data:2: byte 11: found \"\\\", expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":01,\"label\":1}\n"),
     "data:2: byte 9: found \"0\", expected a number without a leading zero"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":-,\"label\":1}\n"),
     "data:2: byte 10: found \",\", expected a digit"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":1.,\"label\":1}\n"),
     "data:2: byte 11: found \",\", expected a digit"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":.5,\"label\":1}\n"),
     "data:2: byte 9: found \".\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":1e,\"label\":1}\n"),
     "data:2: byte 11: found \",\", expected a digit"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":+1,\"label\":1}\n"),
     "data:2: byte 9: found \"+\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":NaN,\"label\":1}\n"),
     "data:2: byte 9: found \"N\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":Infinity}\n"),
     "data:2: byte 9: found \"I\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":True}\n"),
     "data:2: byte 9: found \"T\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":nul,\"label\":1}\n"),
     "data:2: byte 9: found \"n\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[1,]}\n"),
     "data:2: byte 24: found \"]\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[1 2]}\n"),
     "data:2: byte 24: found \"2\", expected a comma or ]"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[1\n"),
     "data:2: byte 23: the line ends here, expected a comma or ]"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[[1]]}\n"),
     "data:2: byte 22: found \"[\", expected a string, number, true or false in a list that is read"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[{}]}\n"),
     "data:2: byte 22: found \"{\", expected a string, number, true or false in a list that is read"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[null]}\n"),
     "data:2: byte 22: found \"n\", expected a string, number, true or false in a list that is read"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"text\":\"b\",\"label\":1}\n"),
     "data:2: byte 13: this key is there twice"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"label\":2}\n"),
     "data:2: byte 23: this key is there twice"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"z\":tru}\n"),
     "data:2: byte 27: found \"t\", expected a value"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"z\":[1,{\"y\":}]}\n"),
     "data:2: byte 35: found \"}\", expected a value"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"z\":\"\x01\"}\n"),
     "data:2: byte 28: found \"\\x01\", expected a closing quote (control characters in strings are written as "
     "escapes)"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"z\":{\"a\":1,,}}\n"),
     "data:2: byte 34: found \",\", expected a key in quotes"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1,\"z\":{1:2}}\n"),
     "data:2: byte 28: found \"1\", expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":1 /* no */}\n"),
     "data:2: byte 23: found \"/\", expected a comma or }"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{,\"text\":1}\n"),
     "data:2: byte 2: found \",\", expected a key in quotes"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"\":1}\n"),
     "data:2: no field \"text\"; the object has \"\""},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\"}\n"),
     "data:2: no field \"label\"; the object has \"text\""},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"label\":\"a\"}\n"),
     "data:2: no field \"text\"; the object has \"label\""},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{}\n"),
     "data:2: no field \"text\"; the object has none"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":null,\"label\":1}\n"),
     "data:2: the field \"text\" is null, expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":null}\n"),
     "data:2: the field \"label\" is null, expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":{\"a\":1},\"label\":1}\n"),
     "data:2: the field \"text\" is an object, expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":[\"a\",\"b\"],\"label\":1}\n"),
     "data:2: the field \"text\" is a list of 2, expected one value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":[],\"label\":1}\n"),
     "data:2: the field \"text\" is a list of 0, expected one value"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[\"x\",\"y\"]}\n"),
     "data:2: the field \"label\" is a list of 2, expected one value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":{\"x\":1}}\n"),
     "data:2: the field \"label\" is an object, expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\",\"label\":[]}\n"),
     "data:2: the field \"label\" is a list of 0, expected one value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"Text\":\"a\",\"label\":1}\n"),
     "data:2: no field \"text\"; the object has \"Text\", \"label\""},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n\x00\n"),
     "data:2: byte 1: found \"\\x00\", expected an object in braces on each line"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"text\":\"a\x00"
           "b\",\"label\":1}\n"),
     "data:2: byte 11: found \"\\x00\", expected a closing quote (control characters in strings are written as "
     "escapes)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"ok\",\"label\":\"fine\"}\n{\"te\x00xt\":\"a\",\"label\":1}\n"),
     "data:2: byte 5: found \"\\x00\", expected a closing quote (control characters in strings are written as "
     "escapes)"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"a\",\"label\":1,\"z\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]"
           "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"),
     "data:1: byte 90: found \"[\", expected at most 64 levels of lists and objects"},
    {JSONL, true, "text label",
     BYTES("{\"text\":\"a\",\"label\":1,\"z\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
           "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
           "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
           "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
           "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}"
           "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"),
     "data:1: byte 342: found \"{\", expected at most 64 levels of lists and objects"},
    {JSONL, true, "a.c label", BYTES("{\"a\":{\"b\":1},\"label\":2}"),
     "data:1: no field \"a.c\"; the object has \"a\", \"label\""},
    {JSONL, true, "a.b label", BYTES("{\"a\":{\"b\":{\"c\":1}},\"label\":2}"),
     "data:1: the field \"a.b\" is an object, expected a value"},
    {JSONL, true, "a.b label", BYTES("{\"a\":[{\"b\":1}],\"label\":2}"),
     "data:1: no field \"a.b\"; the object has \"a\", \"label\""},
    {JSONL, true, "text label", BYTES("text,label\na,b\n"),
     "data:1: byte 1: found \"t\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("text\tlabel\na\tb\n"),
     "data:1: byte 1: found \"t\", expected an object in braces on each line"},
    {CSV, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\n"),
     "data:1: byte 2: a quote inside a field without quotes, expected the whole field in quotes and the quote doubled "
     "(RFC 4180)"},
    {TSV, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\n"),
     "data: no column \"text\"; the columns are \"{\"text\":\"a\",\"label\":\"b\"}\""},
    {TSV, true, "text label", BYTES("text\tlabel\na\t\n"), "data:2: the label is empty, expected a name"},
    {CSV, true, "text label", BYTES("text,label\na,\n"), "data:2: the label is empty, expected a name"},
    {CSV, true, "text label", BYTES("text,label\na,\"\"\n"), "data:2: the label is empty, expected a name"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"\"}"),
     "data:1: the label is empty, expected a name"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tx\x00y\n"), "data:2: the label holds a NUL, expected a name"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"\\u0000\"}"),
     "data:1: the label holds a NUL, expected a name"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tx\nb\tx\n"),
     "data: only one label (\"x\") in the training data, expected two or more; name all of them in task.labels"},
    {CSV, true, "text label", BYTES("text,label\na,x\n"),
     "data: only one label (\"x\") in the training data, expected two or more; name all of them in task.labels"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":true}\n{\"text\":\"b\",\"label\":true}"),
     "data: only one label (\"true\") in the training data, expected two or more; name all of them in task.labels"},
    {TSV, true, "text label", BYTES("\x1f\x8b\x08\x00\x00"),
     "data: the gzip data ends too early, at byte 5; fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00"
           "D_+*\x0f\x00\x00"),
     "data: the gzip data ends too early, at byte 34; fetch or pack the file again"},
    {TSV, true, "text label", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I"),
     "data: the gzip data ends too early, at byte 12; fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad("
           "\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00\x00\x00\x00\x00\x0f\x00\x00\x00"),
     "data: the gzip data is damaged near byte 31 (incorrect data check); fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00"
           "D_+*\x01\x01\x01\x01"),
     "data: the gzip data is damaged near byte 35 (incorrect length check); fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00"
           "D_+*\x0f\x00\x00\x00garbage"),
     "data: the gzip data is damaged near byte 37 (incorrect header check); fetch or pack the file again"},
    {TSV, true, "text label", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     "data: the gzip data is damaged near byte 11 (invalid block type); fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\xff\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00"
           "D_+*\x0f\x00\x00\x00"),
     "data: the gzip data is damaged near byte 4 (unknown header flags set); fetch or pack the file again"},
    {CSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xe4L\xe2\x02\x00"
           "D_+*\x0f\x00\x00\x00"),
     "data: no column \"text\"; the columns are \"text\\x09label\""},
    {TSV, true, "text label", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
     "data: the file is empty"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+I\xad(\xe1\xccILJ\xcd\xe1J\xfc\xcf\x99\xc4\x05\x00P$"
           "\xe7\t\x10\x00\x00\x00"),
     "data:2: byte 2: invalid UTF-8 (0xFF), save the file as UTF-8"},
    {TSV, true, "text label",
     BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x93\xef\xe6`\x00\x01&fm\xcf\xb5\x1a\x0f\xcfx\xfax\x9d}"
           "\xe8\xf5\xc4\xe7\x11\x13\x83K\xbc\xb6\x16?P\n\x00\x1d)~u#\x00\x00\x00"),
     "data:1: byte 2: invalid UTF-8 (0x8B), save the file as UTF-8"},
    {TSV, true, "text label", BYTES("(\xb5/\xfd"),
     "data: the zstd data ends too early, at byte 4; fetch or pack the file again"},
    {TSV, true, "text label", BYTES("(\xb5/\xfd$\x0fy\x00\x00text"),
     "data: the zstd data ends too early, at byte 13; fetch or pack the file again"},
    {TSV, true, "text label",
     BYTES("(\xb5/\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     "data: the zstd data is damaged near byte 0 (Unsupported frame parameter); fetch or pack the file again"},
    {JSONL, true, "text label", BYTES("(\xb5/\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
     "data: the zstd data ends too early, at byte 16; fetch or pack the file again"},
    {TSV, true, "text label", BYTES("PK\x03\x04\x14\x00\x00\x00"),
     "data: no column \"text\"; the columns are \"PK\\x03\\x04\\x14\\x00\\x00\\x00\""},
    {CSV, true, "text label", BYTES("SQLite format 3\x00"),
     "data: no column \"text\"; the columns are \"SQLite format 3\\x00\""},
    {CSV, true, "text label", BYTES("\x89PNG\r\n\x1a\n"),
     "data:1: byte 1: invalid UTF-8 (0x89), save the file as UTF-8"},
    {JSONL, true, "text label", BYTES("PAR1\x15\x04\x15"),
     "data:1: byte 1: found \"P\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("%PDF-1.4\n"),
     "data:1: byte 1: found \"%\", expected an object in braces on each line"},
    {CSV, true, "text label", BYTES("text,label\r\n\"a\r\nb\"x,c\r\n"),
     "data:3: byte 3: text behind a closing quote, expected a comma or the end of the line"},
    {TSV, true, "text label", BYTES("\ttext\n1\t2\n"), "data: no column \"label\"; the columns are \"\", \"text\""},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":1}\r\n{\"text\":\"b\"\r\n"),
     "data:2: byte 12: the line ends here, expected a comma or }"},
    {CSV, true, "text label", BYTES("text,label\r\na\r\n"), "data:2: 1 column, expected 2 as in line 1"},
    {JSONL, true, "text label", BYTES("{\"text\":\"\\uD83D\\uDE0\",\"label\":1}"),
     "data:1: byte 10: found \"\\\", expected a character (this is half a surrogate pair)"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":-01}"),
     "data:1: byte 22: found \"0\", expected a number without a leading zero"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":1.5e+}"),
     "data:1: byte 26: found \"}\", expected a digit"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":00}"),
     "data:1: byte 21: found \"0\", expected a number without a leading zero"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":0x1}"),
     "data:1: byte 22: found \"x\", expected a comma or }"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":1_000}"),
     "data:1: byte 22: found \"_\", expected a comma or }"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":[true,fals]}"),
     "data:1: byte 27: found \"f\", expected a value"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\",\"label\":\"b\"}\x0b"),
     "data:1: byte 25: found \"\\x0b\", expected the end of the line"},
    {JSONL, true, "text label", BYTES("\xe2\x80\xa8{\"text\":\"a\"}"),
     "data:1: byte 1: found \"\xe2\x80\xa8\", expected an object in braces on each line"},
    {JSONL, true, "text label", BYTES("{\"text\":\"a\"\xc2\xa0,\"label\":\"b\"}"),
     "data:1: byte 12: found \"\xc2\xa0\", expected a comma or }"},
    {JSONL, true, "text label", BYTES("[{\"text\":\"a\",\"label\":\"b\"}]"),
     "data:1: byte 1: found \"[\", expected an object in braces on each line"},
    {TSV, true, "text label", BYTES("text\tlabel\na\tb\n\nc\td\n"),
     "data:3: the line is empty, expected a row; remove it"},
    {CSV, true, "text label", BYTES(",\n,\n"), "data: no column \"text\"; the columns are \"\", \"\""},
    {CSV, true, "text label", BYTES("text,label\na,b\n,\n"), "data:3: the label is empty, expected a name"},
    {CSV, true, "text label", BYTES("text,label\r\r\na,b\n"),
     "data: no column \"label\"; the columns are \"text\", \"label\\x0d\""},
};

static const char *path;

/* The message without the folder in front of the file's name. */
static const char *message_of(const struct malformed *row) {
    struct hone_recipe recipe = {0};
    struct hone_labels labels = {0};
    char *names = hone_strdup(row->columns, "test"), *space = strchr(names, ' '), *item = (char *)(uintptr_t)path;
    *space = 0;
    recipe.data.train = (struct hone_strings){&item, 1};
    recipe.data.format = row->format;
    recipe.data.header = row->header;
    recipe.data.text.name = names;
    struct hone_column label = {.name = space + 1, .number = -1};
    recipe.data.label = (struct hone_columns){&label, 1};
    recipe.data.text_pair.number = -1;
    FILE *file = fopen(path, "wb"); /* without the sync that a test of thousands can't wait for */
    assert_non_null(file);
    assert_int_equal(fwrite(row->bytes, 1, row->n, file), row->n);
    assert_int_equal(fclose(file), 0);
    enum hone_status status =
        hone_task_find(HONE_TASK_SEQUENCE_CLASSIFICATION, HONE_SINGLE_LABEL)->collect_labels(&labels, &recipe);
    hone_labels_free(&labels);
    hone_free(names);
    if (status != HONE_BAD_INPUT) return status == HONE_OK ? "no fault" : "another status";
    const char *message = hone_error_message();
    size_t n = strlen(path) - strlen("data");
    return strncmp(message, path, n) == 0 ? message + n : message;
}

static void each_has_its_message(void **state) {
    (void)state;
    enum { N = sizeof rows / sizeof *rows };
    int wrong = 0;
    for (size_t i = 0; i < N; i++) {
        const char *got = message_of(&rows[i]);
        if (strcmp(got, rows[i].message) == 0) continue;
        print_error("row %zu: got      %s\n        expected %s\n", i, got, rows[i].message);
        wrong++;
    }
    assert_int_equal(wrong, 0);
    assert_true(N >= 200);
}

/* Too large for the table: what stands in a message must not grow with the file. */
static void long_ones(void **state) {
    (void)state;
    struct hone_text text = {0};
    hone_text_format(&text, "text,label\nx,y\n\"");
    for (int i = 0; i < 300000; i++) hone_text_append(&text, "x\n", 2);
    struct malformed row = {CSV, true, "text label", text.bytes, text.length, NULL};
    assert_string_equal(message_of(&row), "data:3: byte 1: this quote is never closed");
    text.length = 0;
    hone_text_format(&text, "{\"text\":\"x\",\"label\":[");
    for (int i = 0; i < 300000; i++) hone_text_append(&text, "\"y\",", 4);
    row = (struct malformed){JSONL, true, "text label", text.bytes, text.length, NULL};
    assert_string_equal(message_of(&row), "data:1: byte 1200022: the line ends here, expected a value");
    text.length = 0;
    hone_text_format(&text, "text\tlabel\n");
    for (int i = 0; i <= 10000; i++) hone_text_format(&text, "t\tl%d\n", i);
    row = (struct malformed){TSV, true, "text label", text.bytes, text.length, NULL};
    assert_string_equal(message_of(&row), "data: more than 10000 different labels; is data.label the right column?");
    hone_text_free(&text);
}

int main(void) {
    path = hone_path_join(test_scratch(), "data");
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_has_its_message), cmocka_unit_test(long_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Memory, text and a JSON writer: what a C library would bring, in the size needed here.
#pragma once

#include "runner.h"

#define TEXT(literal) ((text){(literal), sizeof(literal) - 1})

// Memory for the rest of the request. There is no `free`.
void *allocate(size_t size);

bool text_equal(text a, text b);
bool text_starts_with(text whole, text start);
bool is_utf8(const uint8_t *at, size_t length);

// The part of `url` before the `?`.
text url_path(text url);
// The decoded value of a query parameter; `some` is false if there is none.
option_text url_parameter(text url, text name);

// JSON, written from left to right. Commas are put in by the writer.
typedef struct {
    char *at;
    size_t length, capacity;
    bool comma;
} json;

void json_open(json *out, char bracket);   // '{' or '['
void json_close(json *out, char bracket);  // '}' or ']'
void json_key(json *out, text key);
void json_text(json *out, text value);
void json_null(json *out);
void json_base64(json *out, bytes value);

// A key and its text.
void json_field(json *out, text key, text value);
// The same; `null` for none.
void json_optional(json *out, text key, option_text value);

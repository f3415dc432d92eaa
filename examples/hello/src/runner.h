// `wit/hello.wit` in C.
//
// On wasm32 a C struct has the layout the component model gives a WIT record:
// fields in order, each at its natural alignment. So the declarations below
// need no generated glue. Keep the order of the fields.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { const char *at; size_t length; } text;       // string (UTF-8, no final zero)
typedef struct { const uint8_t *at; size_t length; } bytes;   // list<u8>
typedef struct { bool some; text value; } option_text;        // option<string>
typedef struct { bool some; bytes value; } option_bytes;      // option<list<u8>>

// interface types

typedef struct {
    option_text request_id;
    text tenant_id;
    text extension_id;
    option_text install_id;
    option_text version_id;
} context_data;

typedef struct { text name, value; } http_header;
typedef struct { const http_header *at; size_t length; } http_headers;

typedef struct {
    text method;
    text url;
    http_headers headers;
    option_bytes body;
} http_request;

typedef struct {
    context_data context;
    http_request http;
} execute_request;

typedef struct {
    uint16_t status;
    http_headers headers;
    option_bytes body;
} execute_response;

typedef struct { text key, value; } text_pair;

typedef struct {
    text tenant_id;
    text client_name;
    text user_id;
    text user_email;
    text user_name;
    text user_type;
    option_text client_id;
    struct { const text_pair *at; size_t length; } additional_fields;
} user_data;

enum { USER_NOT_AVAILABLE, USER_NOT_ALLOWED };  // user-error, one byte

// result<user-data-v2, user-error>
typedef struct {
    bool failed;
    union { user_data user; uint8_t error; };
} user_result;

// What the host offers. A result that does not fit in one register is written
// to the address in the last argument.

#define HOST(interface, function) \
    __attribute__((import_module("alga:extension/" interface), import_name(function)))

HOST("context", "get-context") void host_context(context_data *result);
HOST("logging", "log-info") void host_log_info(const char *at, size_t length);
HOST("user-v2", "get-user") void host_user(user_result *result);

// What the host calls. The answer may stay where it is: every request gets a
// fresh instance, whose memory is thrown away as a whole.

__attribute__((export_name("handler"))) const execute_response *
handler(const execute_request *request);

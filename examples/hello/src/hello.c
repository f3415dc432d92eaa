// The endpoints of `com.example.hello`.
//
// The appliance calls `handler` once per request, after it has checked that the
// manifest declares the endpoint. Choosing among the endpoints is our part.
#include "text.h"

#define LONGEST_NAME 100

static const execute_response *answer(uint16_t status, json *body) {
    static const http_header headers[] = {
        {{"content-type", 12}, {"application/json", 16}},
    };
    execute_response *response = allocate(sizeof *response);
    *response = (execute_response){
        .status = status,
        .headers = {headers, 1},
        .body = {true, {(const uint8_t *)body->at, body->length}},
    };
    return response;
}

static const execute_response *refuse(uint16_t status, text code, text message) {
    json body = {0};
    json_open(&body, '{');
    json_field(&body, TEXT("error"), code);
    json_field(&body, TEXT("message"), message);
    json_close(&body, '}');
    return answer(status, &body);
}

// "Hello, " and the name.
static text greet(text name) {
    text hello = TEXT("Hello, ");
    char *greeting = allocate(hello.length + name.length);
    __builtin_memcpy(greeting, hello.at, hello.length);
    __builtin_memcpy(greeting + hello.length, name.at, name.length);
    return (text){greeting, hello.length + name.length};
}

// GET /greeting?name=Ada
static const execute_response *greeting(const http_request *request) {
    option_text name = url_parameter(request->url, TEXT("name"));
    if (!name.some || name.value.length == 0) name.value = TEXT("world");
    if (name.value.length > LONGEST_NAME)
        return refuse(400, TEXT("name_too_long"), TEXT("A name may be at most 100 bytes long."));
    // Percent-decoding can yield any bytes, and JSON must be UTF-8.
    if (!is_utf8((const uint8_t *)name.value.at, name.value.length))
        return refuse(400, TEXT("name_not_text"), TEXT("The name is not UTF-8 text."));

    context_data context;
    host_context(&context);
    text line = TEXT("made a greeting");
    host_log_info(line.at, line.length);

    json body = {0};
    json_open(&body, '{');
    json_field(&body, TEXT("greeting"), greet(name.value));
    json_field(&body, TEXT("tenant"), context.tenant_id);
    json_field(&body, TEXT("extension"), context.extension_id);
    json_optional(&body, TEXT("request_id"), context.request_id);
    json_close(&body, '}');
    return answer(200, &body);
}

// POST /echo: what of the request reached the handler.
static const execute_response *echo(const http_request *request) {
    json body = {0};
    json_open(&body, '{');
    json_field(&body, TEXT("method"), request->method);
    json_field(&body, TEXT("url"), request->url);
    json_key(&body, TEXT("headers"));
    json_open(&body, '[');
    for (size_t i = 0; i < request->headers.length; i++) {
        json_open(&body, '{');
        json_field(&body, TEXT("name"), request->headers.at[i].name);
        json_field(&body, TEXT("value"), request->headers.at[i].value);
        json_close(&body, '}');
    }
    json_close(&body, ']');
    bytes sent = request->body.some ? request->body.value : (bytes){0};
    if (is_utf8(sent.at, sent.length)) {
        json_field(&body, TEXT("body"), (text){(const char *)sent.at, sent.length});
    } else {
        json_key(&body, TEXT("body_base64"));
        json_base64(&body, sent);
    }
    json_close(&body, '}');
    return answer(200, &body);
}

// GET /user: who is asking, if the appliance knows and the install allows it.
static const execute_response *user(void) {
    user_result result;
    host_user(&result);
    if (result.failed && result.error == USER_NOT_ALLOWED)
        return refuse(403, TEXT("not_allowed"), TEXT("This install may not read who is asking."));
    if (result.failed)
        return refuse(404, TEXT("not_available"), TEXT("Nobody is signed in for this request."));

    json body = {0};
    json_open(&body, '{');
    json_field(&body, TEXT("id"), result.user.user_id);
    json_field(&body, TEXT("name"), result.user.user_name);
    json_field(&body, TEXT("email"), result.user.user_email);
    json_field(&body, TEXT("type"), result.user.user_type);
    json_close(&body, '}');
    return answer(200, &body);
}

// GET /health: public, so it says nothing but that the component answers.
static const execute_response *health(void) {
    json body = {0};
    json_open(&body, '{');
    json_field(&body, TEXT("status"), TEXT("ok"));
    json_close(&body, '}');
    return answer(200, &body);
}

const execute_response *handler(const execute_request *request) {
    text method = request->http.method, path = url_path(request->http.url);
    bool get = text_equal(method, TEXT("GET"));
    bool post = text_equal(method, TEXT("POST"));
    if (get && text_equal(path, TEXT("/greeting"))) return greeting(&request->http);
    if (post && text_equal(path, TEXT("/echo"))) return echo(&request->http);
    if (get && text_equal(path, TEXT("/user"))) return user();
    if (get && text_equal(path, TEXT("/health"))) return health();
    return refuse(404, TEXT("not_found"), TEXT("There is no such endpoint."));
}

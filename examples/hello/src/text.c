// Memory, text and a JSON writer: what a C library would bring, in the size needed here.
#include "text.h"

#define PAGE ((size_t)65536)

// The linker puts this symbol behind the stack and the constants.
extern char __heap_base;

static uintptr_t heap_end;

static void *allocate_aligned(size_t align, size_t size) {
    uintptr_t start = heap_end ? heap_end : (uintptr_t)&__heap_base;
    start = (start + align - 1) & ~(align - 1);
    uintptr_t memory = __builtin_wasm_memory_size(0) * PAGE;
    if (size > memory - start) {
        size_t pages = (size - (memory - start) + PAGE - 1) / PAGE;
        // Out of memory: the host sees a trap and answers for us.
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) __builtin_trap();
    }
    heap_end = start + size;
    return (void *)start;
}

void *allocate(size_t size) { return allocate_aligned(8, size); }

// The host calls this to make room for what it passes in.
__attribute__((export_name("cabi_realloc"))) void *
cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    void *new = allocate_aligned(align, size);
    if (old_size) __builtin_memcpy(new, old, old_size < size ? old_size : size);
    return new;
}

bool text_equal(text a, text b) { return a.length == b.length && text_starts_with(a, b); }

bool text_starts_with(text whole, text start) {
    if (whole.length < start.length) return false;
    for (size_t i = 0; i < start.length; i++)
        if (whole.at[i] != start.at[i]) return false;
    return true;
}

// Well-formed UTF-8 as the Unicode standard has it: no overlong forms, no
// surrogates, nothing above U+10FFFF.
bool is_utf8(const uint8_t *at, size_t length) {
    for (size_t i = 0; i < length;) {
        uint8_t first = at[i++];
        if (first < 0x80) continue;
        if (first < 0xc2 || first > 0xf4) return false;
        size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        for (; more > 0; more--, low = 0x80, high = 0xbf) {
            if (i == length || at[i] < low || at[i] > high) return false;
            i++;
        }
    }
    return true;
}

static size_t find(text in, char wanted) {
    size_t i = 0;
    while (i < in.length && in.at[i] != wanted) i++;
    return i;
}

static text skip(text whole, size_t count) {
    if (count > whole.length) count = whole.length;
    return (text){whole.at + count, whole.length - count};
}

text url_path(text url) { return (text){url.at, find(url, '?')}; }

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static text percent_decode(text in) {
    char *out = allocate(in.length);
    size_t length = 0;
    for (size_t i = 0; i < in.length; i++) {
        char c = in.at[i] == '+' ? ' ' : in.at[i];
        if (c == '%' && i + 2 < in.length) {
            int high = hex_digit(in.at[i + 1]), low = hex_digit(in.at[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        out[length++] = c;
    }
    return (text){out, length};
}

option_text url_parameter(text url, text name) {
    text query = skip(url, find(url, '?') + 1);
    while (query.length > 0) {
        text pair = {query.at, find(query, '&')};
        text key = {pair.at, find(pair, '=')};
        if (text_equal(key, name))
            return (option_text){true, percent_decode(skip(pair, key.length + 1))};
        query = skip(query, pair.length + 1);
    }
    return (option_text){0};
}

// Where the next `length` bytes go.
static char *room_for(json *out, size_t length) {
    if (length > out->capacity - out->length) {
        size_t capacity = (out->length + length) * 2 + 256;
        out->at = cabi_realloc(out->at, out->length, 1, capacity);
        out->capacity = capacity;
    }
    char *room = out->at + out->length;
    out->length += length;
    return room;
}

static void put(json *out, const char *at, size_t length) {
    __builtin_memcpy(room_for(out, length), at, length);
}

static void put_char(json *out, char c) { *room_for(out, 1) = c; }

static void separate(json *out) {
    if (out->comma) put_char(out, ',');
    out->comma = true;
}

void json_open(json *out, char bracket) {
    separate(out);
    put_char(out, bracket);
    out->comma = false;
}

void json_close(json *out, char bracket) {
    put_char(out, bracket);
    out->comma = true;
}

static void put_escaped(json *out, char c) {
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        put(out, (char[]){'\\', c}, 2);
    } else {
        put(out, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
    }
}

// Copies what needs no escape in one piece: copying memory is a call to the
// runtime, and one for each character would be most of a short answer's time.
void json_text(json *out, text value) {
    separate(out);
    put_char(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        if (c != '"' && c != '\\' && (uint8_t)c >= 0x20) continue;
        if (i > from) put(out, value.at + from, i - from);
        put_escaped(out, c);
        from = i + 1;
    }
    if (value.length > from) put(out, value.at + from, value.length - from);
    put_char(out, '"');
}

void json_key(json *out, text key) {
    json_text(out, key);
    put_char(out, ':');
    out->comma = false;
}

void json_null(json *out) {
    separate(out);
    put(out, "null", 4);
}

void json_base64(json *out, bytes value) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    separate(out);
    put_char(out, '"');
    for (size_t i = 0; i < value.length; i += 3) {
        size_t left = value.length - i;
        uint32_t three = (uint32_t)value.at[i] << 16;
        if (left > 1) three |= (uint32_t)value.at[i + 1] << 8;
        if (left > 2) three |= value.at[i + 2];
        char four[] = {digits[three >> 18], digits[three >> 12 & 63],
                       left > 1 ? digits[three >> 6 & 63] : '=', left > 2 ? digits[three & 63] : '='};
        put(out, four, 4);
    }
    put_char(out, '"');
}

void json_field(json *out, text key, text value) {
    json_key(out, key);
    json_text(out, value);
}

void json_optional(json *out, text key, option_text value) {
    json_key(out, key);
    if (value.some) json_text(out, value.value);
    else json_null(out);
}

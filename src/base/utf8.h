/* utf8.h - what may be shown to a person as it is. */
#ifndef OXP_BASE_UTF8_H
#define OXP_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character at s if it is valid UTF-8 and safe to show (no control character, no
 * surrogate, no bidirectional override, no invisible separator), else 0. */
size_t oxp_utf8_printable(const char *s, size_t len);
/* Bytes of the valid UTF-8 character at s, printable or not; 0 when invalid.  *code: its number. */
size_t oxp_utf8_decode(const char *s, size_t len, unsigned *code);

#endif

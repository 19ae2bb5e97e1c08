/* SPDX-License-Identifier: MIT */
/*
 * Structured Fields (RFC 9651): parsing and serializing. No I/O, no allocation.
 *
 * A field is a list, a dictionary or an item. What each consists of:
 *
 *     list         members:           a, (b c);x, "d"
 *     dictionary   members with keys: k=a, l=(b c);x, m
 *     item         one member:        a;x=1
 *     member       an item or an inner list, then its parameters
 *     inner list   items, each with its parameters
 *     parameter    a key and a value, which is neither a list nor has parameters
 *
 * All of them are a cachette__sf_item here. To read Cache-Status, for example:
 *
 *     cachette__sf field;
 *     cachette__sf_item cache, parameter;
 *     if (!cachette__sf_begin(&field, CACHETTE__SF_LIST, lines, count)) return;
 *     while (cachette__sf_next(&field, &cache)) {
 *       cachette_slice rest = cache.parameters;
 *       while (cachette__sf_next_parameter(&rest, &parameter)) ...
 *     }
 *
 * And to write it:
 *
 *     cachette__sf_writer writer;
 *     cachette__sf_writer_begin(&writer, CACHETTE__SF_LIST, buffer, sizeof buffer);
 *     cachette__sf_item cache = cachette__sf_token(cachette_str("Cachette"));
 *     cachette__sf_write_member(&writer, &cache);
 *     cachette__sf_item ttl = cachette__sf_integer(60);
 *     ttl.key = cachette_str("ttl");
 *     cachette__sf_write_parameter(&writer, &ttl);
 *     int status = cachette__sf_writer_end(&writer, &size);      Cachette;ttl=60
 *
 * A field with an error anywhere counts as absent (RFC 9651, 4.2). So cachette__sf_begin() checks
 * all of it, and a field that fails there has no members. The calls after it cannot fail.
 */
#ifndef CACHETTE_HTTP_STRUCTURED_H
#define CACHETTE_HTTP_STRUCTURED_H

#include "cachette.h"

/* What a field is. Its definition says so, not its text. */
enum cachette__sf_kind { CACHETTE__SF_LIST, CACHETTE__SF_DICTIONARY, CACHETTE__SF_ITEM };

enum cachette__sf_type {
  CACHETTE__SF_INTEGER, /* number: the value */
  CACHETTE__SF_DECIMAL, /* number: the value in thousandths, which is exact */
  CACHETTE__SF_BOOLEAN, /* number: 0 or 1 */
  CACHETTE__SF_DATE,    /* number: the seconds since 1970 */
  CACHETTE__SF_TOKEN,   /* text: the token */
  CACHETTE__SF_STRING,  /* text: printable ASCII */
  CACHETTE__SF_BYTES,   /* text: any bytes */
  CACHETTE__SF_DISPLAY, /* text: UTF-8 */
  CACHETTE__SF_INNER    /* text: the items of an inner list, for cachette__sf_next_item() */
};

/* The largest number of every type; the smallest is its negative. */
#define CACHETTE__SF_NUMBER_MAX INT64_C(999999999999999)

/*
 * A value, maybe with a key and parameters. All slices of one that was parsed point into the field.
 *
 * A parsed text is as it stands in the field, without its delimiters: strings still have their
 * backslashes, byte sequences are Base64, display strings are percent-encoded. Such a text has
 * `encoded` set; cachette__sf_decode() decodes it. Two parsed strings are equal exactly if their
 * texts are equal, because an escape never stands for a character that does not need one; this
 * holds for neither byte sequences nor display strings.
 */
typedef struct cachette__sf_item {
  cachette_slice key; /* of a parameter or a dictionary's member; else empty */
  enum cachette__sf_type type;
  int64_t number;
  cachette_slice text;
  bool encoded;              /* `text` must be decoded */
  cachette_slice parameters; /* for cachette__sf_next_parameter(); ignored by the writer */
} cachette__sf_item;

/* ---- Parsing ---- */

/* Private. It points to the lines, and may be copied to remember a position. */
typedef struct cachette__sf {
  enum cachette__sf_kind kind;
  const cachette_slice *lines; /* after the current one */
  size_t count;
  cachette_slice rest; /* of the current line; a member is at its beginning */
} cachette__sf;

/*
 * Checks a field, and starts to read it. False: the field is invalid, and has no members.
 *
 * `lines` are the values of all field lines with this name, in their order; no further joining is
 * needed, and both array and text must live as long as `field`. No lines are an empty list or
 * dictionary, but not an item.
 *
 * Several lines mean the same as their texts with ", " between them (4.2), with one exception: a
 * string that begins in one line and ends in another is an error, which the RFC permits. So several
 * lines are never an item; and an empty one among several is an error.
 */
bool cachette__sf_begin(cachette__sf *field, enum cachette__sf_kind kind,
                        const cachette_slice *lines, size_t count);

/*
 * Reads the next member. False: there is none. An item has one member: itself.
 *
 * Of several members of a dictionary with the same key the last one counts, at the position of the
 * first (4.2.2). They all come here, so a caller that keeps members must replace earlier ones, and
 * one that looks for a single key uses cachette__sf_find().
 */
bool cachette__sf_next(cachette__sf *field, cachette__sf_item *member);

/* Finds the member of a dictionary that counts for a key, among those that cachette__sf_next() has
 * not yet read. False: there is none. */
bool cachette__sf_find(const cachette__sf *field, cachette_slice key, cachette__sf_item *member);

/* Takes the next item off the front of the text of an inner list. False: there is none. */
bool cachette__sf_next_item(cachette_slice *items, cachette__sf_item *item);

/* Takes the next parameter off the front of an item's `parameters`. False: there is none. Of
 * several parameters with the same key the last one counts, as for members of dictionaries. */
bool cachette__sf_next_parameter(cachette_slice *parameters, cachette__sf_item *parameter);

/* Finds the parameter that counts for a key. False: there is none. */
bool cachette__sf_find_parameter(cachette_slice parameters, cachette_slice key,
                                 cachette__sf_item *parameter);

/* Returns whether a key or a token is this name. Case matters, as everywhere in these fields. */
bool cachette__sf_is(cachette_slice text, const char *name);

/*
 * Decodes the text of a token, string, byte sequence or display string. Returns the size of the
 * decoded text, which is at most `text.size`. Writes it if `capacity` suffices, and else nothing;
 * `buffer` may be NULL if `capacity` is 0. Other types have no text: returns 0.
 */
size_t cachette__sf_decode(const cachette__sf_item *item, void *buffer, size_t capacity);

/* ---- Values to write ---- */

/* These return a value without a key. `text` must be plain: it will be encoded. */
cachette__sf_item cachette__sf_integer(int64_t number);
cachette__sf_item cachette__sf_boolean(bool value);
cachette__sf_item cachette__sf_token(cachette_slice text);
cachette__sf_item cachette__sf_string(cachette_slice text);

/* Rounds a number to thousandths, of two equally near ones to the even one (4.1.5). A number that
 * no decimal can represent, such as a NaN, becomes one that the writer refuses. */
cachette__sf_item cachette__sf_decimal(double number);

/* ---- Serializing ---- */

/* Private. */
typedef struct cachette__sf_writer {
  enum cachette__sf_kind kind;
  char *buffer;
  size_t capacity, size; /* `size` counts what did not fit, too */
  size_t members;
  bool in_inner;  /* an inner list is open */
  bool has_value; /* a parameter may follow */
  bool failed;
} cachette__sf_writer;

/* Starts a field. `buffer` may be NULL if `capacity` is 0. */
void cachette__sf_writer_begin(cachette__sf_writer *writer, enum cachette__sf_kind kind,
                               char *buffer, size_t capacity);

/*
 * Writes a member, with its key if the field is a dictionary. If its type is CACHETTE__SF_INNER,
 * this opens an inner list, whatever its text: cachette__sf_write_item() adds the items, and
 * cachette__sf_write_inner_end() closes it. The parameters are not written; add each with
 * cachette__sf_write_parameter(). A parsed value may be written as it is.
 *
 * Keys are not compared: it is the caller's duty that they differ.
 */
void cachette__sf_write_member(cachette__sf_writer *writer, const cachette__sf_item *member);

/* Writes an item of the open inner list. */
void cachette__sf_write_item(cachette__sf_writer *writer, const cachette__sf_item *item);

/* Closes the inner list. Parameters that follow are its own. */
void cachette__sf_write_inner_end(cachette__sf_writer *writer);

/* Writes a parameter of what was written or closed last. */
void cachette__sf_write_parameter(cachette__sf_writer *writer, const cachette__sf_item *parameter);

/*
 * Ends the field. An empty list or dictionary has the size 0: do not send the field then (4.1).
 *
 * Returns
 *   0        `size` bytes are in the buffer.
 *   ETOOBIG  The buffer is too small: `size` bytes are needed.
 *   EINVAL   This is not serializable (4.1). A key or a token is malformed, a string is not
 *            printable ASCII, a display string is not UTF-8, a number is out of range, or the calls
 *            do not make up a field of this kind. Do not send anything. `size` is unchanged.
 */
int cachette__sf_writer_end(const cachette__sf_writer *writer, size_t *size);

#endif

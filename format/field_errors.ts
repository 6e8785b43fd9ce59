/**
 * Errors of codecs that work on the bytes of one field: the caller knows the field's place, so the offset is 0.
 *
 * @module
 */

import { FormatError } from "./error.ts";

/** The error for a field of another size than its type has. */
export function wrongSize(what: string, expected: string, foundBytes: number): FormatError {
  return new FormatError("device-mismatch", `Cannot decode ${what}: it has another size`, {
    offset: 0,
    expected: `${expected} bytes`,
    found: `${foundBytes} byte(s)`,
  });
}

/** The error for a value that its field can't hold. */
export function notEncodable(
  what: string,
  expected: string,
  found: number | bigint,
): FormatError {
  const message = `Cannot encode ${what}: the value does not fit`;
  return new FormatError("not-encodable", message, { offset: 0, expected, found: `${found}` });
}

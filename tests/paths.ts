/**
 * Paths of files beside the tests.
 *
 * @module
 */

/** The path of a `file:` URL. */
export function fromFileUrl(url: URL): string {
  return decodeURIComponent(url.pathname);
}

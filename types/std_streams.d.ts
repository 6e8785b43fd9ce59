/** Declarations of the part of `@std/streams` that we use; why: see std_assert.d.ts. */

declare module "@std/streams/to-text" {
  /** Reads the stream to its end as UTF-8 text. */
  export function toText(stream: ReadableStream<string | Uint8Array>): Promise<string>;
}

declare module "@std/streams/text-line-stream" {
  /** Cuts text into lines at LF and CRLF; with `allowCR`, at a lone CR too. */
  export class TextLineStream extends TransformStream<string, string> {
    constructor(options?: { allowCR?: boolean });
  }
}
